"""The loss of a step's batch as a function of the parameters alone, for probes that explore it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn

from bnexp.diagnostics.probe import LossOfBatch, ProbedStep, leaving_no_trace


class Objective:
    """Computes losses and gradients at whatever the parameters hold now.

    Each pass starts from the same buffers and draws the same random numbers, so that two passes
    differ only in the parameters. A norm that corrects its output by running statistics (batch
    renorm) would otherwise change the loss by being looked at.
    """

    def __init__(
        self,
        compute_loss: LossOfBatch,
        parameters: Sequence[Tensor],
        buffers: Sequence[Tensor] = (),
    ) -> None:
        self._compute_loss = compute_loss
        self.parameters = list(parameters)
        """What the loss is a function of."""
        self._buffers = [(buffer, buffer.clone()) for buffer in buffers]

    def compute_loss(self, images: slice = slice(None)) -> Tensor:
        """Returns the mean loss of these images of the batch, by default all, with its graph."""
        with torch.no_grad():
            for buffer, kept in self._buffers:
                buffer.copy_(kept)
        return self._compute_loss(images)

    def differentiate(
        self,
        images: slice = slice(None),
        parameters: Sequence[Tensor] | None = None,
        create_graph: bool = False,
    ) -> tuple[Tensor, list[Tensor]]:
        """Returns the loss, and its gradient with respect to some parameters, by default all.

        A parameter that the loss does not depend on has a gradient of zeros.
        """
        parameters = self.parameters if parameters is None else parameters
        loss = self.compute_loss(images)
        gradients = torch.autograd.grad(
            loss, parameters, create_graph=create_graph, materialize_grads=True
        )
        return loss.detach(), list(gradients)


@contextlib.contextmanager
def exploring(step: ProbedStep) -> Iterator[Objective]:
    """Gives the loss of a step's batch as a function of what is trained; inside, it may be changed.

    Afterwards all is as before. Of a weight of which only some values are trained, all count. A
    compiled network runs uncompiled: a compiled one has no second derivatives, and would be
    compiled again for each size of a batch.
    """
    parameters = [value for value in step.model.parameters() if value.requires_grad]
    with leaving_no_trace(step.model), _running_uncompiled(step.model):
        yield Objective(step.compute_loss, parameters, list(step.model.buffers()))


def _running_uncompiled(model: nn.Module) -> contextlib.AbstractContextManager[object]:
    is_compiled = any(module._compiled_call_impl is not None for module in model.modules())
    return torch.compiler.set_stance("force_eager") if is_compiled else contextlib.nullcontext()
