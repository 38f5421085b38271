"""Trains planned runs one after the other in this process."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Sequence
from typing import Any, BinaryIO

import torch

from bnexp.config.checks import count_steps
from bnexp.config.yaml_writer import write_yaml
from bnexp.data.dataset import Dataset
from bnexp.errors import BnexpError
from bnexp.launch.display import Display
from bnexp.launch.plan import PlannedRun, hyperparameters, resolved_config
from bnexp.launch.recorder import RunRecorder
from bnexp.launch.stop import StopSignal
from bnexp.runs import State, Summary
from bnexp.runs.environment import describe_environment
from bnexp.training.device import describe_device, make_deterministic, resolve_device
from bnexp.training.evaluation import evaluate
from bnexp.training.loop import StoppedError, Training, train_step
from bnexp.training.setup import TrainingParts, build_parts, check_against_dataset

CHECKPOINT_FORMAT = 1
PROBE_STEPS = 6


def prepare(runs: Sequence[PlannedRun], say: Callable[[str], None]) -> None:
    """Checks device and data of every run, so that nothing is begun that must fail.

    Raises:
        UsageError: A device is not here, or a config is impossible with its dataset.
        DataError: A dataset is missing or damaged.
    """
    for device in dict.fromkeys(run.spec.config.train.device for run in runs):
        resolve_device(device)
    for data in dict.fromkeys(run.spec.config.data for run in runs):
        dataset = data.load(say)
        configs = [run.spec.config for run in runs if run.spec.config.data == data]
        for config in {config.model: config for config in configs}.values():
            check_against_dataset(config, dataset)


def estimate_seconds(run: PlannedRun) -> float:
    """Returns about how long a run takes, from a few steps on throw-away parts."""
    config = run.spec.config
    make_deterministic(config.train.threads)
    dataset = config.data.load(_say_nothing)
    parts = build_parts(config, dataset, resolve_device(config.train.device))
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


def run_all(runs: Sequence[PlannedRun], display: Display, stop: StopSignal) -> dict[State, int]:
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
        # `prepare` loaded it before and said so; a sweep over one dataset finds it in memory.
        dataset = run.spec.config.data.load(_say_nothing)
        state = _run_one(run, dataset, display, stop)
        display.end_run(count_planned_steps(run))
        ended[state] = ended.get(state, 0) + 1
    return ended


def count_planned_steps(run: PlannedRun) -> int:
    """Returns the optimiser steps of a whole run; a guess where the data's size is not known."""
    config = run.spec.config
    facts = config.data.facts()
    if config.data.train_size:
        images = config.data.train_size
    else:
        images = facts.train_count - config.data.val_size if facts else config.data.batch_size
    return config.train.epochs * count_steps(config.data, images)


def _say_nothing(_: str) -> None:
    pass


def _run_one(run: PlannedRun, dataset: Dataset, display: Display, stop: StopSignal) -> State:
    config, folder = run.spec.config, run.folder
    device = resolve_device(config.train.device)
    make_deterministic(config.train.threads)
    header = "# The resolved config of one run: every default is written out.\n"
    folder.create(
        run.identity,
        header + write_yaml(resolved_config(run.spec)),
        _environment(run, dataset, device),
    )
    recorder = RunRecorder(folder, run.spec.cell, hyperparameters(config), display)
    folder.set_state("running")
    state: State = "failed"
    try:
        state = _train(run, dataset, device, recorder, stop)
    except StoppedError as error:
        state = "interrupted"
        folder.set_state(state, step=error.step)
        recorder.say(f"interrupted after step {error.step}: {folder.path}")
    except Exception as error:  # noqa: BLE001 - one run's failure must not end the sweep
        _report_failure(run, recorder, error)
    finally:
        recorder.close(state)
    return state


def _train(
    run: PlannedRun,
    dataset: Dataset,
    device: torch.device,
    recorder: RunRecorder,
    stop: StopSignal,
) -> State:
    parts = build_parts(run.spec.config, dataset, device)
    training = Training(run.spec.config, parts, recorder, stop.is_set)
    summary = training.run()
    run.folder.write_checkpoint(lambda file: _save(file, parts, summary, run.spec.seed))
    run.folder.write_summary(summary)
    if summary.reason:
        recorder.say(f"diverged: {summary.reason} ({run.spec.cell} seed={run.spec.seed})")
    return summary.status


def _save(file: BinaryIO, parts: TrainingParts, summary: Summary, seed: int) -> None:
    """Saves weights and optimiser state: tensors and plain types alone."""
    content = {
        "format": CHECKPOINT_FORMAT,
        "model": parts.model.state_dict(),
        "optimizer": parts.optimizer.state_dict(),
        "step": summary.steps,
        "epoch": summary.epochs,
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


def _report_failure(run: PlannedRun, recorder: RunRecorder, error: Exception) -> None:
    reason = str(error) if isinstance(error, BnexpError) else f"{type(error).__name__}: {error}"
    if isinstance(error, torch.OutOfMemoryError):
        reason = "out of memory; try a smaller data.batch_size or fewer channels"
    run.folder.set_state("failed", reason=reason)
    run.folder.say(traceback.format_exc())
    first_line = reason.splitlines()[0]
    recorder.say(
        f"failed: {run.spec.cell} seed={run.spec.seed}: {first_line} (see {run.folder.log})"
    )
