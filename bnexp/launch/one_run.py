"""Trains one run in its folder: begins it, or goes on with it, and never raises for its failure.

Takes plain values that can be pickled, besides what it calls back, so that other processes can
be given it.
"""

from __future__ import annotations

import contextlib
import traceback
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from bnexp.config.yaml.reader import read_yaml_file
from bnexp.config.yaml.writer import write_yaml
from bnexp.data.dataset import Dataset
from bnexp.errors import BnexpError
from bnexp.launch.first_look import show_first_look
from bnexp.launch.plan import (
    PlannedRun,
    decide,
    hyperparameters,
    repeatable_config,
    resolved_config,
)
from bnexp.launch.recorder import RunDisplay, RunRecorder
from bnexp.launch.resume import Conditions, ResumePoint, find_resume_point
from bnexp.launch.screen.events import say_nothing
from bnexp.locks import GivenUpError, Hold, LostLockError, hold_lock, is_held
from bnexp.runs import CheckpointError, MetricsRow, RunDir, State, Summary, read_run, rewind_metrics
from bnexp.runs.environment import describe_environment
from bnexp.training.checkpoint import read_tensors, restore, write_tensors
from bnexp.training.conditions import describe_conditions
from bnexp.training.device import describe_device, make_deterministic, resolve_device
from bnexp.training.loop import StoppedError, Training
from bnexp.training.progress import CheckpointMetadata, Progress
from bnexp.training.setup import TrainingParts, build_parts

CONFIG_HEADER = "# The resolved config of one run: every default is written out.\n"


def train_one(run: PlannedRun, should_stop: Callable[[], bool], display: RunDisplay) -> State:
    """Trains a run while no other process can, and returns how it ended.

    One that another process has finished meanwhile is left as it is. A failure is told,
    logged and written into the run's status.
    """
    try:
        run.folder.path.mkdir(parents=True, exist_ok=True)
        with hold_lock(run.folder.lock, display.say, should_stop) as hold:
            return _train_held(run, hold, should_stop, display)
    except GivenUpError:
        return "pending"
    except LostLockError as error:
        # Nothing is written any more: the run may be another's by now.
        display.say(str(error))
        return "pending"
    except Exception as error:  # noqa: BLE001 - one run's failure must not end the sweep
        _report_failure(run, display, error)
        return "failed"


def _train_held(
    run: PlannedRun, hold: Hold, should_stop: Callable[[], bool], display: RunDisplay
) -> State:
    run = replace(run, folder=RunDir(run.folder.path, hold.check))
    try:
        # Decided anew: another process may have worked on it since it was planned.
        action = decide(run.spec, run.folder).action
        if action == "skip":
            display.say(f"another process has finished it: {run.folder.path}")
            return read_run(run.folder.path).state
        attempt = _Attempt(run, display, action == "resume")
        return attempt.train(should_stop)
    except LostLockError:
        raise
    except Exception as error:  # noqa: BLE001 - one run's failure must not end the sweep
        hold.check()
        _report_failure(run, display, error)
        return "failed"


