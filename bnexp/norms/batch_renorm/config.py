"""Batch renormalization: batch norm that is corrected towards its running statistics."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from bnexp.norms.batch_statistics import GhostBatchesConfig
from bnexp.norms.norm import Dimensions

if TYPE_CHECKING:
    from torch import nn


class BatchRenormConfig(GhostBatchesConfig):
    """Batch norm whose training output is corrected towards that of evaluation, within limits.

    Formula: y = γ · ((x − μ) / σ · r + d) + β with σ = √(variance + eps); r = σ / σ' clipped
    to [1 / r_max, r_max] and d = (μ − μ') / σ' clipped to [−d_max, d_max], where μ' and σ'
    are the running statistics before the step. No gradient flows through r and d.

    Training: μ and σ of the batch over (N, H, W). The limits are 1 and 0, which is batch
    norm, up to `warmup_steps`, and rise in straight lines to `r_max` at `r_max_steps` and
    `d_max` at `d_max_steps`. Within the limits the output is what evaluation would give.
    Then μ' and σ' move towards μ and σ with weight `momentum`. A training too short for the
    limits to rise is warned about.

    With `normalization_batch_size: g`, each g consecutive images (a ghost batch) have their own
    μ, σ, r and d, and what is left of the batch is a smaller group of its own. μ' and σ' still
    move once per step, towards the average over the groups of their μ and σ, each group counted
    by its images.

    Evaluation: y = γ · (x − μ') / σ' + β.

    Shapes: (N, C, H, W) or (N, C), kept; one μ, σ, r and d per channel.

    Parameters: γ and β, 2·C; running mean and variance, 2·C that are not trained, the variance
    being σ'² − eps, so that it reads like batch norm's; a counter of steps.

    Variance: biased, in the running average too, which is one of σ, not of σ².

    Source: Ioffe 2017, "Batch Renormalization", algorithm 1. The paper's limits rise from
    step 5,000 to 40,000 (r) and 25,000 (d), in a training of over a hundred thousand; the
    defaults are a fiftieth of that, for a few thousand steps. Its momentum is 0.01, for its
    longer training.
    """

    averages_biased_variances: ClassVar[bool] = True

    name: Literal["batch_renorm"] = "batch_renorm"
    r_max: float = Field(default=3.0, ge=1)
    """Largest factor of the correction, and the inverse of the smallest; the paper's 3."""
    d_max: float = Field(default=5.0, ge=0)
    """Largest shift of the correction, in running standard deviations; the paper's 5."""
    warmup_steps: int = Field(default=100, ge=0)
    """Steps of plain batch norm at the start; the paper's 5,000 / 50."""
    r_max_steps: int = Field(default=800, ge=0)
    """Step at which the limit of r has risen to `r_max`; the paper's 40,000 / 50."""
    d_max_steps: int = Field(default=500, ge=0)
    """Step at which the limit of d has risen to `d_max`; the paper's 25,000 / 50."""

    @model_validator(mode="after")
    def _refuse_backward_schedules(self) -> BatchRenormConfig:
        if min(self.r_max_steps, self.d_max_steps) < self.warmup_steps:
            raise PydanticCustomError(
                "schedule", "r_max_steps and d_max_steps must not come before warmup_steps"
            )
        return self

    def build(self, num_features: int, dimensions: Dimensions = 2) -> nn.Module:
        """Returns the layer, which serves both forms."""
        from bnexp.norms.batch_renorm.layer import BatchRenorm

        return BatchRenorm(num_features, **self.settings)

    def find_warnings(self, batch_size: int, steps: int) -> Iterator[tuple[str, str]]:
        """Yields those of batch norm, and a training that ends before the limits are wide."""
        yield from super().find_warnings(batch_size, steps)
        for key, last in (("r_max_steps", self.r_max_steps), ("d_max_steps", self.d_max_steps)):
            if last > steps:
                reason = (
                    f"the training ends after {steps} steps, before the limit has risen at step "
                    f"{last}; the paper's share of a training is about a quarter"
                )
                yield key, reason
