"""Trains planned runs one after the other in this process."""

from __future__ import annotations

import contextlib
import functools
import os
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import torch

from bnexp.config.checks import count_steps, count_training_images
from bnexp.config.yaml_writer import write_yaml
from bnexp.data.dataset import Dataset, DatasetConfig, DatasetFacts
from bnexp.errors import BnexpError, UsageError
from bnexp.exclusive_folder import hold_folder
from bnexp.launch.display import Display
from bnexp.launch.first_look import show_first_look
from bnexp.launch.plan import (
    PlannedRun,
    decide,
    hyperparameters,
    repeatable_config,
    resolved_config,
)
from bnexp.launch.recorder import RunRecorder
from bnexp.launch.stop import StopSignal
from bnexp.runs import State, read_run
from bnexp.runs.environment import describe_environment
from bnexp.training.device import describe_device, make_deterministic, resolve_device
from bnexp.training.evaluation import evaluate
from bnexp.training.loop import StoppedError, Training, train_step
from bnexp.training.setup import build_parts, check_against_dataset, find_facts

CHECKPOINT_FORMAT = 1
CONFIG_HEADER = "# The resolved config of one run: every default is written out.\n"
PROBE_STEPS = 6


def prepare(runs: Sequence[PlannedRun], say: Callable[[str], None]) -> None:
    """Checks device, data and folder of every run, so that nothing is begun that must fail.

    Raises:
        UsageError: A device is not here, a config is impossible with its dataset, or the
            runs' folder cannot be written.
        DataError: A dataset is missing or damaged.
    """
    for device in dict.fromkeys(run.spec.config.train.device for run in runs):
        resolve_device(device)
    for data in dict.fromkeys(run.spec.config.data for run in runs):
        dataset = data.load(say)
        specs = [run.spec for run in runs if run.spec.config.data == data]
        warnings: dict[str, None] = {}
        for config in {spec.cell: spec.config for spec in specs}.values():
            warnings |= dict.fromkeys(check_against_dataset(config, dataset))
        for warning in warnings:
            say(f"warning: {warning}")
    for run in runs:
        _check_writable(run.folder.path)


def _check_writable(folder: Path) -> None:
    nearest = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise UsageError(f"{nearest} cannot be written; choose another --runs-dir")


def estimate_seconds(run: PlannedRun) -> float | None:
    """Returns about how long a run takes, from a few steps on throw-away parts.

    None where the run cannot work; why, it says itself when its turn comes.
    """
    try:
        return _estimate(run)
    except Exception:  # noqa: BLE001 - an estimate must not end the sweep
        return None


