"""A config as one file that is complete in itself, with a comment on each of its keys."""

from __future__ import annotations

import functools
import inspect
import shlex
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from pydantic import BaseModel

from bnexp.config.experiment import ExperimentConfig
from bnexp.config.shipped import ShippedConfig
from bnexp.config.yaml.node import Node, Position
from bnexp.config.yaml.problems import models_in
from bnexp.config.yaml.reader import find_comments
from bnexp.config.yaml.tree import read_tree
from bnexp.config.yaml.writer import write_flow
from bnexp.errors import ConfigError, Problem
from bnexp.parts import keys_of, part_name

PartClass = type[BaseModel]

SCHEMA_FILE = "bnexp.schema.json"
"""What the first line of the file names: the schema that lies beside it."""

_WIDTH = 80


def write_whole(shipped: ShippedConfig, file: str) -> str:
    """Returns a shipped config with what it extends, as the text of a file of that name.

    It makes the same runs. The comments of the config and of what it extends are kept; a key that
    has none is explained by the schema.
    """
    problems: list[Problem] = []
    tree = read_tree(shipped.path, problems)
    if problems:
        raise ConfigError(problems)
    opening = [
        line.replace(f"configs/{shipped.name}.yaml", shlex.quote(file)) for line in shipped.opening
    ]
    schema_line = f"# yaml-language-server: $schema={SCHEMA_FILE}"
    body = _write_mapping(tree, ExperimentConfig, "")
    return "\n".join([schema_line, *opening, *body, ""])


def _write_mapping(node: Node, part: PartClass, indent: str) -> Iterator[str]:
    """Yields the lines of a part's keys, each below what explains it."""
    for key, child in node.children.items():
        field = keys_of(part)[key]
        if child.value is None and field.default is None:
            continue  # what it says was for a file that is no longer extended
        own = _find_own_comment(node, key)
        is_choice = key == "name" and part_name(part)  # type: ignore[arg-type]
        known = _summarize(part) if is_choice else field.description or ""
        if not indent:
            yield ""
        yield from _write_comment(own or known, indent)
        yield from _write_entry(key, child, models_in(field.annotation), field.default, indent)


def _write_entry(
    key: str, node: Node, parts: list[PartClass], default: object, indent: str
) -> Iterator[str]:
    """Yields the lines of one key: its sections as blocks, everything else in lines that fit."""
    part = _choose(parts, node, default)
    flow = f"{indent}{key}: {write_flow(node.plain())}"
    inner = f"{indent}  "
    if node.mapping and part:
        yield f"{indent}{key}:"
        yield from _write_mapping(node, part, inner)
    elif node.items and all(item.mapping for item in node.items) and len(parts) == 1:
        yield f"{indent}{key}:"
        for item in node.items:
            yield from _start_item(_write_mapping(item, parts[0], f"{inner}  "), inner)
    elif node.mapping and (len(flow) > _WIDTH or _needs_lines(node)):
        yield f"{indent}{key}:"
        for name, child in node.children.items():
            yield from _write_comment(_find_own_comment(node, name), inner)
            yield from _write_entry(name, child, [], None, inner)
    elif any(item.keys for item in node.items):
        yield f"{indent}{key}:"
        for item in node.items:
            yield from _write_comment(_read_comment(item.position), inner)
            yield f"{inner}- {write_flow(item.plain())}"
    elif node.items:
        aligned = " " * len(f"{indent}{key}: [")
        yield from textwrap.wrap(flow, _WIDTH, subsequent_indent=aligned, break_on_hyphens=False)
    else:
        yield flow


def _needs_lines(node: Node) -> bool:
    """Whether a mapping without a part holds a list, or a comment on one of its keys."""
    return any(
        child.items or _find_own_comment(node, key) or (child.mapping and _needs_lines(child))
        for key, child in node.children.items()
    )


def _start_item(lines: Iterable[str], indent: str) -> Iterator[str]:
    """Yields the lines of a mapping as an item of a list: with a dash at its first key."""
    left = iter(lines)
    for line in left:
        if not line.lstrip().startswith("#"):
            yield f"{indent}- {line.lstrip()}"
            break
        yield f"{indent}{line.lstrip()}"
    yield from left


def _write_comment(text: str, indent: str) -> list[str]:
    start = f"{indent}# "
    words = " ".join(text.split())
    return textwrap.wrap(words, _WIDTH, initial_indent=start, subsequent_indent=start)


def _choose(parts: Sequence[PartClass], node: Node, default: object) -> PartClass | None:
    """Returns the class of a section: what it names, else the default's, else the only one."""
    name = node.child("name")
    named = [part for part in parts if name and part_name(part) == name.value]  # type: ignore[arg-type]
    usual = [part for part in parts if isinstance(default, part)]
    return next(iter([*named, *usual, *parts[:1]]), None)


def _summarize(part: PartClass) -> str:
    """Returns the first paragraph of a part's docstring."""
    return inspect.cleandoc(part.__doc__ or "").partition("\n\n")[0]


def _find_own_comment(node: Node, key: str) -> str:
    """Returns the comment on a key where it is written, if there is one.

    It stands at the end of the line, and explains what is outermost there: of
    `train: {epochs: 182}  # 64k steps`, which has nothing else, the key within.
    """
    place = node.key_position(key)
    within = node.children[key].keys
    beside = [other for _, other in node.keys if _is_same_line(other, place)]
    inside = [other for _, other in within if _is_same_line(other, place)]
    is_here = len(beside) == 1 and len(inside) != 1
    return _read_comment(place) if is_here else ""


def _is_same_line(one: Position, other: Position) -> bool:
    return (one.file, one.line) == (other.file, other.line)


def _read_comment(place: Position) -> str:
    return _read_comments(place.file).get(place.line, "")


@functools.cache
def _read_comments(file: str) -> dict[int, str]:
    return find_comments(Path(file).read_text("utf-8"))
