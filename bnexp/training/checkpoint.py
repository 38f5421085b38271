"""A checkpoint: the state of a run as tensors and plain types, to bytes and back.

What is read is checked twice before anything is applied: that it is made of tensors and plain
types only (PyTorch's restricted unpickler, which executes nothing), and that its names, shapes
and types are those of the network and optimiser that were built from the config.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from pydantic import ValidationError
from torch import Tensor, nn

from bnexp.runs import CheckpointError
from bnexp.training.state import Progress

CHECKPOINT_FORMAT = 2
_KEYS = {"format", "fingerprint", "conditions", "progress", "model", "optimizer"}

Slots = Mapping[int, Mapping[str, Tensor | None]]
"""What an optimiser keeps of each parameter, by the parameter's number: momentum, say."""


@dataclass(frozen=True)
class Checkpoint:
    """Everything that a run needs to go on as if it had never stopped.

    There is no state of a schedule or of a random generator in it: both are functions of the
    seed and the step.
    """

    fingerprint: str
    """Of the config that the run was begun with."""
    conditions: Mapping[str, str | int]
    """What the bits depend on besides: versions, device, threads, data."""
    progress: Progress
    model: Mapping[str, Tensor]
    optimizer: Slots


def take_checkpoint(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    progress: Progress,
    fingerprint: str,
    conditions: Mapping[str, str | int],
) -> Checkpoint:
    """Returns the state of a run; its tensors are those of the network, not copies."""
    slots: Slots = optimizer.state_dict()["state"]
    return Checkpoint(fingerprint, conditions, progress, dict(model.state_dict()), slots)


def to_bytes(checkpoint: Checkpoint) -> bytes:
    """Returns the checkpoint as `torch.save` writes it."""
    content = {
        "format": CHECKPOINT_FORMAT,
        "fingerprint": checkpoint.fingerprint,
        "conditions": dict(checkpoint.conditions),
        "progress": checkpoint.progress.model_dump(),
        "model": dict(checkpoint.model),
        "optimizer": {number: dict(slot) for number, slot in checkpoint.optimizer.items()},
    }
    buffer = io.BytesIO()
    torch.save(content, buffer)
    return buffer.getvalue()


def from_bytes(content: bytes) -> Checkpoint:
    """Returns the checkpoint that `to_bytes` was given, its tensors on the CPU.

    Raises:
        CheckpointError: It is not one: code in a pickle, more data than there are bytes, wrong
            keys or types. Nothing of it has been executed.
    """
    loaded = _load(content)
    if not isinstance(loaded, dict) or set(loaded) != _KEYS:
        raise CheckpointError("does not hold what a checkpoint holds")
    if loaded["format"] != CHECKPOINT_FORMAT:
        raise CheckpointError(
            f"has the format {loaded['format']!r:.20}, this version of bnexp reads "
            f"{CHECKPOINT_FORMAT}"
        )
    try:
        progress = Progress.model_validate(loaded["progress"])
    except ValidationError as error:
        place = ".".join(str(key) for key in error.errors()[0]["loc"])
        raise CheckpointError(f"has a wrong value at progress.{place}") from error
    return Checkpoint(
        fingerprint=_require_text(loaded["fingerprint"], "fingerprint"),
        conditions=_require_conditions(loaded["conditions"]),
        progress=progress,
        model=_require_tensors(loaded["model"], "model"),
        optimizer=_require_slots(loaded["optimizer"]),
    )


