"""What learns: a network with its optimiser, and one step of both."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor, nn

from bnexp.config.experiment import ExperimentConfig
from bnexp.diagnostics.probe import Probe
from bnexp.seeding import derive_seed
from bnexp.training.graph import StepGraph
from bnexp.training.memory import count_training_bytes
from bnexp.training.optimization.trainable import Trained
from bnexp.training.optimization.update import build_update
from bnexp.training.profile import UNPROFILED, Unprofiled
from bnexp.training.step import Batch, StepResult, find_seeders, train_step

WARM_STEPS = 3
"""The steps on batches of one size after which one is recorded: by then the libraries have chosen
their kernels, and the optimiser's state is there."""


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
        is_cuda = device.type == "cuda"
        self._device_rate = torch.zeros((), device=device) if is_cuda else None
        self._is_recordable = is_cuda and not config.train.compile and not self._seeders
        self._eager_steps: Counter[int] = Counter()
        self._graphs: dict[int, StepGraph] = {}
        """Both by the size of the batch: the last of an epoch may be smaller."""
        self.graph_problem: str | None = None
        """Why no CUDA graph can hold a step, once that was tried."""

    def step(
        self,
        number: int,
        batch: Batch,
        probes: Sequence[Probe] = (),
        profile: Unprofiled = UNPROFILED,
    ) -> StepResult:
        """Does the step of this number, counted from 1, which `probes` measure.

        The logits hold until the next step.
        """
        self._seed(number)
        self._set_learning_rate(number)
        size = len(batch[1])
        if size in self._graphs and not probes:
            with profile.part("graph"):
                return self._graphs[size].repeat(batch)
        precision, seed = self._config.train.precision, partial(self._seed, number)
        result = train_step(
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
        self._eager_steps[size] += 1
        if self._is_recordable and self._eager_steps[size] == WARM_STEPS:
            self._record(batch)
        return result

    @property
    def has_graph(self) -> bool:
        """Whether steps are repeated from a CUDA graph, but for those that probes measure."""
        return bool(self._graphs)

    def _record(self, batch: Batch) -> None:
        """Makes a graph of the step; if that is impossible, the steps stay as they are."""
        precision, update = self._config.train.precision, self._update

        def step(batch: Batch) -> StepResult:
            return train_step(self.model, self.optimizer, batch, precision, update=update)

        try:
            self._graphs[len(batch[1])] = StepGraph(step, batch)
        except RuntimeError as error:  # the network may do what no graph can hold
            self._is_recordable, self.graph_problem = False, str(error)
            self.optimizer.zero_grad(set_to_none=True)  # they have never been computed

    def _set_learning_rate(self, number: int) -> None:
        rate: float | Tensor = self.learning_rate(number)
        if self._device_rate is not None:  # where a graph finds it
            rate = self._device_rate.fill_(rate)
        for group in self.optimizer.param_groups:
            group["lr"] = rate

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
