"""Trains one run in its folder: starts or resumes it, and never raises when it fails.

A planned run can be pickled, so that it can be sent to other processes.
"""

from __future__ import annotations

import contextlib
import traceback
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from bnexp.config.yaml.reader import read_config
from bnexp.data.split import choose_test_images
from bnexp.diagnostics.layers import find_idle
from bnexp.errors import BnexpError, UsageError
from bnexp.files import read_foreign
from bnexp.launch.plan import PlannedRun, decide
from bnexp.launch.resolved_config import config_text, hyperparameters, resolved_config
from bnexp.launch.run.first_look import show_first_look
from bnexp.launch.run.loaded_data import load_data
from bnexp.launch.run.profile_summary import describe_profile
from bnexp.launch.run.recorder import RunRecorder
from bnexp.launch.run.resume import Conditions, ResumePoint, copy_start, find_resume_point
from bnexp.launch.screen.events import Event, RunEnded, RunStarted, Said, say_nothing
from bnexp.locks import GivenUpError, LostLockError, hold_lock
from bnexp.runs import CheckpointError, MetricsRow, RunDir, State, read_run, rewind_metrics
from bnexp.runs.environment import describe_environment
from bnexp.runs.measured.predictions import MOST_CLASSES_OF_A_DATASET
from bnexp.system import is_out_of_memory, keep_freed_memory
from bnexp.training.answers import Answers
from bnexp.training.loop import Steps, StoppedError, Training
from bnexp.training.machine.conditions import describe_conditions
from bnexp.training.machine.device import (
    describe_device,
    free_memory,
    make_deterministic,
    resolve_device,
)
from bnexp.training.profile import UNPROFILED, Profile, Unprofiled
from bnexp.training.saving.checkpoint import restore, write_tensors
from bnexp.training.saving.progress import CheckpointMetadata, Progress
from bnexp.training.setup import TrainingParts, build_parts, find_facts


def train_in_steps(
    run: PlannedRun, index: int, should_stop: Callable[[], bool], send: Callable[[Event], None]
) -> Steps[State]:
    """Trains a run while no other process can, with a halt after each step; its result is the end.

    A run that another process has finished in the meantime is left as it is. A failure is shown,
    logged and written into the run's status. `send` takes what happens, from the start of the
    run with this `index` to its end. Must be called within `trusting_files`.
    """
    send(RunStarted(index))
    state: State = "pending"

    def say(line: str) -> None:
        send(Said(line))

    try:
        run.folder.path.mkdir(parents=True, exist_ok=True)
        with hold_lock(run.folder.lock, say, should_stop) as hold:
            folder = RunDir(run.folder.path, run.folder.identity, hold.check)
            recorder = RunRecorder(folder, index, send)
            state = yield from _train_held(replace(run, folder=folder), recorder, should_stop, say)
    except GivenUpError:
        pass
    except LostLockError as error:
        # Nothing is written any more: the run may be another's by now.
        say(str(error))
    except Exception as error:  # noqa: BLE001 - one run's failure must not end the sweep
        state = _report_failure(run, say, error)
    free_memory()
    send(RunEnded(index, state))
    return state


def _train_held(
    run: PlannedRun,
    recorder: RunRecorder,
    should_stop: Callable[[], bool],
    say: Callable[[str], None],
) -> Steps[State]:
    """Trains a run whose folder this process holds, unless another has finished it meanwhile."""
    try:
        # Decided again: another process may have worked on it since it was planned.
        action, _ = decide(run.spec, run.folder)
    except UsageError as error:
        # The folder is another config's by now, and so is its log.
        say(f"failed: {run.spec.name}: {error}")
        return "failed"
    try:
        if action == "skip":
            say(f"another process has finished it: {run.folder.path}")
            return read_run(run.folder.path).state
        if action == "resume":
            run = replace(run, source=None)
        attempt = _Attempt(run, recorder, action == "resume")
        return (yield from attempt.train(should_stop))
    except LostLockError:
        raise
    except Exception as error:  # noqa: BLE001 - one run's failure must not end the sweep
        run.folder.check()
        return _report_failure(run, say, error)


