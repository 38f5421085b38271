"""How a diagnostic looks at training steps without changing them."""

from __future__ import annotations

import contextlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle


class LossOfBatch(Protocol):
    """The loss of the step's batch, or of a part of it, as a function of the network's state."""

    def __call__(self, images: slice = slice(None)) -> Tensor:
        """Runs the model on these images, at the run's precision, and returns the mean loss.

        What the network draws at random (dropout, noise) is the same at each call for the same
        images: for the whole batch what the step itself drew, for a part draws of its own.
        To be called inside `leaving_no_trace`.
        """
        raise NotImplementedError


@dataclass(frozen=True)
class ProbedStep:
    """A step whose backward pass is done, as a probe sees it."""

    number: int
    """Counted from 1, as in the rows of metrics."""
    model: nn.Module
    """In training mode. Before the update, each parameter's `grad` is this step's."""
    inputs: Tensor
    """`(N, C, H, W)`."""
    targets: Tensor
    """`(N,)`."""
    loss: Tensor
    """The batch's mean loss, detached."""
    logits: Tensor
    """`(N, num_classes)` in float32, detached."""
    learning_rate: float
    """The step's learning rate."""
    compute_loss: LossOfBatch
    """The loss again, e.g. at other values of the parameters."""


@dataclass(frozen=True)
class Counts:
    """A histogram on the device: how many values lie in each of equal parts of a range."""

    low: Tensor
    """The lower end, a tensor of one value; above `high` if there was no finite value."""
    high: Tensor
    counts: Tensor
    """`(bins,)`, int64."""


Measured = Tensor | float | Counts
"""What a probe yields behind a tag: a number, a tensor of one value, or a histogram."""


class Probe(ABC):
    """Measures something at some of the steps; subclasses override what they need.

    At a due step the calls are, in this order: `hook`, the forward and backward pass, removal of
    the hooks, `before_update`, the optimiser's update, `after_update`. At any other step only
    `is_due` is called. Between `hook` and `after_update` a probe may keep what it needs on itself;
    nothing may outlive the step, so that a run that is killed and resumed measures the same.

    A probe must not change the run: it changes nothing outside `leaving_no_trace`. It may draw
    random numbers, as each step seeds the generators that the network draws from; what it measures
    should not depend on them, since other probes may have drawn before it.
    """

    def __init__(self, steps: range) -> None:
        self.steps = steps
        """The numbers of the steps to measure, counted from 1."""

    def is_due(self, step: int) -> bool:
        """Returns whether to measure the step of this number, counted from 1.

        A function of the number alone.
        """
        return step in self.steps

    def hook(self, model: nn.Module) -> Iterable[RemovableHandle]:
        """Registers hooks for the forward and backward pass of the step, and returns them."""
        return ()

    def before_update(self, step: ProbedStep) -> None:  # noqa: B027 - few need it
        """Looks at the gradients, and at the parameters as they were during the step."""

    @abstractmethod
    def after_update(self, step: ProbedStep) -> Iterable[tuple[str, Measured]]:
        """Yields what was measured: tags such as `diag/gradient_norm/conv1`, and scalars.

        Histograms are for TensorBoard alone.

        A tensor of one value stays on the device: reading it there would wait for the step.
        """


@contextlib.contextmanager
def leaving_no_trace(model: nn.Module) -> Iterator[None]:
    """Puts parameters, buffers, gradients and modes of a model back, and the random generators.

    Inside, gradients start out as None, so that an extra backward pass has them for itself.
    """
    parameters = [(value, value.detach().clone(), value.grad) for value in model.parameters()]
    buffers = [
        (module, name, buffer, buffer.clone())
        for module in model.modules()
        for name, buffer in module.named_buffers(recurse=False)
    ]
    modes = [(module, module.training) for module in model.modules()]
    generators = _find_generators(model)
    states = [get_state() for get_state, _ in generators]
    for value, _, _ in parameters:
        value.grad = None
    try:
        yield
    finally:
        with torch.no_grad():
            for value, kept, gradient in parameters:
                value.copy_(kept)
                value.grad = gradient
            for module, name, buffer, kept_buffer in buffers:
                buffer.copy_(kept_buffer)
                setattr(module, name, buffer)
        for module, mode in modes:
            module.training = mode
        for (_, set_state), state in zip(generators, states, strict=True):
            set_state(state)


def _find_generators(
    model: nn.Module,
) -> list[tuple[Callable[[], Tensor], Callable[[Tensor], object]]]:
    """Returns what gets and sets the state of each generator that a model may draw from."""
    import torch

    generators = [torch.default_generator]
    device = next((value.device for value in model.parameters()), torch.device("cpu"))
    if device.type == "cuda":
        generators.append(torch.cuda.default_generators[device.index])
    states: list[tuple[Callable[[], Tensor], Callable[[Tensor], object]]] = [
        (generator.get_state, generator.set_state) for generator in generators
    ]
    if device.type == "mps":
        states.append((torch.mps.get_rng_state, torch.mps.set_rng_state))
    return states
