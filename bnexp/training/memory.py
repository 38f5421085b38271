"""The bytes that training holds: exact, and the same whatever ran before in the process."""

from __future__ import annotations

import weakref
from collections.abc import Iterable

import torch
from torch import Tensor, nn

from bnexp.diagnostics.probe import leaving_no_trace
from bnexp.training.step import Batch, compute_loss


def count_training_bytes(
    model: nn.Module, optimizer: torch.optim.Optimizer, batch: Batch, precision: str
) -> int:
    """Returns the bytes that a training step holds when its backward pass begins.

    They are parameters, buffers, optimiser state, a gradient per trained parameter, and the
    tensors that autograd saved for the backward pass, the batch among them if it is one. What
    an operation needs only while it runs does not count. The optimiser must have done a step;
    the model is left as it was, without gradients.
    """
    optimizer.zero_grad(set_to_none=True)  # makes room for what `leaving_no_trace` keeps
    slots = (value for slot in optimizer.state.values() for value in slot.values())
    tensors = [value for value in slots if isinstance(value, Tensor)]
    gradients = [value for value in model.parameters() if value.requires_grad]
    with leaving_no_trace(model):
        model.train()
        saved = _Saved()
        with torch.autograd.graph.saved_tensors_hooks(saved.pack, saved.unpack):
            loss, _ = compute_loss(model, batch, precision)
        tensors += [*model.parameters(), *model.buffers(), *saved.tensors()]
        held = _count_storages(tensors)
        del loss  # it keeps what was saved
    return held + sum(value.numel() * value.element_size() for value in gradients)


class _Saved:
    """What autograd has saved and still holds; a part of the graph may go while it is built."""

    def __init__(self) -> None:
        self._boxes: weakref.WeakSet[_Box] = weakref.WeakSet()

    def pack(self, tensor: Tensor) -> _Box:
        # Detached, or the box would hold the graph that holds the box, and all of it for ever.
        box = _Box(tensor.detach())
        self._boxes.add(box)
        return box

    def unpack(self, box: _Box) -> Tensor:
        return box.tensor

    def tensors(self) -> list[Tensor]:
        return [box.tensor for box in self._boxes]


class _Box:
    """Holds a tensor for as long as autograd holds the box."""

    def __init__(self, tensor: Tensor) -> None:
        self.tensor = tensor


def _count_storages(tensors: Iterable[Tensor]) -> int:
    """Returns the size of all memory that the tensors look at, views of the same memory once."""
    storages = (tensor.untyped_storage() for tensor in tensors)
    return sum({storage.data_ptr(): storage.nbytes() for storage in storages}.values())