class _Attempt:
    """One attempt at a run, from its start or from a checkpoint, in a folder that is held."""

    def __init__(self, run: PlannedRun, recorder: RunRecorder, is_resumed: bool) -> None:
        config = run.spec.config
        self.run = run
        self.recorder = recorder
        self.is_resumed = is_resumed
        self.device = prepare_device(run)
        # `prepare` loaded it before and said so; a sweep over one dataset finds it in memory.
        self.data = load_data(config.data)
        self.dataset = self.data.dataset
        self.conditions = describe_conditions(self.device, self.dataset.fingerprint)
        if is_resumed:
            run.folder.reopen()
        else:
            self._begin()
        if run.source:
            copy_start(run.source, run.folder)
            # From here on it is a run that was cut off where the shorter one has ended.
            self.is_resumed, self.run = True, replace(run, source=None)

    def train(self, should_stop: Callable[[], bool]) -> Steps[State]:
        """Trains to the end, or until it is stopped, and returns the state it is left in."""
        run, config = self.run, self.run.spec.config
        parts = build_parts(config, self.dataset, self.device)
        point = self._find_resume_point(parts)
        rows, progress = self._go_on(point) if point else ([], None)
        recorder = self.recorder
        group = f"{run.spec.identity['experiment']}/{run.spec.cell}"
        recorder.open(group, hyperparameters(config), rows)

        def save(progress: Progress) -> None:
            recorder.sync()  # a checkpoint is never ahead of the rows
            tensors = write_tensors(parts.learner.model, parts.learner.optimizer)
            metadata = CheckpointMetadata(
                fingerprint=config.fingerprint(),
                conditions=self.conditions,
                progress=progress,
                rows_digest=recorder.rows_digest,
                frame=parts.frame,
            )
            run.folder.check()
            run.folder.checkpoints.save(tensors, metadata.to_bytes())

        state: State = "failed"
        try:
            run.folder.set_state("running")
            learner = parts.learner
            for warning in find_idle(config.diagnostics, learner.model, learner.total_steps):
                recorder.say(f"warning: {warning}")
            show_first_look(recorder, parts, self.dataset.class_names, run.with_graph)
            with self._profiling() as profile:
                training = Training(config, parts, recorder, should_stop, save, progress, profile)
                summary = yield from training.steps()
            state = summary.status
            if problem := parts.learner.graph_problem:
                run.folder.say(f"the steps did without a CUDA graph: {problem}")
        except StoppedError as error:
            state = "interrupted"
            run.folder.set_state(state, step=error.step)
            recorder.say(f"interrupted after step {error.step}, saved: {run.folder.path}")
            return state
        finally:
            recorder.close(state)
        if state == "finished" and training.answers:
            self._keep(training.answers)
        # Last: a run that has a summary is done, and all of it is written.
        run.folder.write_summary(summary, recorder.rows_digest)
        if summary.reason:
            recorder.conclude(f"diverged: {summary.reason}")
        return state

    @contextlib.contextmanager
    def _profiling(self) -> Iterator[Unprofiled]:
        """Gives what profiles the run, if it is to be, and says what it found, however it ends."""
        if not self.run.is_profiled:
            yield UNPROFILED
            return
        profile = Profile(self.device)
        try:
            yield profile
        finally:
            profile.stop()
            for line in describe_profile(profile, self.run.spec.name):
                self.recorder.say(line)
            self._write_trace(profile)

    def _write_trace(self, profile: Profile) -> None:
        folder, say = self.run.folder, self.recorder.say
        try:
            if trace := profile.read_trace():
                folder.write_trace(trace)
                say(
                    f"the recorded steps: {folder.trace} (open it at https://ui.perfetto.dev, or "
                    "with TensorBoard's profiler plug-in)"
                )
        except OSError as error:  # the results matter more
            say(f"warning: the recorded steps cannot be written: {error.strerror or error}")

    def _keep(self, answers: Answers) -> None:
        config = self.run.spec.config
        test = choose_test_images(self.dataset, config.data.test_size)
        if len(self.dataset.class_names) <= MOST_CLASSES_OF_A_DATASET:
            dataset = replace(self.dataset, test=test)
            predictions = answers.to_predictions(dataset, config.evaluate.mistakes)
            self.run.folder.write_predictions(predictions.encode())

    def _begin(self) -> None:
        folder, source = self.run.folder, self.run.source
        refused = [path.name for path in folder.checkpoints.find()] if self.is_resumed else []
        environment = self._describe_environment()
        environment |= {"refused_checkpoints": refused} if refused else {}
        environment |= {"extends": source.describe()} if source else {}
        spec = self.run.spec
        folder.create(config_text(spec), environment, spec.config.model.code)
        if folder.log.exists():
            why = f"{', '.join(refused)} cannot be used" if refused else "there is no checkpoint"
            folder.say(f"starting over: {why}")

    def _find_resume_point(self, parts: TrainingParts) -> ResumePoint | None:
        """Puts the last sound checkpoint into the parts; starts over if there is none."""

        def use(path: Path, metadata: CheckpointMetadata) -> None:
            epochs = self.run.spec.config.train.epochs
            if problem := metadata.progress.find_problem(epochs, len(parts.batches)):
                raise CheckpointError(f"contradicts itself: {problem}")
            tensors = self.run.folder.checkpoints.read_tensors(path)
            restore(tensors, parts.learner.model, parts.learner.optimizer)

        if not self.is_resumed:
            return None
        point = find_resume_point(self.run, self.conditions, self.recorder.say, use)
        if point is None:
            self._begin()
        return point

    def _go_on(self, point: ResumePoint) -> tuple[list[MetricsRow], Progress]:
        """Sets the folder back to the checkpoint; returns the rows that stay, and how far it is."""
        folder, metadata = self.run.folder, point.metadata
        progress = metadata.progress
        folder.check()
        for path in point.refused:
            folder.checkpoints.discard(path)
        self._restore_config()
        if not folder.note_resume(point.describe(), self._describe_environment()):
            self.recorder.say(
                f"warning: {folder.environment} could not be read and is rewritten; its "
                "record of earlier attempts is lost"
            )
        rows, lost = rewind_metrics(
            folder.metrics, progress.step, progress.rows, metadata.rows_digest
        )
        for loss in lost:
            self.recorder.say(f"warning: {folder.metrics}: {loss}")
        self.recorder.say(f"continues after step {progress.step}: {folder.path}")
        self.recorder.show_step(progress.step)
        progress.rows = len(rows)
        progress.lost_rows += lost
        return rows, progress

    def _restore_config(self) -> None:
        folder, spec = self.run.folder, self.run.spec
        problem = None
        try:
            read_config(read_foreign(folder.config), folder.config)
        except OSError as error:
            problem = f"{folder.config} cannot be read: {error.strerror or error}"
        except BnexpError as error:
            problem = str(error).splitlines()[0]
        if problem or spec.config.model.code is not None:
            folder.write_config(config_text(spec), spec.config.model.code)
        if problem:
            self.recorder.say(f"warning: {problem}; it is rewritten")

    def _describe_environment(self) -> dict[str, Any]:
        data = self.run.spec.config.data
        return {
            **describe_environment(),
            **describe_device(self.device),
            **({"pack": self.run.pack} if self.run.pack > 1 else {}),
            "dataset": {
                "name": self.dataset.name,
                "fingerprint": self.dataset.fingerprint,
                "root": data.root and str(Path(data.root).expanduser().absolute()),
                "signature": self.data.signature,
                "train_images": len(self.dataset.train),
                "val_images": (
                    data.val_size if self.dataset.val is None else len(self.dataset.val)
                ),
                "test_images": data.count_test_images(find_facts(self.dataset)),
                "classes": len(self.dataset.class_names),
            },
            # What a claim's verdict has to wait for.
            "planned": self._describe_plan(),
            **({"tuning": self.run.spec.tuning} if self.run.spec.tuning else {}),
            # The resolved config again, as JSON: a comparison reads a thousand of these.
            "config": resolved_config(self.run.spec),
        }

    def _describe_plan(self) -> dict[str, Any]:
        looks = self.run.planned_looks
        plan = {"seeds": self.run.planned_seeds, "cells": self.run.planned_cells}
        return {**plan, "looks": looks} if looks else plan


