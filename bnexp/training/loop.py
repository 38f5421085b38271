"""Trains one run: epochs, rows of metrics, evaluations, checkpoints, and when it stops."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Mapping
from typing import Protocol, TypeVar

import torch
from torch import Tensor

from bnexp.config.experiment import ExperimentConfig
from bnexp.data.batches import ResidentImages
from bnexp.diagnostics.probe import Counts, Measured
from bnexp.runs import Summary
from bnexp.runs.streams.metrics_log import Histogram
from bnexp.training.answers import Answers
from bnexp.training.evaluation import Score
from bnexp.training.machine.device import read_peak_memory, reset_peak_memory
from bnexp.training.profile import UNPROFILED, Unprofiled
from bnexp.training.saving.progress import Progress
from bnexp.training.saving.save_schedule import SaveSchedule
from bnexp.training.setup import TrainingParts
from bnexp.training.step import Batch
from bnexp.training.window import Window

Result = TypeVar("Result")
Steps = Generator[None, None, Result]
"""Work that comes to a halt after each training step, with a result at its end."""


def finish(steps: Steps[Result]) -> Result:
    """Does the work to its end without a halt, and returns its result."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            result: Result = end.value
            return result


class Reporter(Protocol):
    """Takes what the loop measures; only the loop calls it."""

    def record(
        self,
        step: int,
        epoch: int,
        elapsed_seconds: float,
        scalars: Mapping[str, float],
        histograms: Mapping[str, Histogram],
    ) -> None:
        """Takes scalars and histograms measured at a step; `epoch` counts from 1."""

    def progress(self, step: int, total_steps: int) -> None:
        """Takes the number of steps done, after each step."""

    def epoch_done(self, epoch: int, epochs: int, scalars: Mapping[str, float]) -> None:
        """Takes an epoch's scalars, training and evaluation."""


class StoppedError(Exception):
    """The run was asked to stop and did so at a step boundary."""

    def __init__(self, step: int) -> None:
        super().__init__(f"stopped after step {step}")
        self.step = step


class DivergedError(Exception):
    """The loss, a score or a buffer was not a number, or a loss was beyond its bound."""

    def __init__(self, step: int, reason: str) -> None:
        super().__init__(reason)
        self.step = step
        self.reason = reason


