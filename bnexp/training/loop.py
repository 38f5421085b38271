"""Trains one run: the step, the loop around it, and what is measured on the way."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional

from bnexp.config.experiment import ExperimentConfig
from bnexp.data.batches import ResidentImages
from bnexp.runs import Summary
from bnexp.training.device import read_peak_memory, reset_peak_memory
from bnexp.training.evaluation import autocast, evaluate
from bnexp.training.optimizer import compute_learning_rate, set_learning_rate
from bnexp.training.population import evaluate_precisely, evaluate_with_batch_statistics
from bnexp.training.save_schedule import SaveSchedule
from bnexp.training.setup import TrainingParts
from bnexp.training.state import Progress, TrainingState
from bnexp.training.step_seeding import StepSeeding


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


def _save_nothing(_: Progress) -> None:
    pass


class Training:
    """One run in progress.

    At step boundaries, where it is due and where the run stops, `save` is given how far the run
    is; with `progress` the run goes on from there. The network and the optimiser in `parts`
    belong to it.
    """

    def __init__(
        self,
        config: ExperimentConfig,
        parts: TrainingParts,
        recorder: Recorder,
        should_stop: Callable[[], bool],
        save: Callable[[Progress], None] = _save_nothing,
        progress: Progress | None = None,
    ) -> None:
        self.config = config
        self.parts = parts
        self.state = TrainingState.of(progress or Progress(), parts.device)
        self._recorder = recorder
        self._should_stop = should_stop
        self._save_progress = save
        self._seeding = StepSeeding(parts.model, parts.device, config.train.seed)
        self._saves = SaveSchedule(config.train.checkpoint_interval, self.state.step)
        self._total_steps = config.train.epochs * len(parts.batches)
        self._seconds_before = self.state.elapsed_seconds
        self._window_start = self._start = time.perf_counter()

    def run(self) -> Summary:
        """Trains to the end, or until the run diverges, and returns what it measured.

        Raises:
            StoppedError: `should_stop` said so; the run has been saved.
        """
        reset_peak_memory(self.parts.device)
        self._start = time.perf_counter()
        diverged = None
        try:
            # One that had diverged when it was saved has nothing left to do. Within a window
            # nothing has been decided yet: its end does that, whether the run was cut off or not.
            if not self.state.window_score.count:
                self._check_losses()
            while self.state.epoch < self.config.train.epochs:
                self._run_epoch()
            if not self.state.final:
                self._evaluate_on_training_images()
        except DivergedError as error:
            diverged = error
        self._save()
        return self._summarise(diverged)

    def _run_epoch(self) -> None:
        state = self.state
        self._train_epoch()
        self._at_step_boundary()
        self._check_buffers()
        evaluated = self._evaluate_all()
        scalars = {
            **state.epoch_score.read().tagged("train"),
            **evaluated,
            "optim/learning_rate": self._learning_rate(state.step - 1),
            "perf/images_per_second": state.epoch_score.count / state.epoch_seconds,
        }
        self._record(state.epoch + 1, evaluated)
        state.end_epoch(scalars)
        self._recorder.epoch_done(state.epoch, self.config.train.epochs, scalars)

    def _train_epoch(self) -> None:
        state, every, steps = self.state, self.config.train.log_every, len(self.parts.batches)
        self._window_start = time.perf_counter() - state.window_seconds
        for batch in self.parts.batches.epoch(state.epoch, state.step_in_epoch):
            self._at_step_boundary()
            self._train_step(batch)
            left = steps - state.step_in_epoch
            # A rest of a few steps joins the row before it: alone it would be mostly noise.
            if left == 0 or (state.step_in_epoch % every == 0 and left >= every / 2):
                self._end_window()

    def _train_step(self, batch: tuple[Tensor, Tensor]) -> None:
        state, train = self.state, self.config.train
        self._seeding.before_step(state.step)
        set_learning_rate(self.parts.optimizer, self._learning_rate(state.step))
        loss, logits = train_step(self.parts.model, self.parts.optimizer, batch, train.precision)
        state.window_score.add(loss, logits, batch[1])
        state.watch(loss, train.divergence_loss)
        state.step += 1
        state.step_in_epoch += 1
        self._recorder.progress(state.step, self._total_steps)

    def _end_window(self) -> None:
        state = self.state
        score, images = state.window_score.read(), state.window_score.count
        now = time.perf_counter()
        seconds, self._window_start = now - self._window_start, now
        state.end_window(seconds)
        self._check_losses()
        scalars = {
            **score.tagged("train"),
            "optim/learning_rate": self._learning_rate(state.step - 1),
            "perf/images_per_second": images / seconds,
        }
        self._record(state.epoch + 1, scalars)

    def _record(self, epoch: int, scalars: Mapping[str, float]) -> None:
        self._recorder.record(self.state.step, epoch, self._elapsed(), scalars)
        self.state.rows += 1

    def _at_step_boundary(self) -> None:
        if self._should_stop():
            self._save()
            raise StoppedError(self.state.step)
        if self._saves.is_due(self.state.step):
            self._save()

    def _save(self) -> None:
        state, started = self.state, time.perf_counter()
        state.elapsed_seconds = self._elapsed()
        state.window_seconds = started - self._window_start if state.window_score.count else 0.0
        state.peak_memory_bytes = self._peak_memory()
        self._save_progress(state.to_progress())
        seconds = time.perf_counter() - started
        # The throughput is that of training alone.
        self._window_start += seconds
        self._saves.note_saved(state.step, seconds)

    def _check_losses(self) -> None:
        step = int(self.state.first_bad_step)
        if step > 0:
            loss = float(self.state.bad_loss)
            raise DivergedError(step, f"the training loss was {loss:.4g} at step {step}")

    def _check_buffers(self) -> None:
        """Finds running statistics that are not finite: an infinite variance gives finite scores.

        Raises:
            DivergedError: Naming the first such buffer.
        """
        buffers = {
            name: value
            for name, value in self.parts.model.named_buffers()
            if value.is_floating_point()
        }
        if not buffers:
            return
        are_finite = torch.stack([torch.isfinite(value).all() for value in buffers.values()])
        for name, is_finite in zip(buffers, are_finite.tolist(), strict=True):
            if not is_finite:
                step = self.state.step
                reason = f"the buffer {name} held a value that is not finite after step {step}"
                raise DivergedError(step, reason)

    def _evaluate_all(self) -> dict[str, float]:
        scalars: dict[str, float] = {}
        for prefix, images in self.parts.evaluation_sets.items():
            for kind in self.config.evaluate.population_statistics:
                self._at_step_boundary()
                name = prefix if kind == "ema" else f"{prefix}_{kind}"
                scalars |= self._score(name, images, kind)
        return scalars

    def _evaluate_on_training_images(self) -> None:
        self._at_step_boundary()
        scalars = self._score("train_eval", self.parts.plain_training_images, "ema")
        self._record(self.state.epoch, scalars)
        self.state.final = {**self.state.last(), **scalars}

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
            score = evaluate(parts.model, images, parts.device, precision, parts.shared_batch_size)
        if score.loss - score.loss != 0:  # NaN or infinite
            reason = f"the {prefix} loss was {score.loss} after step {self.state.step}"
            raise DivergedError(self.state.step, reason)
        return score.tagged(prefix)

    def _learning_rate(self, step: int) -> float:
        steps_per_epoch = len(self.parts.batches)
        return compute_learning_rate(self.config.optim, step, self._total_steps, steps_per_epoch)

    def _elapsed(self) -> float:
        return self._seconds_before + time.perf_counter() - self._start

    def _peak_memory(self) -> int:
        return max(self.state.peak_memory_bytes, read_peak_memory(self.parts.device))

    def _summarise(self, diverged: DivergedError | None) -> Summary:
        state = self.state
        return Summary(
            status="diverged" if diverged else "finished",
            epochs=state.epoch,
            steps=diverged.step if diverged else state.step,
            elapsed_seconds=self._elapsed(),
            images_per_second=state.images_seen / state.train_seconds
            if state.train_seconds
            else 0.0,
            peak_memory_bytes=self._peak_memory(),
            parameters=sum(value.numel() for value in self.parts.model.parameters()),
            final={} if diverged else state.final,
            best=state.best(),
            history={tag: tuple(values) for tag, values in state.history.items()},
            reason=diverged.reason if diverged else None,
        )
