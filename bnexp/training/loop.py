"""Trains one run: the step, the loop around it, and what is measured on the way."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional

from bnexp.config.experiment import ExperimentConfig
from bnexp.data.batches import ResidentImages
from bnexp.runs import Summary
from bnexp.seeding import derive_seed
from bnexp.training.device import read_peak_memory, reset_peak_memory
from bnexp.training.evaluation import ScoreSum, autocast, evaluate
from bnexp.training.optimizer import compute_learning_rate, set_learning_rate
from bnexp.training.population import evaluate_precisely, evaluate_with_batch_statistics
from bnexp.training.setup import TrainingParts


class Recorder(Protocol):
    """Takes what the loop measures; only the loop calls it."""

    def record(
        self, step: int, epoch: int, elapsed_seconds: float, scalars: Mapping[str, float]
    ) -> None:
        """Takes scalars measured at a step; `epoch` counts from 1."""

    def progress(self, step: int, total_steps: int) -> None:
        """Takes the number of steps done, a few times a second at most."""

    def epoch_done(self, epoch: int, epochs: int, scalars: Mapping[str, float]) -> None:
        """Takes an epoch's scalars, training and evaluation."""


class StoppedError(Exception):
    """The run was asked to stop and did so at a step boundary."""

    def __init__(self, step: int) -> None:
        super().__init__(f"stopped after step {step}")
        self.step = step


class DivergedError(Exception):
    """The loss, or a score, was not a number or beyond its bound."""

    def __init__(self, step: int, reason: str) -> None:
        super().__init__(reason)
        self.step = step
        self.reason = reason


@dataclass
class History:
    """One value an epoch for each tag."""

    values: dict[str, list[float]] = field(default_factory=dict)

    def add(self, scalars: Mapping[str, float]) -> None:
        """Appends an epoch's scalars."""
        for tag, value in scalars.items():
            self.values.setdefault(tag, []).append(value)

    def last(self) -> dict[str, float]:
        """Returns the last epoch's scalars."""
        return {tag: values[-1] for tag, values in self.values.items()}

    def best(self, tag: str = "val/accuracy") -> dict[str, float]:
        """Returns the scalars of the first epoch with the highest value of `tag`, and `epoch`."""
        values = self.values.get(tag, [])
        if not values:
            return {}
        index = values.index(max(values))
        return {**{key: series[index] for key, series in self.values.items()}, "epoch": index + 1}


def train_step(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    batch: tuple[Tensor, Tensor],
    precision: str,
) -> tuple[Tensor, Tensor]:
    """Does one optimiser step and returns the batch's mean loss and its logits, detached.

    A function of parameters, buffers, optimiser state and batch alone.
    """
    inputs, targets = batch
    with autocast(inputs.device, precision):
        logits = model(inputs)
    logits = logits.float()
    loss = functional.cross_entropy(logits, targets)
    optimizer.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    optimizer.step()
    return loss.detach(), logits.detach()