class Training:
    """One run as it trains: drives the learner in `parts`, and keeps its `progress`.

    At step boundaries, when a checkpoint is due and when the run stops, `save` is given the
    progress; a run that is given a saved one continues from there. A step that probes measure
    gets a row of its own.
    """

    def __init__(
        self,
        config: ExperimentConfig,
        parts: TrainingParts,
        reporter: Reporter,
        should_stop: Callable[[], bool],
        save: Callable[[Progress], None] = lambda _: None,
        progress: Progress | None = None,
        profile: Unprofiled = UNPROFILED,
    ) -> None:
        self.config = config
        self.parts = parts
        self.progress = progress or Progress()
        self.answers: Answers | None = None
        """What the network says of the test images once it is trained; None if it diverged."""
        self._learner = parts.learner
        self._reporter = reporter
        self._should_stop = should_stop
        self._save_progress = save
        self._profile = profile
        self._window = Window(self.progress, config.train.divergence_loss)
        self._evaluate_every = config.evaluate.every_steps
        self._saves = SaveSchedule(config.train.checkpoint_interval, self.progress.step)
        self._seconds_before = self.progress.elapsed_seconds
        self._window_start = self._start = time.perf_counter()

    def run(self) -> Summary:
        """Trains to the end, or until the run diverges, and returns what it measured.

        Raises:
            StoppedError: `should_stop` said so; the run has been saved.
        """
        return finish(self.steps())

    def steps(self) -> Steps[Summary]:
        """Does what `run` does, but yields after each step, so that other runs can do theirs."""
        reset_peak_memory(self.parts.device)
        self._start = time.perf_counter()
        diverged = None
        try:
            # A run that had diverged when it was saved has nothing left to do. Within a window
            # nothing has been decided yet: its end does that, whether the run was cut off or not.
            if not self.progress.window_totals[2]:
                self._check_losses()
            while self.progress.epoch < self.config.train.epochs:
                yield from self._run_epoch()
            if not self.progress.final:
                self._evaluate_at_end()
            if self.answers is None:  # it was cut off after its last evaluation
                self._score("test", self.parts.evaluation_sets["test"], "ema")
        except DivergedError as error:
            diverged = error
        self._save()
        return self._summarise(diverged)

    def _run_epoch(self) -> Steps[None]:
        progress = self.progress
        yield from self._train_epoch()
        self._at_step_boundary()
        self._check_buffers()
        evaluated = self._evaluate_after_epoch()
        totals = progress.epoch_totals
        scalars = {
            **Score.of(totals).tagged("train"),
            **evaluated,
            **self._describe_optimizer(progress.epoch_clipped / totals[2]),
            "perf/images_per_second": totals[2] / progress.epoch_seconds,
        }
        progress.end_epoch(scalars)
        with self._profile.part("logging"):
            self._reporter.epoch_done(progress.epoch, self.config.train.epochs, scalars)

    def _train_epoch(self) -> Steps[None]:
        progress, every = self.progress, self.config.train.log_every
        steps = len(self.parts.batches)
        self._window_start = time.perf_counter() - progress.window_seconds
        batches = self.parts.batches.epoch(progress.epoch, progress.step_in_epoch)
        for batch in self._profile.input(batches):
            self._at_step_boundary()
            if self._is_evaluation_due():
                self._evaluate_within_epoch()
            self._train_step(batch)
            left = steps - progress.step_in_epoch
            # A few remaining steps join the row before them: alone they would be mostly noise.
            if left == 0 or (progress.step_in_epoch % every == 0 and left >= every / 2):
                self._end_window()
            yield

    def _is_evaluation_due(self) -> bool:
        """Returns whether to evaluate before the next step; after an epoch that has been done."""
        every, step = self._evaluate_every, self.progress.step
        is_due = every is not None and step > 0 and step % every == 0
        return is_due and not self.progress.is_evaluated

    def _evaluate_after_epoch(self) -> dict[str, float]:
        if self.config.evaluate.after == "last_epoch":
            return {}
        evaluated = self._evaluate_all()
        if self._evaluate_every is not None:
            self.progress.note_evaluation(evaluated)
        self._record(self.progress.epoch + 1, evaluated)
        return evaluated

    def _evaluate_within_epoch(self) -> None:
        # A run that has diverged in these steps ends for that, not for a score that follows.
        self._window.write_to(self.progress)
        self._check_losses()
        evaluated = self._evaluate_all()
        self.progress.note_evaluation(evaluated)
        self._record(self.progress.epoch + 1, evaluated)

    def _train_step(self, batch: Batch) -> None:
        progress, number = self.progress, self.progress.step + 1
        due = [probe for probe in self.parts.probes if probe.is_due(number)]
        result = self._learner.step(number, batch, due, self._profile)
        with self._profile.part("metrics"):
            self._window.add(number, result, batch[1])
        progress.step = number
        progress.step_in_epoch += 1
        if result.measured:
            with self._profile.part("diagnostics"):
                measured = read_measured(result.measured)
            self._record(progress.epoch + 1, *measured)
        with self._profile.part("logging"):
            self._reporter.progress(number, self._learner.total_steps)

    def _end_window(self) -> None:
        progress = self.progress
        with self._profile.part("metrics"):
            self._window.write_to(progress)
        self._window.clear()
        totals = progress.window_totals
        now = time.perf_counter()
        seconds, self._window_start = now - self._window_start, now
        clipped = progress.window_clipped / totals[2]
        progress.end_window(totals, seconds)
        self._check_losses()
        scalars = {
            **Score.of(totals).tagged("train"),
            **self._describe_optimizer(clipped),
            "perf/images_per_second": totals[2] / seconds,
        }
        self._record(progress.epoch + 1, scalars)

    def _describe_optimizer(self, clipped: float) -> dict[str, float]:
        scalars = {"optim/learning_rate": self._learner.learning_rate(self.progress.step)}
        return {**scalars, "optim/clipped_share": clipped} if self.config.optim.clips else scalars

    def _record(
        self,
        epoch: int,
        scalars: Mapping[str, float],
        histograms: Mapping[str, Histogram] | None = None,
    ) -> None:
        elapsed = self._elapsed()
        with self._profile.part("logging"):
            self._reporter.record(self.progress.step, epoch, elapsed, scalars, histograms or {})
        self.progress.rows += 1

    def _at_step_boundary(self) -> None:
        if self._should_stop():
            self._save()
            raise StoppedError(self.progress.step)
        if self._saves.is_due(self.progress.step):
            self._save()

    def _save(self) -> None:
        with self._profile.part("checkpoint"):
            self._save_now()

    def _save_now(self) -> None:
        progress, started = self.progress, time.perf_counter()
        self._window.write_to(progress)
        progress.elapsed_seconds = self._elapsed()
        progress.window_seconds = started - self._window_start if progress.window_totals[2] else 0.0
        progress.peak_memory_bytes = self._peak_memory()
        self._save_progress(progress)
        seconds = time.perf_counter() - started
        self._window_start += seconds
        self._saves.note_saved(progress.step, seconds)

    def _check_losses(self) -> None:
        step, loss = self.progress.first_bad_step, self.progress.bad_loss
        if step > 0:
            raise DivergedError(step, f"the training loss was {loss:.4g} at step {step}")

    def _check_buffers(self) -> None:
        name, step = self._learner.find_bad_buffer(), self.progress.step
        if name:
            reason = f"the buffer {name} held a value that is not finite after step {step}"
            raise DivergedError(step, reason)

    def _evaluate_all(self) -> dict[str, float]:
        scalars: dict[str, float] = {}
        for prefix, images in self.parts.evaluation_sets.items():
            for kind in self.config.evaluate.population_statistics:
                self._at_step_boundary()
                name = prefix if kind == "ema" else f"{prefix}_{kind}"
                started = time.perf_counter()
                scalars |= self._score(name, images, kind)
                # The throughput is that of training alone.
                self._window_start += time.perf_counter() - started
        return scalars

    def _evaluate_at_end(self) -> None:
        is_only_one = self.config.evaluate.after == "last_epoch"
        scalars = self._evaluate_all() if is_only_one else {}
        self._at_step_boundary()
        scalars |= self._score("train_eval", self.parts.plain_training_images, "ema")
        self._record(self.progress.epoch, scalars)
        self.progress.final = {**self.progress.last(), **scalars}

    def _score(self, prefix: str, images: ResidentImages, kind: str) -> dict[str, float]:
        is_last = prefix == "test" and self.progress.step == self._learner.total_steps
        answers = Answers() if is_last else None
        look = answers.add if answers else None
        with self._profile.part("evaluation"):
            score = self.parts.evaluator.score(self._learner.model, images, kind, look)
        if score.loss - score.loss != 0:  # NaN or infinite
            step = self.progress.step
            raise DivergedError(step, f"the {prefix} loss was {score.loss} after step {step}")
        self.answers = answers or self.answers
        return score.tagged(prefix)

    def _elapsed(self) -> float:
        return self._seconds_before + time.perf_counter() - self._start

    def _peak_memory(self) -> int:
        return max(self.progress.peak_memory_bytes, read_peak_memory(self.parts.device))

    def _summarise(self, diverged: DivergedError | None) -> Summary:
        progress, seconds = self.progress, self.progress.train_seconds
        elapsed, peak = self._elapsed(), self._peak_memory()
        return Summary(
            status="diverged" if diverged else "finished",
            epochs=progress.epoch,
            steps=diverged.step if diverged else progress.step,
            elapsed_seconds=elapsed,
            images_per_second=progress.images_seen / seconds if seconds else 0.0,
            peak_memory_bytes=peak,
            training_memory_bytes=self._learner.count_bytes(next(self.parts.batches.epoch(0))),
            parameters=sum(value.numel() for value in self._learner.model.parameters()),
            steps_per_epoch=len(self.parts.batches),
            evaluated_steps=tuple(progress.evaluated_steps) or None,
            evaluations={tag: tuple(values) for tag, values in progress.evaluations.items()}
            or None,
            trained_parameters=self._learner.trained_count,
            lost_rows=tuple(progress.lost_rows) or None,
            final={} if diverged else progress.final,
            best=progress.best(),
            history={tag: tuple(values) for tag, values in progress.history.items()},
            reason=diverged.reason if diverged else None,
        )


def read_measured(
    measured: Mapping[str, Measured],
) -> tuple[dict[str, float], dict[str, Histogram]]:
    """Returns numbers and histograms; all numbers together wait for the device once."""
    waiting = {tag: value for tag, value in measured.items() if isinstance(value, Tensor)}
    device = next((value.device for value in waiting.values()), None)
    values = [value.detach().to(device, torch.float32) for value in waiting.values()]
    read = dict(zip(waiting, torch.stack(values).tolist() if values else (), strict=True))
    numbers: dict[str, float] = {}
    histograms: dict[str, Histogram] = {}
    for tag, value in measured.items():
        if isinstance(value, Counts):
            histograms[tag] = read_histogram(value)
        else:  # a float32 has no more digits; there may be hundreds of numbers in a row
            numbers[tag] = float(f"{read.get(tag, value):.7g}")
    return numbers, histograms


def read_histogram(counts: Counts) -> Histogram:
    """Returns a histogram in plain numbers, empty if no value was finite."""
    low, high = float(counts.low), float(counts.high)
    if low > high:
        return Histogram(low=0.0, high=0.0, counts=())
    return Histogram(low=low, high=high, counts=tuple(counts.counts.tolist()))
