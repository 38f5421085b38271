"""The tensors of a checkpoint, to bytes and back: network and optimiser state.

What is read is checked twice before anything is applied: that it is made of tensors and plain
types only (PyTorch's restricted unpickler, which executes nothing), and that its names, shapes
and types are those of the network and optimiser that were built from the config.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from bnexp.runs import CheckpointError

Slots = dict[int, dict[str, Tensor | None]]
"""What an optimiser keeps per parameter, by the parameter's number: its momentum, for example."""


def write_tensors(model: nn.Module, optimizer: torch.optim.Optimizer) -> bytes:
    """Returns the state of a network and its optimiser as `torch.save` writes it.

    There is no state of a schedule or of a random generator: both are functions of the seed
    and the step. The tensors are written as the CPU's, so that any machine can read them.
    """
    slots: Slots = optimizer.state_dict()["state"]
    content = {
        "model": _bring_to_cpu(model.state_dict()),
        "optimizer": {number: _bring_to_cpu(slot) for number, slot in slots.items()},
    }
    buffer = io.BytesIO()
    torch.save(content, buffer)
    return buffer.getvalue()


def _bring_to_cpu(state: Mapping[str, Tensor | None]) -> dict[str, Tensor | None]:
    return {name: None if value is None else value.cpu() for name, value in state.items()}


def restore(content: bytes, model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    """Loads what `write_tensors` gave into a network and its optimiser, both freshly built.

    Raises:
        CheckpointError: It is from another network or optimiser, or something else: code in a
            pickle, more data than there are bytes, wrong keys or types. Nothing in it has been
            executed, and nothing has been changed.
    """
    tensors, slots = _read(content)
    problem = _find_model_problem(tensors, model.state_dict())
    problem = problem or _find_slots_problem(slots, optimizer)
    if problem:
        raise CheckpointError(problem)
    model.load_state_dict(tensors)
    # Learning rate, momentum and decay come from the config alone.
    groups = optimizer.state_dict()["param_groups"]
    optimizer.load_state_dict({"state": slots, "param_groups": groups})


def restore_network(content: bytes, model: nn.Module) -> None:
    """Loads the network of what `write_tensors` gave into a freshly built one.

    Raises:
        CheckpointError: As for `restore`.
    """
    tensors, _ = _read(content)
    if problem := _find_model_problem(tensors, model.state_dict()):
        raise CheckpointError(problem)
    model.load_state_dict(tensors)


def _read(content: bytes) -> tuple[dict[str, Tensor], Slots]:
    loaded = _load(content)
    if not isinstance(loaded, dict) or set(loaded) != {"model", "optimizer"}:
        raise CheckpointError("is not a checkpoint of bnexp")
    model, slots = loaded["model"], loaded["optimizer"]
    if not _holds_tensors(model):
        raise CheckpointError("has a wrong value at model")
    is_numbered = isinstance(slots, dict) and all(type(number) is int for number in slots)
    if not is_numbered or not all(_holds_tensors(slot, or_none=True) for slot in slots.values()):
        raise CheckpointError("has a wrong value at optimizer")
    return model, slots


def _load(content: bytes) -> Any:  # noqa: ANN401 - checked by the caller
    try:
        _refuse_packed(content)
        return torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except CheckpointError:
        raise
    except Exception as error:
        # A hostile file can make the reader raise anything.
        # Its message is left out: PyTorch's says how to load the file unsafely.
        raise CheckpointError("cannot be read as tensors and plain types alone") from error


def _refuse_packed(content: bytes) -> None:
    """Refuses an archive that unpacks to more than its size: `torch.save` does not compress."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = archive.infolist()
    is_packed = any(member.compress_type != zipfile.ZIP_STORED for member in members)
    if is_packed or sum(member.file_size for member in members) > len(content):
        raise CheckpointError("holds compressed data, which a checkpoint never does")


def _holds_tensors(value: Any, or_none: bool = False) -> bool:  # noqa: ANN401
    """Returns whether it is a dict of plain tensors; a subclass or a sparse one is not."""
    return isinstance(value, dict) and all(
        isinstance(name, str)
        and ((type(item) is Tensor and item.layout == torch.strided) or (or_none and item is None))
        for name, item in value.items()
    )


def _find_model_problem(found: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> str | None:
    if set(found) != set(own):
        name = min(set(found) ^ set(own))
        where = "it alone has" if name in found else "it lacks"
        return f"is from another network: {where} {name}"
    for name, value in own.items():
        if (found[name].shape, found[name].dtype) != (value.shape, value.dtype):
            return (
                f"is from another network: {name} is {_describe(found[name])} there and "
                f"{_describe(value)} here"
            )
    return None


def _find_slots_problem(slots: Slots, optimizer: torch.optim.Optimizer) -> str | None:
    parameters = [value for group in optimizer.param_groups for value in group["params"]]
    is_sgd = isinstance(optimizer, torch.optim.SGD)
    known = {"momentum_buffer"} if is_sgd else {"step", "exp_avg", "exp_avg_sq"}
    for number, slot in slots.items():
        if not 0 <= number < len(parameters) or not set(slot) <= known:
            return "is from another optimiser"
        for name, value in slot.items():
            # AdamW counts its steps in one scalar per parameter.
            shape = torch.Size() if name == "step" else parameters[number].shape
            is_known = value is None or (value.shape, value.dtype) == (shape, torch.float32)
            if not is_known:
                return f"is from another network: {name} of parameter {number} does not fit"
    return None


def _describe(value: Tensor) -> str:
    return f"{tuple(value.shape)} of {str(value.dtype).removeprefix('torch.')}"
