"""One optimiser step: a function of parameters, buffers, optimiser state, batch and step number.

What a step draws at random (dropout, noise) is a function of the seed and its number.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn import functional

from bnexp.diagnostics.probe import LossOfBatch, Measured, Probe, ProbedStep, leaving_no_trace
from bnexp.training.machine.precision import autocast
from bnexp.training.optimization.update import Update
from bnexp.training.profile import UNPROFILED, Unprofiled

Batch = tuple[Tensor, Tensor]
"""Inputs `(N, C, H, W)` and targets `(N,)`."""


@dataclass(frozen=True)
class StepResult:
    """What a step leaves besides its update."""

    loss: Tensor
    """The batch's mean loss, detached, on the device."""
    logits: Tensor
    """`(N, num_classes)` in float32, detached."""
    measured: dict[str, Measured] = field(default_factory=dict)
    """What the probes measured, by tag."""
    clipped: Tensor | None = None
    """The share of the gradient that was clipped, in [0, 1]; None if clipping is off."""


def train_step(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    batch: Batch,
    precision: str,
    number: int = 1,
    probes: Sequence[Probe] = (),
    update: Update | None = None,
    seed: Callable[[int | None], None] = lambda _: None,
    profile: Unprofiled = UNPROFILED,
) -> StepResult:
    """Does one optimiser step, which the given probes measure; they do not change it.

    `update` stands in for the optimiser's own step; probes see the gradients before it. Before a
    probe runs the network again, `seed` seeds what it draws from: with None like the step, with a
    number for the part of the batch that starts there.
    """
    update = update or optimizer.step

    def compute_again(images: slice = slice(None)) -> Tensor:
        seed(images.start)
        return compute_loss(model, (batch[0][images], batch[1][images]), precision)[0]

    with _hooked(model, probes, compute_again) if probes else contextlib.nullcontext():
        with profile.part("forward"):
            loss, logits = compute_loss(model, batch, precision)
        with profile.part("backward"):
            _drop_gradients(optimizer)
            loss.backward()  # type: ignore[no-untyped-call]
    loss, logits = loss.detach(), logits.detach()
    if not probes:
        with profile.part("update"):
            return StepResult(loss, logits, clipped=update())
    learning_rate = float(optimizer.param_groups[0]["lr"])
    step = ProbedStep(number, model, *batch, loss, logits, learning_rate, compute_again)
    with profile.part("diagnostics"):
        for probe in probes:
            probe.before_update(step)
    with profile.part("update"):
        clipped = update()
    with profile.part("diagnostics"):
        measured = {tag: value for probe in probes for tag, value in probe.after_update(step)}
    return StepResult(loss, logits, measured, clipped)


def _drop_gradients(optimizer: torch.optim.Optimizer) -> None:
    """Does what `zero_grad` does, which also tells the profiler about itself at every call."""
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            parameter.grad = None


@contextlib.contextmanager
def _hooked(
    model: nn.Module, probes: Sequence[Probe], compute_again: LossOfBatch
) -> Iterator[None]:
    """Lets the probes' hooks see a pass: the one inside or, if the network is compiled, another.

    A compiled network calls no hooks, so that they see the same pass uncompiled, before it.
    """
    with contextlib.ExitStack() as hooks:
        handles = [hooks.enter_context(one) for probe in probes for one in probe.hook(model)]
        if not handles or model._compiled_call_impl is None:
            yield
            return
        with leaving_no_trace(model), torch.compiler.set_stance("force_eager"):
            compute_again().backward()  # type: ignore[no-untyped-call]
    yield


def compute_loss(model: nn.Module, batch: Batch, precision: str) -> tuple[Tensor, Tensor]:
    """Returns the mean loss of a batch and its logits `(N, num_classes)` in float32."""
    inputs, targets = batch
    with autocast(inputs.device, precision):
        logits = model(inputs)
    logits = logits.float()
    return functional.cross_entropy(logits, targets), logits


_DRAWLESS_MODULES = frozenset(
    f"torch.nn.modules.{name}"
    for name in ("batchnorm", "container", "conv", "flatten", "instancenorm", "linear",
                 "normalization", "padding", "pooling")
)  # fmt: skip
_DRAWLESS_CLASSES = (nn.ReLU, nn.LeakyReLU, nn.PReLU, nn.ELU, nn.SELU, nn.GELU, nn.SiLU, nn.Tanh,
                     nn.Sigmoid, nn.Softplus, nn.Hardswish, nn.Mish, nn.Identity)  # fmt: skip


def may_draw(module: nn.Module) -> bool:
    """Returns whether a module by itself, without its children, may draw random numbers.

    bnexp's own say so in an attribute `draws`; of others that are not known, it is assumed.
    """
    kind = type(module)
    if kind.__module__.startswith("bnexp."):
        return bool(getattr(module, "draws", False))
    if isinstance(module, nn.Dropout):
        return module.p > 0
    return not (kind.__module__ in _DRAWLESS_MODULES or kind in _DRAWLESS_CLASSES)


def find_seeders(model: nn.Module, device: torch.device) -> list[Callable[[int], object]]:
    """Returns what seeds the generators that the network may draw from; none if it draws nothing.

    The device's own generator is seeded directly: `torch.manual_seed` goes over every kind of
    device and takes 80 times as long.
    """
    if not any(may_draw(module) for module in model.modules()):
        return []
    # A module may draw on the CPU whatever device it computes on.
    seeders: list[Callable[[int], object]] = [torch.default_generator.manual_seed]
    if device.type == "cuda":
        index = torch.cuda.current_device() if device.index is None else device.index
        seeders.append(torch.cuda.default_generators[index].manual_seed)
    elif device.type == "mps":
        seeders.append(torch.mps.manual_seed)
    return seeders