def prepare_device(run: PlannedRun) -> torch.device:
    """Sets PyTorch and this process's memory for a run, and returns the run's device.

    Raises:
        UsageError: This machine has no such device.
    """
    train = run.spec.config.train
    device = resolve_device(run.device or train.device)
    make_deterministic(device, train.threads or run.threads, train.compile)
    if device.type == "cpu":
        keep_freed_memory()
    return device


def describe_planned_conditions(run: PlannedRun) -> Conditions:
    """Returns the conditions under which a run would train now."""
    device = prepare_device(run)
    return describe_conditions(device, load_data(run.spec.config.data).dataset.fingerprint)


def _report_failure(run: PlannedRun, say: Callable[[str], None], error: Exception) -> State:
    """Says why a run failed, and records it as far as the disk allows; returns its state."""
    reason = str(error) if isinstance(error, BnexpError) else f"{type(error).__name__}: {error}"
    if is_out_of_memory(error):
        fewer = "a smaller train.pack" if run.pack > 1 else "fewer --jobs"
        reason = f"out of memory; try a smaller data.batch_size, fewer channels or {fewer}"
    elif isinstance(error, OSError):
        reason = f"{error.strerror or error}: {error.filename or run.folder.path}"
    # What fails before the folder is opened leaves its status, of whatever run, as it was.
    if run.folder.is_open:
        with contextlib.suppress(OSError):
            run.folder.set_failed(reason)
    run.folder.say("".join(traceback.format_exception(error)))
    say(_describe_failure(run, reason))
    return "failed"


def mark_lost(run: PlannedRun, reason: str) -> str:
    """Records the failure of a run whose process died; returns it in words.

    Nothing is written if another process holds the run, if it has ended, or if its folder has
    become another config's.
    """
    with contextlib.suppress(OSError, BnexpError, GivenUpError):
        run.folder.path.mkdir(parents=True, exist_ok=True)
        with hold_lock(run.folder.lock, say_nothing, lambda: True) as hold:
            folder = RunDir(run.folder.path, run.folder.identity, hold.check)
            if decide(run.spec, folder)[0] != "skip":
                folder.reopen()
                folder.say(f"failed: {reason}")
                folder.set_state("failed", reason=reason)
                return _describe_failure(run, reason)
    return f"failed: {run.spec.name}: {reason}"


def _describe_failure(run: PlannedRun, reason: str) -> str:
    first_line = next(iter(reason.splitlines()), "")
    log = f" (see {run.folder.log})" if run.folder.log.exists() else ""
    return f"failed: {run.spec.name}: {first_line}{log}"
