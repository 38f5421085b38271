"""A network with some images: as built from a config, as trained, or a plain module of PyTorch's.

What is measured leaves the network as it was.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.modules.batchnorm import _NormBase

from bnexp.diagnostics.layers import find_running_mean, is_norm
from bnexp.diagnostics.probe import leaving_no_trace
from bnexp.norms import NormConfig
from bnexp.training.evaluation import Images, Score
from bnexp.training.machine.precision import autocast
from bnexp.training.population import Evaluator, recalibrate, tracks_population

MOST_IMAGES = 64
"""Images of a batch that is passed to look at layers, not at statistics."""


class PlainImages:
    """Tensors as a labelled set: inputs `(N, …)` and targets `(N,)`."""

    def __init__(self, inputs: Tensor, targets: Tensor | None = None) -> None:
        self._inputs = inputs
        self._targets = inputs.new_zeros(len(inputs), dtype=torch.int64)
        if targets is not None:
            self._targets = targets

    @property
    def device(self) -> torch.device:
        """Where the inputs are."""
        return self._inputs.device

    def __len__(self) -> int:
        return len(self._inputs)

    def gather(self, indices: Tensor) -> tuple[Tensor, Tensor]:
        """Returns inputs and targets of the images at `indices`."""
        return self._inputs[indices], self._targets[indices]


@dataclass(frozen=True)
class Moments:
    """Mean and standard deviation of each channel that reaches a layer, `(C,)` in float64."""

    mean: Tensor
    std: Tensor
    count: int
    """Values per channel that they are of."""
    error: Tensor
    """Of normalizing with them, ‖y − exact‖ / ‖exact‖, in the dtype and memory format in which
    the values come; what it takes to round them to that dtype is part of it."""


@dataclass(frozen=True)
class Network:
    """What the checks of a network look at."""

    model: nn.Module
    images: Images
    """Training images without augmentation."""
    batch_size: int
    """Images of an optimiser step."""
    forward_size: int | None = None
    """Images of one forward pass, if gradients of several are accumulated; None: the batch."""
    steps: int = 0
    """Optimiser steps that it has been trained for; 0: it is as it was built."""
    optimizer: torch.optim.Optimizer | None = None
    held_out: Images | None = None
    """Images to score it on; None: there is nothing to score."""
    precision: str = "fp32"
    shared_batch_size: int | None = None
    """Images that share an evaluation batch, if a norm's scores depend on it."""
    recorded_accuracy: float | None = None
    """On the held-out images with running statistics, as the run wrote it down."""
    norm_configs: Mapping[str, NormConfig] = field(default_factory=dict)
    """Configs of the norms' kinds, by the layers' names, as far as they are known."""

    @cached_property
    def norms(self) -> dict[str, nn.Module]:
        """The layers that normalize, by name, whatever package they come from."""
        kinds = (_NormBase, nn.GroupNorm, nn.LayerNorm)
        return {
            name: module
            for name, module in self.model.named_modules()
            if isinstance(module, kinds)
            or type(module).__module__.startswith("bnexp.norms.")
            or is_norm(module)
        }

    @cached_property
    def tracking_norms(self) -> dict[str, nn.Module]:
        """The layers with running statistics that are meant to follow the data, by name."""
        return {name: norm for name, norm in self.norms.items() if tracks_population(norm)}

    def averages_biased_variances(self, name: str) -> bool:
        """Returns whether a norm's running variance is of biased ones by design."""
        return name in self.norm_configs and self.norm_configs[name].averages_biased_variances

    @property
    def normalized_size(self) -> int:
        """Images that go through the network together in training."""
        return min(self.forward_size or self.batch_size, len(self.images))

    @cached_property
    def batch(self) -> tuple[Tensor, Tensor]:
        """Inputs and targets of a batch to look at layers with."""
        size = min(self.normalized_size, MOST_IMAGES)
        return self.images.gather(torch.arange(size, device=self.images.device))

    def pass_in_training(self) -> None:
        """Passes the batch in training mode without gradients; buffers may move."""
        self.model.train()
        with torch.no_grad():
            self.model(self.batch[0])

    @cached_property
    def inputs(self) -> Mapping[str, Moments]:
        """What reaches each norm, by its name, of the batch in training mode.

        The values are those in fp32, which those in bf16 are measured against.
        """
        found: dict[str, Moments] = {}
        dtypes: dict[str, torch.dtype] = {}

        def note(name: str, given: Tensor) -> None:
            found[name] = measure(given, self.norms[name], dtypes.get(name))

        if self.precision != "fp32":
            with autocast(self.images.device, self.precision):
                self._look_at_inputs(lambda name, given: dtypes.update({name: given.dtype}))
        self._look_at_inputs(note)
        return found

    def _look_at_inputs(self, look: Callable[[str, Tensor], None]) -> None:
        """Calls `look` with the name and the input of each norm that the batch reaches."""

        def hook(name: str) -> Callable[[nn.Module, tuple[Tensor, ...]], None]:
            def see(_: nn.Module, given: tuple[Tensor, ...]) -> None:
                if given and isinstance(given[0], Tensor) and given[0].dim() > 1:
                    look(name, given[0])

            return see

        handles = [norm.register_forward_pre_hook(hook(name)) for name, norm in self.norms.items()]
        try:
            with leaving_no_trace(self.model):
                self.pass_in_training()
        finally:
            for handle in handles:
                handle.remove()

    def count_values(self, name: str) -> int | None:
        """Returns how many values per channel a norm's batch statistics are of in training.

        None if no image reaches it.
        """
        if name not in self.inputs:
            return None
        size = self.normalized_size
        group = getattr(self.norms[name], "normalization_batch_size", None)
        return self.inputs[name].count * min(size, group or size) // len(self.batch[0])

    @cached_property
    def true_statistics(self) -> Mapping[str, tuple[Tensor | None, Tensor]]:
        """Mean and variance over the training images, under these weights, by tracking norm.

        The mean is None if the norm keeps none.
        """
        with leaving_no_trace(self.model):
            recalibrate(self.model, self.images, self.normalized_size, self.precision)
            return {
                name: (
                    None if (mean := find_running_mean(norm)) is None else mean.clone(),
                    norm.running_var.clone(),  # type: ignore[operator]
                )
                for name, norm in self.tracking_norms.items()
            }

    @cached_property
    def scores(self) -> Mapping[str, Score]:
        """The scores on the held-out images with running, precise and batch statistics."""
        if self.held_out is None:
            return {}
        evaluator = Evaluator(
            self.precision, self.normalized_size, self.images, self.shared_batch_size
        )
        kinds = ("ema", "precise", "batch") if self.tracking_norms else ("ema",)
        with leaving_no_trace(self.model):
            return {kind: evaluator.score(self.model, self.held_out, kind) for kind in kinds}


