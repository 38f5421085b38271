"""What is checked, estimated and counted before the first run starts."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from bnexp.config.train import SLOW_BF16
from bnexp.data.dataset import DatasetConfig, DatasetFacts
from bnexp.errors import UsageError
from bnexp.launch.plan import PlannedRun
from bnexp.launch.run.loaded_data import keeping_data
from bnexp.launch.run.one_run import describe_planned_conditions
from bnexp.launch.run.resume import find_resume_point
from bnexp.launch.screen.events import say_nothing
from bnexp.locks import hold_lock
from bnexp.models.file.trust import trusting_files
from bnexp.training.machine.device import resolve_device
from bnexp.training.machine.precision import measure_bf16_slowdown
from bnexp.training.setup import check_against_dataset, find_facts
from bnexp.wording import count


@trusting_files()
def prepare(runs: Sequence[PlannedRun], say: Callable[[str], None], is_here: bool = True) -> None:
    """Checks device, data and folder of every run, so that nothing starts that must fail.

    Cells may have equal warnings, so that `say` should drop what it has said before. Runs that
    train on other machines (not `is_here`) check their devices themselves.

    Raises:
        UsageError: There is no such device, a config is impossible with its dataset, there are no
            images to tune by, or the runs' folder cannot be written.
        DataError: A dataset is missing or damaged.
    """
    if is_here:
        _check_devices(runs, say)
    for data in dict.fromkeys(run.spec.config.data for run in runs):
        dataset = data.load(say)
        specs = [run.spec for run in runs if run.spec.config.data == data]
        if not (data.val_size or dataset.val) and any(spec.tunes for spec in specs):
            raise UsageError(
                "sweep.tune.by is measured on validation images, and the dataset "
                f"'{data.name}' has none; set data.val_size"
            )
        for config in {spec.cell: spec.config for spec in specs}.values():
            for warning in check_against_dataset(config, dataset):
                say(f"warning: {warning}")
    for run in runs:
        _check_writable(run.folder.path)


@trusting_files()
def check_conditions(runs: Sequence[PlannedRun]) -> None:
    """Checks that every run that continues does so under the conditions that it began with.

    Raises:
        UsageError: One does not.
    """
    with keeping_data():
        for run in runs:
            if run.action in ("resume", "extend"):
                find_resume_point(run, describe_planned_conditions(run), say_nothing)


def _check_devices(runs: Sequence[PlannedRun], say: Callable[[str], None]) -> None:
    chosen = dict.fromkeys(
        (run.spec.config.train.device, run.spec.config.train.precision) for run in runs
    )
    uses = {(resolve_device(device).type, precision) for device, precision in chosen}
    if ("cpu", "bf16") in uses and (slowdown := measure_bf16_slowdown()) > SLOW_BF16:
        say(
            f"warning: train.precision: bf16 takes {slowdown:.0f} times as long as fp32 on this "
            "processor, by a convolution tried just now; -s train.precision=fp32 is faster"
        )


def start_over(runs: Sequence[PlannedRun], say: Callable[[str], None]) -> list[PlannedRun]:
    """Deletes what forced runs hold, before any is trained, and returns them as not forced.

    If it is cut off, the same command without --force continues with them.

    Raises:
        UsageError: A folder cannot be written.
    """
    forced = [run for run in runs if run.is_forced and run.folder.is_begun]
    if forced:
        say(f"--force: deleting {count(len(forced), 'earlier run')}")
    for run in forced:
        try:
            with hold_lock(run.folder.lock, say):
                run.folder.start_over()
        except OSError as error:
            reason = error.strerror or str(error)
            raise UsageError(f"{run.folder.path} cannot be locked: {reason}") from error
    return [replace(run, is_forced=False) for run in runs]


def _check_writable(folder: Path) -> None:
    nearest = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise UsageError(f"{nearest} cannot be written; choose another --runs-dir")


def count_planned_steps(run: PlannedRun) -> int:
    """Returns the optimiser steps of a whole run; its dataset must have been loaded."""
    config = run.spec.config
    images = config.data.count_training_images(_find_facts(config.data))
    return config.train.epochs * config.data.count_steps(images)


@functools.cache
def _find_facts(data: DatasetConfig) -> DatasetFacts:
    return data.facts() or find_facts(data.load(say_nothing))
