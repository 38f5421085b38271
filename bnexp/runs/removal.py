"""Deletes runs from disk, and nothing but runs."""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bnexp.errors import BnexpError, UsageError
from bnexp.locks import describe_holder, is_held
from bnexp.runs import tuning_record
from bnexp.runs.reading import TRASH, find_every_run, find_folder, find_runs
from bnexp.runs.run_dir import COMPARISON, TUNING, RunDir


@dataclass(frozen=True)
class Removal:
    """A folder that was named, an experiment's, a cell's or a run's, and the runs in it."""

    folder: Path
    runs: tuple[Path, ...]


def plan_removal(targets: Sequence[str], runs_dir: Path) -> list[Removal]:
    """Returns what would be deleted for each target, a name or a path; deletes nothing.

    Raises:
        UsageError: A target holds no runs, is in or behind a symbolic link, or has a run
            that a process is training.
    """
    removals = []
    for target in dict.fromkeys(targets):
        folder = find_folder(target, runs_dir)
        _refuse_outside(target, folder, runs_dir)
        runs = tuple(sorted(find_every_run(folder)))
        for run in runs:
            for path in (run.parent.parent, run.parent, run):
                if path.is_symlink():
                    raise UsageError(
                        f"{path} is a symbolic link; its target is not deleted; remove the link "
                        "itself"
                    )
            _refuse_held(run, run)
        removals.append(Removal(folder, runs))
    return removals


def remove(removal: Removal) -> list[Path]:
    """Deletes the runs and what bnexp wrote beside them; returns what is left of the folder.

    Each run is first renamed to a hidden folder, in one step: one that is cut off half-way
    is never taken for a run. Folders that hold nothing else are deleted too.

    Raises:
        BnexpError: Something cannot be deleted, or a process began to train the run.
    """
    try:
        for run in removal.runs:
            _remove_run(run)
        around = {parent for run in removal.runs for parent in run.parents[:2]}
        inside = {path for path in around if path.is_relative_to(removal.folder)}
        parents = {run.parent for run in removal.runs} - {removal.folder.parent}
        for folder in sorted({*inside, *parents, removal.folder} - {*removal.runs}, reverse=True):
            _remove_leftovers(folder)
    except OSError as error:
        place = error.filename or removal.folder
        raise BnexpError(f"cannot delete {place}: {error.strerror or error}") from error
    return sorted(removal.folder.iterdir()) if removal.folder.exists() else []


def _refuse_outside(target: str, folder: Path, runs_dir: Path) -> None:
    if ".." in Path(target).parts:
        raise UsageError(f"'{target}' contains '..'; name the run by its own path")
    if folder.resolve() in (runs_dir.resolve(), *runs_dir.resolve().parents):
        raise UsageError(f"{folder} is where all runs are kept; name an experiment, cell or run")


def _refuse_held(run: Path, where: Path) -> None:
    if is_held(RunDir(where).lock):
        holder = describe_holder(RunDir(where).lock)
        raise UsageError(f"{run} is being trained by {holder} right now; stop it first")


def _remove_run(run: Path) -> None:
    grave = run.with_name(f"{TRASH}{run.name}-{os.getpid()}-{time.monotonic_ns()}")
    run.rename(grave)
    try:
        _refuse_held(run, grave)  # a process that began just before it was renamed
    except UsageError:
        grave.rename(run)
        raise
    shutil.rmtree(grave)


def _remove_leftovers(folder: Path) -> None:
    """Deletes what an earlier deletion left, a comparison, a tuning, and then an empty folder."""
    for path in list(folder.iterdir()) if folder.is_dir() else ():
        is_own = path.name.startswith(TRASH) or path.name == COMPARISON
        if is_own and path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
    if folder.name == TUNING and not any(find_runs(folder)):
        (folder / tuning_record.FILE).unlink(missing_ok=True)
    with contextlib.suppress(OSError):  # the user's own files are in it
        folder.rmdir()
