"""Measures how much of a gradient is signal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor, nn

from bnexp.diagnostics.layers import find_trained
from bnexp.diagnostics.objective import exploring
from bnexp.diagnostics.probe import Probe, ProbedStep


class GradientSignalToNoise(Probe):
    """Yields the ratio of signal to noise in the gradient of each layer, and of all."""

    def __init__(self, steps: range, layers: Mapping[str, nn.Module], microbatches: int) -> None:
        super().__init__(steps)
        self._layers = layers
        self._microbatches = microbatches

    def before_update(self, step: ProbedStep) -> None:
        """Computes the gradients of the parts of the batch."""
        self._ratios: dict[str, Tensor] = {}
        first, *others = cut_batch(len(step.inputs), self._microbatches, _find_group(step.model))
        if not others:
            return
        with exploring(step) as objective:
            moments = GradientMoments(objective.differentiate(first)[1])
            for part in others:
                moments.add(objective.differentiate(part)[1])
            places = {value: place for place, value in enumerate(objective.parameters)}
        signal, noise = moments.estimate()
        layers = {name: find_trained(layer) for name, layer in self._layers.items()}
        for name, values in (*layers.items(), ("all", list(places))):
            chosen = [places[value] for value in values]
            self._ratios[name] = signal[chosen].sum() / noise[chosen].sum()

    def after_update(self, step: ProbedStep) -> Iterator[tuple[str, Tensor]]:
        """Yields the ratios."""
        for name, ratio in self._ratios.items():
            yield f"diag/gradient_signal_to_noise/{name}", ratio


def cut_batch(images: int, parts: int, group: int = 1) -> list[slice]:
    """Returns equal parts of a batch, at most so many, of at least two images.

    A part holds whole groups of `group` images if it holds more than one.
    """
    size = images // min(parts, max(images // 2, 1))
    if size > group:
        size -= size % group
    return [slice(start, start + size) for start in range(0, images - size + 1, size)][:parts]


def _find_group(model: nn.Module) -> int:
    """Returns the size of the network's largest ghost batches; 1 if it has none."""
    sizes = [getattr(module, "normalization_batch_size", None) or 1 for module in model.modules()]
    return max(sizes, default=1)


class GradientMoments:
    """Sums up independent estimates of one gradient, each a list of tensors of the same shapes.

    Sums are those of the distances from the first estimate: sums of the estimates themselves
    would lose the digits of a variance far below the mean.
    """

    def __init__(self, first: Sequence[Tensor]) -> None:
        self._first = list(first)
        self._sums = [torch.zeros_like(gradient) for gradient in first]
        self._squares = [gradient.new_zeros(()) for gradient in first]
        self.count = 1
        """Estimates added so far."""

    def add(self, gradients: Sequence[Tensor]) -> None:
        """Adds an estimate."""
        for index, (gradient, first) in enumerate(zip(gradients, self._first, strict=True)):
            distance = gradient - first
            self._sums[index] += distance
            self._squares[index] += distance.square().sum()
        self.count += 1

    def estimate(self) -> tuple[Tensor, Tensor]:
        """Returns unbiased estimates, from two or more: ‖E g‖² and E ‖g − E g‖², one per tensor.

        The first can be negative, if the noise is larger than the signal.
        """
        squares, sums = torch.stack(self._squares), self._sums
        noise = (squares - _square(sums) / self.count) / (self.count - 1)
        means = [first + sum_ / self.count for first, sum_ in zip(self._first, sums, strict=True)]
        return _square(means) - noise / self.count, noise


def _square(tensors: Sequence[Tensor]) -> Tensor:
    """Returns each tensor's squared ℓ2 norm."""
    return torch.stack([tensor.square().sum() for tensor in tensors])
