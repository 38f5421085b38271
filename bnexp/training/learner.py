"""What learns: a network with its optimiser, and one step of both."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch
from torch import nn

from bnexp.config.experiment import ExperimentConfig
from bnexp.diagnostics.probe import Probe
from bnexp.seeding import derive_seed
from bnexp.training.memory import count_training_bytes
from bnexp.training.optimization.trainable import Trained
from bnexp.training.optimization.update import build_update
from bnexp.training.profile import UNPROFILED, Unprofiled
from bnexp.training.step import Batch, StepResult, find_seeders, train_step


class Learner:
    """Parameters, buffers and optimiser state; a step is a function of them, batch and number.

    What else a step depends on is fixed by the config: precision, seed and schedule.
    """

    def __init__(
        self,
        config: ExperimentConfig,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        device: torch.device,
        steps_per_epoch: int,
        trained: Trained,
    ) -> None:
        self.model = model
        self.optimizer = optimizer
        self.total_steps = config.train.epochs * steps_per_epoch
        self._config = config
        self._steps_per_epoch = steps_per_epoch
        self.trained_count = trained.count()
        """How many values are trained."""
        self._seeders = find_seeders(model, device)
        self._update = build_update(config.optim, model, optimizer, trained)

    def step(
        self,
        number: int,
        batch: Batch,
        probes: Sequence[Probe] = (),
        profile: Unprofiled = UNPROFILED,
    ) -> StepResult:
        """Does the step of this number, counted from 1, which `probes` measure."""
        self._seed(number)
        learning_rate = self.learning_rate(number)
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate
        precision, seed = self._config.train.precision, partial(self._seed, number)
        return train_step(
            self.model,
            self.optimizer,
            batch,
            precision,
            number,
            probes,
            self._update,
            seed,
            profile,
        )

    def _seed(self, number: int, part: int | None = None) -> None:
        """Makes what a step draws a function of seed, number and part of the batch alone."""
        parts = () if part is None else ("part", part)
        for seeder in self._seeders:
            seeder(derive_seed(self._config.train.seed, "step", number - 1, *parts))

    def learning_rate(self, number: int) -> float:
        """Returns the learning rate of the step of this number, counted from 1."""
        optim = self._config.optim
        return optim.compute_rate(number - 1, self.total_steps, self._steps_per_epoch)

    def count_bytes(self, batch: Batch) -> int:
        """Returns the bytes that training holds in a step on this batch, after the first step."""
        return count_training_bytes(self.model, self.optimizer, batch, self._config.train.precision)

    def find_bad_buffer(self) -> str | None:
        """Returns the first buffer that is not finite, or None; waits for the device.

        A score does not show one: an infinite variance makes its channel constant.
        """
        buffers = {
            name: value for name, value in self.model.named_buffers() if value.is_floating_point()
        }
        if not buffers:
            return None
        are_finite = torch.stack([torch.isfinite(value).all() for value in buffers.values()])
        found = zip(buffers, are_finite.tolist(), strict=True)
        return next((name for name, is_finite in found if not is_finite), None)