class Training:
    """One run in progress."""

    def __init__(
        self,
        config: ExperimentConfig,
        parts: TrainingParts,
        recorder: Recorder,
        should_stop: Callable[[], bool],
    ) -> None:
        self.config = config
        self.parts = parts
        self.step = 0
        self.epochs_done = 0
        self._recorder = recorder
        self._should_stop = should_stop
        self._history = History()
        self._total_steps = config.train.epochs * len(parts.batches)
        self._train_seconds = 0.0
        self._images_seen = 0
        self._first_bad_step = torch.full((), -1, dtype=torch.int64, device=parts.device)
        self._bad_loss = torch.zeros((), device=parts.device)

    def run(self) -> Summary:
        """Trains to the end, or until the run diverges, and returns what it measured.

        Raises:
            StoppedError: `should_stop` said so.
        """
        reset_peak_memory(self.parts.device)
        self._start = time.perf_counter()
        try:
            for epoch in range(self.config.train.epochs):
                self._run_epoch(epoch)
            final = {**self._history.last(), **self._evaluate_on_training_images()}
        except DivergedError as error:
            return self._summarise({}, error)
        return self._summarise(final, None)

    def _run_epoch(self, epoch: int) -> None:
        totals = ScoreSum(self.parts.device)
        images_before, seconds_before = self._images_seen, self._train_seconds
        self._train_epoch(epoch, totals)
        score = totals.read()
        seconds = self._train_seconds - seconds_before
        images_per_second = (self._images_seen - images_before) / seconds
        evaluated = self._evaluate_all()
        scalars = {
            **score.tagged("train"),
            **evaluated,
            "optim/learning_rate": self._learning_rate(self.step - 1),
            "perf/images_per_second": images_per_second,
        }
        self.epochs_done = epoch + 1
        self._history.add(scalars)
        self._recorder.record(self.step, epoch + 1, self._elapsed(), evaluated)
        self._recorder.epoch_done(epoch + 1, self.config.train.epochs, scalars)

    def _train_epoch(self, epoch: int, totals: ScoreSum) -> None:
        model, optimizer = self.parts.model, self.parts.optimizer
        precision, every = self.config.train.precision, self.config.train.log_every
        window = ScoreSum(self.parts.device)
        window_start, window_images = time.perf_counter(), 0
        steps = len(self.parts.batches)
        for left, batch in zip(
            range(steps - 1, -1, -1), self.parts.batches.epoch(epoch), strict=True
        ):
            if self._should_stop():
                raise StoppedError(self.step)
            # Dropout draws from the global generator: a function of the step as well.
            torch.manual_seed(derive_seed(self.config.train.seed, "step", self.step))
            set_learning_rate(optimizer, self._learning_rate(self.step))
            loss, logits = train_step(model, optimizer, batch, precision)
            window.add(loss, logits, batch[1])
            self._watch(loss)
            self.step += 1
            window_images += len(batch[1])
            self._recorder.progress(self.step, self._total_steps)
            # A rest of a few steps joins the row before it: alone it would be mostly noise.
            if left == 0 or ((steps - left) % every == 0 and left >= every / 2):
                totals.add_sum(window)
                self._record_window(window, epoch, window_images, window_start)
                window = ScoreSum(self.parts.device)
                window_start, window_images = time.perf_counter(), 0

    def _record_window(self, window: ScoreSum, epoch: int, images: int, started: float) -> None:
        score = window.read()
        seconds = time.perf_counter() - started
        self._train_seconds += seconds
        self._images_seen += images
        self._check_losses()
        scalars = {
            **score.tagged("train"),
            "optim/learning_rate": self._learning_rate(self.step - 1),
            "perf/images_per_second": images / seconds,
        }
        self._recorder.record(self.step, epoch + 1, self._elapsed(), scalars)

    def _watch(self, loss: Tensor) -> None:
        """Notes the first step whose loss is beyond its bound, without waiting for the device."""
        is_first_bad = ~(loss <= self.config.train.divergence_loss) & (self._first_bad_step < 0)
        self._first_bad_step = torch.where(is_first_bad, self.step + 1, self._first_bad_step)
        self._bad_loss = torch.where(is_first_bad, loss, self._bad_loss)

    def _check_losses(self) -> None:
        step = int(self._first_bad_step)
        if step > 0:
            loss = float(self._bad_loss)
            raise DivergedError(step, f"the training loss was {loss:.4g} at step {step}")

    def _evaluate_all(self) -> dict[str, float]:
        scalars: dict[str, float] = {}
        for prefix, images in self.parts.evaluation_sets.items():
            for kind in self.config.evaluate.population_statistics:
                name = prefix if kind == "ema" else f"{prefix}_{kind}"
                scalars |= self._score(name, images, kind)
        return scalars

    def _evaluate_on_training_images(self) -> dict[str, float]:
        scalars = self._score("train_eval", self.parts.plain_training_images, "ema")
        self._recorder.record(self.step, self.epochs_done, self._elapsed(), scalars)
        return scalars

    def _score(self, prefix: str, images: ResidentImages, kind: str) -> dict[str, float]:
        parts, precision = self.parts, self.config.train.precision
        batch_size = self.config.data.batch_size
        if kind == "precise":
            score = evaluate_precisely(
                parts.model,
                images,
                parts.recalibration_images,
                batch_size,
                parts.device,
                precision,
            )
        elif kind == "batch":
            score = evaluate_with_batch_statistics(
                parts.model, images, batch_size, parts.device, precision
            )
        else:
            score = evaluate(parts.model, images, parts.device, precision)
        if score.loss - score.loss != 0:  # NaN or infinite
            reason = f"the {prefix} loss was {score.loss} after step {self.step}"
            raise DivergedError(self.step, reason)
        return score.tagged(prefix)

    def _learning_rate(self, step: int) -> float:
        steps_per_epoch = len(self.parts.batches)
        return compute_learning_rate(self.config.optim, step, self._total_steps, steps_per_epoch)

    def _elapsed(self) -> float:
        return time.perf_counter() - self._start

    def _summarise(self, final: Mapping[str, float], diverged: DivergedError | None) -> Summary:
        seconds = self._train_seconds
        return Summary(
            status="diverged" if diverged else "finished",
            epochs=self.epochs_done,
            steps=diverged.step if diverged else self.step,
            elapsed_seconds=self._elapsed(),
            images_per_second=self._images_seen / seconds if seconds else 0.0,
            peak_memory_bytes=read_peak_memory(self.parts.device),
            parameters=sum(value.numel() for value in self.parts.model.parameters()),
            final=final,
            best=self._history.best(),
            history={tag: tuple(values) for tag, values in self._history.values.items()},
            reason=diverged.reason if diverged else None,
        )