def measure(
    inputs: Tensor, norm: nn.Module | None = None, dtype: torch.dtype | None = None
) -> Moments:
    """Returns the moments of each channel of `(N, C, …)`, as they reach a norm.

    The error is that of inputs rounded to `dtype`; None: to none but their own.
    """
    inputs = inputs.detach()
    axes = [axis for axis in range(inputs.dim()) if axis != 1]
    exact = inputs.to("cpu", torch.float64)
    std, mean = torch.std_mean(exact, axes, correction=0)
    exact = _normalize(exact, norm)
    error = (
        (_normalize(inputs.to(dtype or inputs.dtype), norm).to("cpu", torch.float64) - exact)
        .square()
        .sum(axes)
    )
    share = error / exact.square().sum(axes).clamp_min(torch.finfo(torch.float64).tiny)
    return Moments(mean, std, inputs.numel() // inputs.shape[1], share.sqrt())


def _normalize(inputs: Tensor, norm: nn.Module | None) -> Tensor:
    """Returns what the kernel of that kind of norm makes of inputs, without γ, β and noise."""
    if isinstance(norm, nn.GroupNorm):
        return functional.group_norm(inputs, norm.num_groups, eps=norm.eps)
    if len(inputs) * inputs[0, 0].numel() == 1:
        return torch.zeros_like(inputs)
    return functional.batch_norm(inputs, None, None, training=True)


def digest_buffers(model: nn.Module) -> dict[str, str]:
    """Returns a SHA-256 of each buffer, by name."""
    return {
        name: hashlib.sha256(value.detach().cpu().numpy().tobytes()).hexdigest()
        for name, value in model.named_buffers()
    }


def count_forward_passes(model: nn.Module, step: Callable[[], object]) -> list[int]:
    """Returns how many images each forward pass of one optimiser step takes."""
    sizes: list[int] = []
    handle = model.register_forward_pre_hook(lambda _, given: sizes.append(len(given[0])))
    try:
        step()
    finally:
        handle.remove()
    return sizes
