"""Optimisers and learning-rate schedules as config; `bnexp.training` builds them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

from pydantic import Field, field_validator, model_validator
from pydantic_core import PydanticCustomError

from bnexp.parts import Part, named_union


class ScheduleConfig(Part):
    """The learning rate over time, set at each step.

    It is a share of `optim.learning_rate` times `optim.learning_rate_factor`.
    """

    name: str
    warmup_epochs: float = Field(default=0.0, ge=0)
    """Epochs over which the rate rises in a straight line from 0 to where the schedule starts."""

    def scale(self, share: float, share_of_all: float) -> float:
        """Returns the factor of the full rate at a step after the warm-up.

        Args:
            share: The share of the steps after the warm-up that are done, in [0, 1).
            share_of_all: The share of all steps that are done.
        """
        return 1.0


class ConstantScheduleConfig(ScheduleConfig):
    """The full learning rate at every step after the warm-up."""

    name: Literal["constant"] = "constant"


class CosineScheduleConfig(ScheduleConfig):
    """Half a cosine from the full learning rate down to `final_fraction` of it.

    Source: Loshchilov & Hutter 2017, "SGDR", equation 5, without restarts.
    """

    name: Literal["cosine"] = "cosine"
    final_fraction: float = Field(default=0.0, ge=0, le=1)
    """What is left of the learning rate at the end."""

    def scale(self, share: float, share_of_all: float) -> float:
        """Returns the factor of the full rate at a step after the warm-up."""
        low = self.final_fraction
        return low + (1 - low) * (1 + math.cos(math.pi * share)) / 2


class StepScheduleConfig(ScheduleConfig):
    """The learning rate times `gamma` at each milestone.

    Source: He et al. 2016, section 4.2: divided by 10 at 1/2 and 3/4 of the training.
    """

    name: Literal["step"] = "step"
    milestones: tuple[float, ...] = (0.5, 0.75)
    """Where the rate drops, as shares of the whole training, rising, between 0 and 1."""
    gamma: float = Field(default=0.1, gt=0, le=1)
    """Factor at each milestone."""

    @field_validator("milestones")
    @classmethod
    def _check_milestones(cls, milestones: tuple[float, ...]) -> tuple[float, ...]:
        is_rising = list(milestones) == sorted(set(milestones))
        if not is_rising or not all(0 < milestone < 1 for milestone in milestones):
            raise ValueError("must rise, each a share of the training between 0 and 1")
        return milestones

    def scale(self, share: float, share_of_all: float) -> float:
        """Returns the factor of the full rate at a step after the warm-up."""
        return self.gamma ** sum(share_of_all >= milestone for milestone in self.milestones)


SCHEDULES = (ConstantScheduleConfig, CosineScheduleConfig, StepScheduleConfig)

if TYPE_CHECKING:
    AnySchedule = ScheduleConfig
else:
    AnySchedule = named_union(SCHEDULES)


class OptimizerConfig(Part):
    """Fields that every optimiser has."""

    name: str
    learning_rate: float = Field(gt=0)
    """Learning rate after the warm-up; the schedule multiplies it."""
    learning_rate_factor: float = Field(default=1.0, gt=0)
    """Multiplies `learning_rate`, so that a sweep can say 1, 5 and 30 times a tuned rate."""
    weight_decay: float = Field(default=5e-4, ge=0)
    """Strength of the decay of weights towards zero. PReLU's slopes never decay."""
    decay_norm: bool = False
    """Whether γ and β of norms decay too; the default leaves them alone."""
    schedule: AnySchedule = CosineScheduleConfig(warmup_epochs=1.0)
    """How the learning rate changes over the training."""
    clip_norm: float | None = Field(default=None, gt=0)
    """Largest norm of the whole gradient of a step: a larger one is scaled down to it (Pascanu et
    al. 2013); null does not clip."""
    adaptive_clip: float | None = Field(default=None, gt=0)
    """Largest norm of each unit's gradient, as a share of the norm of its weights, which counts as
    at least 0.001; the paper's share is 0.01 to 0.16. A unit is an output channel, or a whole
    vector such as γ. The last linear layer is not clipped (Brock et al. 2021, equation 3)."""

    @property
    def clips(self) -> bool:
        """Whether gradients are clipped."""
        return self.clip_norm is not None or self.adaptive_clip is not None

    @model_validator(mode="after")
    def _refuse_two_clippings(self) -> OptimizerConfig:
        if self.clip_norm is not None and self.adaptive_clip is not None:
            raise PydanticCustomError(
                "clipping", "clip_norm and adaptive_clip exclude each other; remove one of them"
            )
        return self

    @property
    def peak_learning_rate(self) -> float:
        """The rate that the schedule multiplies: `learning_rate` times its factor."""
        return self.learning_rate * self.learning_rate_factor

    def compute_rate(self, step: int, total_steps: int, steps_per_epoch: int) -> float:
        """Returns the learning rate of a step (counted from 0).

        In the warm-up it rises in a straight line and reaches the full rate at the first
        step after it; step 0 takes the first share, not 0. The schedule runs over the
        steps after the warm-up.
        """
        warmup_steps = round(self.schedule.warmup_epochs * steps_per_epoch)
        if step < warmup_steps:
            return self.peak_learning_rate * (step + 1) / (warmup_steps + 1)
        share = (step - warmup_steps) / max(1, total_steps - warmup_steps)
        return self.peak_learning_rate * self.schedule.scale(share, step / total_steps)


class SgdConfig(OptimizerConfig):
    """Stochastic gradient descent with momentum, as `torch.optim.SGD`."""

    name: Literal["sgd"] = "sgd"
    learning_rate: float = Field(default=0.1, gt=0)
    """Learning rate after the warm-up; the schedule multiplies it."""
    momentum: float = Field(default=0.9, ge=0, lt=1)
    """Weight of the old velocity."""
    nesterov: bool = True
    """Nesterov's momentum; without momentum it has no effect."""


class AdamWConfig(OptimizerConfig):
    """Adam with decoupled weight decay, as `torch.optim.AdamW`.

    Source: Loshchilov & Hutter 2019, "Decoupled Weight Decay Regularization".
    """

    name: Literal["adamw"] = "adamw"
    learning_rate: float = Field(default=1e-3, gt=0)
    """Learning rate after the warm-up; the schedule multiplies it."""
    weight_decay: float = Field(default=0.01, ge=0)
    """Strength of the decay of weights towards zero; the default is PyTorch's. PReLU's slopes never
    decay."""
    beta1: float = Field(default=0.9, ge=0, lt=1)
    """Decay rate of the gradient's mean."""
    beta2: float = Field(default=0.999, ge=0, lt=1)
    """Decay rate of the squared gradient's mean."""
    eps: float = Field(default=1e-8, gt=0)
    """Added to the denominator; the default is PyTorch's."""


OPTIMIZERS = (SgdConfig, AdamWConfig)

if TYPE_CHECKING:
    AnyOptimizer = OptimizerConfig
else:
    AnyOptimizer = named_union(OPTIMIZERS)