class _Attempt:
    """One attempt at a run, from its beginning or from a checkpoint, in a folder that is held."""

    def __init__(self, run: PlannedRun, display: RunDisplay, is_resumed: bool) -> None:
        config = run.spec.config
        self.run = run
        self.display = display
        self.is_resumed = is_resumed
        self.device = prepare_device(run)
        # `prepare` loaded it before and said so; a sweep over one dataset finds it in memory.
        self.dataset = config.data.load(say_nothing)
        self.conditions = describe_conditions(self.device, self.dataset.fingerprint)
        if is_resumed:
            run.folder.reopen(run.identity)
        else:
            self._begin()

    def train(self, should_stop: Callable[[], bool]) -> State:
        """Trains to the end, or until it is stopped, and returns the state it is left in."""
        run, config = self.run, self.run.spec.config
        parts = build_parts(config, self.dataset, self.device)
        point = self._find_resume_point(parts)
        rows, progress = self._go_on(point) if point else ([], None)
        group = f"{run.identity.experiment}/{run.identity.cell}"
        recorder = RunRecorder(run.folder, group, hyperparameters(config), self.display, rows)

        def save(progress: Progress) -> None:
            recorder.sync()
            tensors = write_tensors(parts.learner.model, parts.learner.optimizer)
            metadata = CheckpointMetadata(
                fingerprint=run.identity.fingerprint, conditions=self.conditions, progress=progress
            )
            run.folder.check()
            run.folder.checkpoints.save(tensors, metadata.to_bytes())

        state: State = "failed"
        try:
            run.folder.set_state("running")
            show_first_look(recorder, parts, self.dataset.class_names, run.with_graph)
            training = Training(config, parts, recorder, should_stop, save, progress)
            summary = training.run()
            state = summary.status
            self._finish(summary, recorder)
        except StoppedError as error:
            state = "interrupted"
            run.folder.set_state(state, step=error.step)
            recorder.say(f"interrupted after step {error.step}, saved: {run.folder.path}")
        finally:
            recorder.close(state)
        return state

    def _begin(self) -> None:
        run, folder = self.run, self.run.folder
        refused = [path.name for path in folder.checkpoints.find()] if self.is_resumed else []
        folder.create(
            run.identity,
            self._write_config(),
            self._describe_environment() | ({"refused_checkpoints": refused} if refused else {}),
        )
        if folder.log.exists():
            why = f"{', '.join(refused)} cannot be used" if refused else "there is no checkpoint"
            folder.say(f"begun anew: {why}")

    def _find_resume_point(self, parts: TrainingParts) -> ResumePoint | None:
        """Puts the last sound checkpoint into the parts; begins anew where there is none."""

        def use(path: Path, metadata: CheckpointMetadata) -> None:
            epochs = self.run.spec.config.train.epochs
            if problem := metadata.progress.find_problem(epochs, len(parts.batches)):
                raise CheckpointError(f"contradicts itself: {problem}")
            tensors = read_tensors(self.run.folder.checkpoints.read_tensors(path))
            restore(tensors, parts.learner.model, parts.learner.optimizer)

        if not self.is_resumed:
            return None
        point = find_resume_point(self.run, self.conditions, self._say, use)
        if point is None:
            self._begin()
        return point

    def _go_on(self, point: ResumePoint) -> tuple[list[MetricsRow], Progress]:
        """Sets the folder back to the checkpoint; returns the rows that stay, and how far it is."""
        folder, progress = self.run.folder, point.metadata.progress
        folder.check()
        for path in point.refused:
            folder.checkpoints.discard(path)
        self._restore_config()
        if not folder.note_resume(point.describe(), self._describe_environment()):
            self._say(
                f"warning: {folder.environment} could not be read and is written anew; what it "
                "said of earlier attempts is lost"
            )
        rows, problems = rewind_metrics(folder.metrics, progress.step, progress.rows)
        for problem in problems:
            self._say(f"warning: {problem}")
        self._say(f"goes on after step {progress.step}: {folder.path}")
        self.display.progress(progress.step)
        progress.rows = len(rows)
        return rows, progress

    def _restore_config(self) -> None:
        folder = self.run.folder
        try:
            read_yaml_file(folder.config)
        except BnexpError as error:
            folder.write_config(self._write_config())
            self._say(f"warning: {str(error).splitlines()[0]}; it is written anew")

    def _write_config(self) -> str:
        return CONFIG_HEADER + write_yaml(repeatable_config(self.run.spec))

    def _finish(self, summary: Summary, recorder: RunRecorder) -> None:
        # Closed first: the summary says that all is written, and a run that has one is done.
        recorder.close(summary.status)
        self.run.folder.write_summary(summary)
        if summary.reason:
            spec = self.run.spec
            self._say(f"diverged: {summary.reason} ({spec.cell} seed={spec.seed})")

    def _say(self, line: str) -> None:
        self.run.folder.say(line)
        self.display.say(line)

    def _describe_environment(self) -> dict[str, Any]:
        return {
            **describe_environment(),
            **describe_device(self.device),
            "dataset": _describe_dataset(self.dataset),
            # What a claim's verdict has to wait for.
            "planned": {
                "seeds": " ".join(map(str, self.run.planned_seeds)),
                "cells": self.run.planned_cells,
            },
            # The resolved config again, as JSON: a comparison reads a thousand of these.
            "config": resolved_config(self.run.spec),
        }


def prepare_device(run: PlannedRun) -> torch.device:
    """Sets PyTorch for a run, its thread count among it, and returns the run's device.

    Raises:
        UsageError: This machine has no such device.
    """
    train = run.spec.config.train
    device = resolve_device(run.device or train.device)
    make_deterministic(device, train.threads or run.threads)
    return device


def describe_planned_conditions(run: PlannedRun) -> Conditions:
    """Returns the conditions under which a run would train now."""
    device = prepare_device(run)
    return describe_conditions(device, run.spec.config.data.load(say_nothing).fingerprint)


def _describe_dataset(dataset: Dataset) -> dict[str, Any]:
    return {
        "name": dataset.name,
        "fingerprint": dataset.fingerprint,
        "train_images": len(dataset.train),
        "test_images": len(dataset.test),
    }


def _report_failure(run: PlannedRun, display: RunDisplay, error: Exception) -> None:
    """Says why a run failed, and writes it down as far as the disk lets it."""
    reason = str(error) if isinstance(error, BnexpError) else f"{type(error).__name__}: {error}"
    if _is_out_of_memory(error):
        reason = "out of memory; try a smaller data.batch_size, fewer channels or fewer --jobs"
    elif isinstance(error, OSError):
        reason = f"{error.strerror or error}: {error.filename or run.folder.path}"
    # What failed before the folder was taken up leaves its status, of whatever run, as it was.
    if run.folder.is_open:
        with contextlib.suppress(OSError):
            run.folder.set_failed(reason)
    run.folder.say("".join(traceback.format_exception(error)))
    display.say(_describe_failure(run, reason))


def mark_lost(run: PlannedRun, reason: str) -> str:
    """Writes down for a process that is no more that its run failed; returns it in words."""
    with contextlib.suppress(OSError):
        run.folder.path.mkdir(parents=True, exist_ok=True)
        run.folder.say(f"failed: {reason}")
        # Where another process has taken the run over, it is that one's to say how it fares.
        if not is_held(run.folder.lock):
            run.folder.reopen(run.identity)
            run.folder.set_state("failed", reason=reason)
    return _describe_failure(run, reason)


def _is_out_of_memory(error: Exception) -> bool:
    # On the CPU, PyTorch raises a plain RuntimeError.
    is_on_cpu = isinstance(error, RuntimeError) and "can't allocate memory" in str(error)
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or is_on_cpu


def _describe_failure(run: PlannedRun, reason: str) -> str:
    first_line = next(iter(reason.splitlines()), "")
    log = f" (see {run.folder.log})" if run.folder.log.exists() else ""
    return f"failed: {run.spec.cell} seed={run.spec.seed}: {first_line}{log}"
