"""Batch renormalization."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from bnexp.norms.batch.layer import (
    BatchNorm,
    advance_average,
    move_average,
    normalize_and_measure,
    stack_groups,
    unstack_groups,
)


@dataclass(frozen=True)
class Limit:
    """A limit that rises from `first`, held up to step `start`, to `last` at step `end`."""

    first: float
    last: float
    start: int
    end: int

    def at(self, step: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
        """Returns the limit at a step (a tensor, counted from 0), without waiting for it."""
        share = ((step - self.start).to(dtype) / max(1, self.end - self.start)).clamp(0, 1)
        share = torch.where(step >= self.end, torch.ones_like(share), share)
        return self.first + (self.last - self.first) * share


class BatchRenorm(BatchNorm):
    """Batch renormalization of `(N, C, H, W)` or `(N, C)`.

    The formulas stand in `bnexp.norms.batch_renorm.config.BatchRenormConfig`. `num_batches_tracked`
    is the step that the limits are read at.
    """

    def __init__(
        self,
        num_features: int,
        *,
        r_max: float,
        d_max: float,
        warmup_steps: int,
        r_max_steps: int,
        d_max_steps: int,
        **settings: Any,  # noqa: ANN401 - those of PyTorch's layer
    ) -> None:
        super().__init__(num_features, **settings)
        self.r_limit = Limit(1.0, r_max, warmup_steps, r_max_steps)
        self.d_limit = Limit(0.0, d_max, warmup_steps, d_max_steps)

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - PyTorch's name of it
        """Returns the normalized input; in training the running statistics move."""
        self._check_input_dim(input)
        if not self.training:
            return self.evaluate(input)
        outputs, mean, std = self.normalize_groups(input)
        self._average(mean, std)
        return outputs

    def normalize_equal_groups(self, inputs: Tensor, groups: int) -> tuple[Tensor, Tensor, Tensor]:
        """Returns the outputs, and the groups' average mean and standard deviation."""
        stacked = inputs if groups == 1 else stack_groups(inputs, groups)
        mean, std = self._measure(stacked)
        grouped = mean.view(groups, -1), std.view(groups, -1)
        r, d = self.clip(*self.compute_correction(*grouped))
        # γ · (x̂ · r + d) + β is batch norm with another γ and β.
        weight = self.weight * r if self.affine else r
        bias = self.weight * d + self.bias if self.affine else d
        outputs = functional.batch_norm(
            stacked, None, None, weight.flatten(), bias.flatten(), training=True, eps=self.eps
        )
        if groups == 1:
            return outputs, mean, std
        return unstack_groups(outputs, inputs, groups), grouped[0].mean(0), grouped[1].mean(0)

    def compute_correction(self, mean: Tensor, std: Tensor) -> tuple[Tensor, Tensor]:
        """Returns r and d, not clipped, for a batch's mean and standard deviation `(…, C)`."""
        running_mean, running_std = self._running_statistics()
        return std / running_std, (mean - running_mean) / running_std

    def clip(self, r: Tensor, d: Tensor) -> tuple[Tensor, Tensor]:
        """Returns r and d within the limits of this step."""
        assert self.num_batches_tracked is not None
        r_max = self.r_limit.at(self.num_batches_tracked, r.dtype)
        d_max = self.d_limit.at(self.num_batches_tracked, d.dtype)
        return r.clamp(1 / r_max, r_max), d.clamp(-d_max, d_max)

    @torch.no_grad()
    def measure_clipping(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """Returns which shares of r and of d a step with these inputs would clip.

        Over channels and groups of images, each group counted by its images.
        """
        groups = torch.split(inputs, self.normalization_batch_size or len(inputs))
        statistics = [self._measure(group) for group in groups]
        mean, std = (torch.stack(values) for values in zip(*statistics, strict=True))
        correction = self.compute_correction(mean, std)
        images = mean.new_tensor([len(group) for group in groups])
        r, d = (
            ((clipped != value).to(mean.dtype).mean(1) * images).sum() / len(inputs)
            for value, clipped in zip(correction, self.clip(*correction), strict=True)
        )
        return r, d

    @torch.no_grad()
    def _measure(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """Returns each channel's mean and √(biased variance + eps)."""
        _, mean, variance = normalize_and_measure(inputs, None, None, self.eps)
        count = inputs.numel() // inputs.shape[1]
        return mean, (variance * ((count - 1) / count) + self.eps).sqrt()

    def _running_statistics(self) -> tuple[Tensor, Tensor]:
        assert self.running_mean is not None
        assert self.running_var is not None
        return self.running_mean, (self.running_var + self.eps).sqrt()

    @torch.no_grad()
    def _average(self, mean: Tensor, std: Tensor) -> None:
        _, running_std = self._running_statistics()
        weight = advance_average(self)
        move_average(self.running_mean, mean, weight)
        move_average(running_std, std, weight)
        assert self.running_var is not None
        self.running_var.copy_((running_std.square() - self.eps).clamp(min=0))