def restore(checkpoint: Checkpoint, model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    """Puts a checkpoint's values into a network and its optimiser, freshly built.

    Raises:
        CheckpointError: It is of another network or optimiser; nothing has been changed.
    """
    problem = _find_model_problem(checkpoint.model, model.state_dict())
    problem = problem or _find_slots_problem(checkpoint.optimizer, optimizer)
    if problem:
        raise CheckpointError(problem)
    model.load_state_dict(dict(checkpoint.model))
    own = optimizer.state_dict()
    slots = {number: dict(slot) for number, slot in checkpoint.optimizer.items()}
    # Learning rate, momentum and decay come from the config alone.
    optimizer.load_state_dict({"state": slots, "param_groups": own["param_groups"]})


def _load(content: bytes) -> Any:  # noqa: ANN401 - checked by the caller
    try:
        _refuse_packed(content)
        return torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except CheckpointError:
        raise
    except Exception as error:
        # A hostile file can make the reader raise anything.
        # Its words are left out of the message: PyTorch's tell how to load the file unsafely.
        raise CheckpointError("cannot be read as tensors and plain types alone") from error


def _refuse_packed(content: bytes) -> None:
    """Refuses an archive that holds more than its own size: `torch.save` does not compress."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = archive.infolist()
    is_packed = any(member.compress_type != zipfile.ZIP_STORED for member in members)
    if is_packed or sum(member.file_size for member in members) > len(content):
        raise CheckpointError("holds compressed data, which no checkpoint does")


def _require_text(value: object, key: str) -> str:
    if not isinstance(value, str):
        raise CheckpointError(f"has a wrong value at {key}")
    return value


def _require_conditions(value: Any) -> dict[str, str | int]:  # noqa: ANN401
    is_mapping = isinstance(value, dict) and all(isinstance(key, str) for key in value)
    if not is_mapping or not all(type(item) in (str, int) for item in value.values()):
        raise CheckpointError("has a wrong value at conditions")
    return {**value}


def _require_tensors(value: Any, key: str) -> dict[str, Tensor]:  # noqa: ANN401
    is_mapping = isinstance(value, dict) and all(isinstance(name, str) for name in value)
    # A subclass of Tensor, or a sparse one, has no business here.
    if not is_mapping or not all(_is_plain(tensor) for tensor in value.values()):
        raise CheckpointError(f"has a wrong value at {key}")
    return {**value}


def _require_slots(value: Any) -> dict[int, dict[str, Tensor | None]]:  # noqa: ANN401
    if not isinstance(value, dict) or not all(type(number) is int for number in value):
        raise CheckpointError("has a wrong value at optimizer")
    for slot in value.values():
        is_slot = isinstance(slot, dict) and all(isinstance(name, str) for name in slot)
        if not is_slot or not all(item is None or _is_plain(item) for item in slot.values()):
            raise CheckpointError("has a wrong value at optimizer")
    return {**value}


def _is_plain(value: object) -> bool:
    return type(value) is Tensor and value.layout == torch.strided


def _find_model_problem(found: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> str | None:
    if set(found) != set(own):
        name = min(set(found) ^ set(own))
        where = "it alone has" if name in found else "it lacks"
        return f"is of another network: {where} {name}"
    for name, value in own.items():
        if (found[name].shape, found[name].dtype) != (value.shape, value.dtype):
            return (
                f"is of another network: {name} is {_describe(found[name])} there and "
                f"{_describe(value)} here"
            )
    return None


def _find_slots_problem(slots: Slots, optimizer: torch.optim.Optimizer) -> str | None:
    parameters = [value for group in optimizer.param_groups for value in group["params"]]
    known = _slot_names(optimizer)
    for number, slot in slots.items():
        if not 0 <= number < len(parameters) or not set(slot) <= known:
            return "is of another optimiser"
        for name, value in slot.items():
            # AdamW counts its steps in a scalar a parameter.
            shape = torch.Size() if name == "step" else parameters[number].shape
            is_known = value is None or (value.shape, value.dtype) == (shape, torch.float32)
            if not is_known:
                return f"is of another network: {name} of parameter {number} does not fit"
    return None


def _slot_names(optimizer: torch.optim.Optimizer) -> set[str]:
    if isinstance(optimizer, torch.optim.SGD):
        return {"momentum_buffer"}
    return {"step", "exp_avg", "exp_avg_sq"}


def _describe(value: Tensor) -> str:
    return f"{tuple(value.shape)} of {str(value.dtype).removeprefix('torch.')}"