def _estimate(run: PlannedRun) -> float:
    config = run.spec.config
    device = resolve_device(config.train.device)
    make_deterministic(device, config.train.threads)
    dataset = config.data.load(_say_nothing)
    parts = build_parts(config, dataset, device)
    batches = parts.batches.epoch(0)
    seconds = []
    for _ in range(min(PROBE_STEPS, len(parts.batches))):
        started = time.perf_counter()
        loss, _logits = train_step(
            parts.model, parts.optimizer, next(batches), config.train.precision
        )
        float(loss)
        seconds.append(time.perf_counter() - started)
    step_seconds = sorted(seconds)[len(seconds) // 2]
    images = next(iter(parts.evaluation_sets.values()))
    started = time.perf_counter()
    evaluate(parts.model, images, parts.device, config.train.precision)
    image_seconds = (time.perf_counter() - started) / len(images)
    evaluated = sum(len(images) for images in parts.evaluation_sets.values())
    epoch = len(parts.batches) * step_seconds + evaluated * image_seconds
    return config.train.epochs * epoch


def run_all(
    runs: Sequence[PlannedRun], display: Display, stop: StopSignal, with_graph: bool = False
) -> dict[State, int]:
    """Trains the runs in order and returns how many ended in which state.

    A run that fails does not stop the others. After a stop signal the run in progress
    is marked interrupted and no other is begun.
    """
    ended: dict[State, int] = {}
    for index, run in enumerate(runs, start=1):
        if stop.is_set():
            break
        name = f"{run.spec.cell} seed={run.spec.seed}"
        display.start_run(index, name)
        state = _run_one(run, display, stop, with_graph)
        display.end_run(count_planned_steps(run))
        ended[state] = ended.get(state, 0) + 1
    return ended


def count_planned_steps(run: PlannedRun) -> int:
    """Returns the optimiser steps of a whole run; its dataset must have been loaded."""
    config = run.spec.config
    images = count_training_images(config.data, _find_facts(config.data))
    return config.train.epochs * count_steps(config.data, images)


@functools.cache
def _find_facts(data: DatasetConfig) -> DatasetFacts:
    return data.facts() or find_facts(data.load(_say_nothing))


def _say_nothing(_: str) -> None:
    pass


def _run_one(run: PlannedRun, display: Display, stop: StopSignal, with_graph: bool) -> State:
    """Trains a run while no other process can, unless one has finished it meanwhile."""
    try:
        run.folder.path.mkdir(parents=True, exist_ok=True)
        with hold_folder(run.folder.lock, display.say):
            if not run.is_forced and decide(run.spec, run.folder, is_forced=False) == "skip":
                display.say(f"another process has finished it: {run.folder.path}")
                return read_run(run.folder.path).state
            return _train(run, display, stop, with_graph)
    except Exception as error:  # noqa: BLE001 - one run's failure must not end the sweep
        _report_failure(run, display, error)
        return "failed"


def _train(run: PlannedRun, display: Display, stop: StopSignal, with_graph: bool) -> State:
    config, folder = run.spec.config, run.folder
    device = resolve_device(config.train.device)
    make_deterministic(device, config.train.threads)
    # `prepare` loaded it before and said so; a sweep over one dataset finds it in memory.
    dataset = config.data.load(_say_nothing)
    folder.create(
        run.identity,
        CONFIG_HEADER + write_yaml(repeatable_config(run.spec)),
        _environment(run, dataset, device),
    )
    group = f"{run.identity.experiment}/{run.identity.cell}"
    recorder = RunRecorder(folder, group, hyperparameters(config), display)
    state: State = "failed"
    try:
        folder.set_state("running")
        parts = build_parts(config, dataset, device)
        show_first_look(recorder, parts, dataset.class_names, with_graph)
        training = Training(config, parts, recorder, stop.is_set)
        summary = training.run()
        folder.write_checkpoint(lambda file: _save(file, training, run.spec.seed))
        folder.write_summary(summary)
        state = summary.status
        if summary.reason:
            recorder.say(f"diverged: {summary.reason} ({run.spec.cell} seed={run.spec.seed})")
    except StoppedError as error:
        state = "interrupted"
        folder.set_state(state, step=error.step)
        recorder.say(f"interrupted after step {error.step}: {folder.path}")
    finally:
        recorder.close(state)
    return state


def _save(file: BinaryIO, training: Training, seed: int) -> None:
    """Saves weights and optimiser state: tensors and plain types alone."""
    content = {
        "format": CHECKPOINT_FORMAT,
        "model": training.parts.model.state_dict(),
        "optimizer": training.parts.optimizer.state_dict(),
        "step": training.step,
        "epoch": training.epochs_done,
        "seed": seed,
    }
    torch.save(content, file)


def _environment(run: PlannedRun, dataset: Dataset, device: torch.device) -> dict[str, Any]:
    return {
        **describe_environment(),
        **describe_device(device),
        "dataset": {
            "name": dataset.name,
            "fingerprint": dataset.fingerprint,
            "train_images": len(dataset.train),
            "test_images": len(dataset.test),
        },
        # The resolved config again, as JSON: a comparison reads a thousand of these.
        "config": resolved_config(run.spec),
    }


def _report_failure(run: PlannedRun, display: Display, error: Exception) -> None:
    """Says why a run failed, and writes it down as far as the disk lets it."""
    reason = str(error) if isinstance(error, BnexpError) else f"{type(error).__name__}: {error}"
    if isinstance(error, torch.OutOfMemoryError):
        reason = "out of memory; try a smaller data.batch_size or fewer channels"
    elif isinstance(error, OSError):
        reason = f"{error.strerror or error}: {error.filename or run.folder.path}"
    run.folder.say("".join(traceback.format_exception(error)))
    with contextlib.suppress(OSError):
        run.folder.set_state("failed", reason=reason)
    first_line = next(iter(reason.splitlines()), "")
    log = f" (see {run.folder.log})" if run.folder.log.exists() else ""
    display.say(f"failed: {run.spec.cell} seed={run.spec.seed}: {first_line}{log}")
