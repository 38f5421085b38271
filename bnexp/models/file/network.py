"""Runs the Python file of a model, and makes the network that it defines."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol

import torch
from torch import nn
from torch.nn.parameter import is_lazy

from bnexp.errors import did_you_mean
from bnexp.models.borrowed.network import Borrowed
from bnexp.models.file.trust import refuse_untrusted
from bnexp.models.model import ImpossibleModelError
from bnexp.models.summary import IMAGES


class ModelFile(Borrowed, Protocol):
    """What the config of a network from a file says of it."""

    @property
    def path(self) -> str:
        """The file."""

    @property
    def code(self) -> bytes:
        """Its content."""

    @property
    def sha256(self) -> str | None:
        """The SHA-256 of that."""

    @property
    def class_name(self) -> str | None:
        """The class or function that makes the network; None for the only one."""

    @property
    def arguments(self) -> Mapping[str, Any]:
        """What it is called with besides what bnexp tells it."""

    @property
    def title(self) -> str:
        """What the network is called in messages."""


def make_network(
    config: ModelFile, image_shape: tuple[int, int, int], num_classes: int
) -> nn.Module:
    """Returns the network that the file makes for such images and classes.

    Raises:
        UsageError: The file may not be run.
        ImpossibleModelError: It has a mistake, or no such class.
    """
    refuse_untrusted(config.path)
    build = _find_class(config, _import(config))
    offered = _list_arguments(image_shape, num_classes)
    arguments = _choose_arguments(config, build, offered)
    try:
        network = build(**arguments)
    except config.mistakes as error:
        raise config.refuse("cannot be built", error) from error
    if not isinstance(network, nn.Module):
        raise config.refuse(f"makes a {type(network).__name__}, not a torch.nn.Module")
    _fill_lazy_layers(config, network, image_shape)
    return network


def _import(config: ModelFile) -> ModuleType:
    """Returns the file as a module under a name of our own; a process runs it once."""
    name = f"bnexp_file_{config.sha256}"
    if name in sys.modules:
        return sys.modules[name]
    module = ModuleType(name)
    module.__file__ = config.path
    sys.modules[name] = module
    folder = Path(config.path).parent
    try:
        with _hiding(folder):
            exec(compile(config.code, config.path, "exec"), vars(module))
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        reason = "cannot be imported"
        if isinstance(error, ModuleNotFoundError) and _is_beside(folder, error.name):
            reason += "; it must be complete in itself, and cannot import a file beside it"
        raise config.refuse(reason, error) from error
    return module


@contextmanager
def _hiding(folder: Path) -> Iterator[None]:
    """Takes a folder from Python's path, which it is on if Python was started there.

    A file beside the model's would be imported unnoticed, and could change without a trace.
    """
    before = [*sys.path]
    sys.path[:] = [place for place in before if Path(place).resolve() != folder.resolve()]
    try:
        yield
    finally:
        sys.path[:] = before


def _is_beside(folder: Path, name: str | None) -> bool:
    place = folder / (name or "").partition(".")[0]
    return bool(name) and (place.is_dir() or place.with_suffix(".py").exists())


def _find_class(config: ModelFile, module: ModuleType) -> Callable[..., Any]:
    networks = [
        name
        for name, value in vars(module).items()
        if isinstance(value, type)
        and issubclass(value, nn.Module)
        and value.__module__ == module.__name__
    ]
    file, there = Path(config.path).name, ", ".join(networks) or "none"
    name = config.class_name
    if name is None:
        if len(networks) != 1:
            reason = f"must name one of the networks that {file} defines: {there}"
            raise ImpossibleModelError(("class",), reason)
        name = networks[0]
    found: Any = vars(module).get(name)
    if not callable(found):
        hint = did_you_mean(name, networks) or f"; its networks: {there}"
        raise ImpossibleModelError(("class",), f"{file} has no class '{name}'{hint}")
    build: Callable[..., Any] = found
    return build


def _list_arguments(image_shape: tuple[int, int, int], num_classes: int) -> dict[str, Any]:
    """Returns what a network may want to know of its task, under the usual parameter names."""
    height, width, channels = image_shape
    size = height if height == width else (height, width)
    return {
        **dict.fromkeys(("num_classes", "n_classes"), num_classes),
        **dict.fromkeys(("in_channels", "in_chans"), channels),
        **dict.fromkeys(("image_size", "img_size"), size),
    }


def _choose_arguments(
    config: ModelFile, build: Callable[..., Any], offered: dict[str, Any]
) -> dict[str, Any]:
    try:
        parameters = inspect.signature(build).parameters.values()
    except (TypeError, ValueError) as error:
        raise config.refuse("cannot be called", error) from error
    named = {
        one.name: one for one in parameters if one.kind not in (one.VAR_POSITIONAL, one.VAR_KEYWORD)
    }
    takes_all = any(one.kind is one.VAR_KEYWORD for one in parameters)
    for key in config.arguments:
        if key not in named and not takes_all:
            hint = did_you_mean(key, [*named]) or f"; it has {', '.join(named) or 'none'}"
            raise ImpossibleModelError(
                ("arguments", key), f"{config.title} has no parameter '{key}'{hint}"
            )
    chosen: dict[str, Any] = {key: value for key, value in offered.items() if key in named}
    chosen |= config.arguments
    for one in named.values():
        if one.default is one.empty and one.name not in chosen:
            reason = f"{config.title} needs '{one.name}'; set model.arguments.{one.name}"
            raise ImpossibleModelError(("arguments",), reason)
    return chosen


def _fill_lazy_layers(
    config: ModelFile, network: nn.Module, image_shape: tuple[int, int, int]
) -> None:
    """Gives layers such as `LazyLinear` their size, by passing images through the network."""
    if not any(map(is_lazy, (*network.parameters(), *network.buffers()))):
        return
    height, width, channels = image_shape
    try:
        with torch.no_grad():
            network.eval()(torch.zeros(IMAGES, channels, height, width))
    except config.mistakes as error:
        raise config.refuse(f"cannot take images of {width}×{height} pixels", error) from error
    network.train()
