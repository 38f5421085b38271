"""Finds the checkpoint from which a run continues, or a shorter one, if nothing has changed."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bnexp.errors import BnexpError, UsageError
from bnexp.files import digest, read_foreign, write_bytes_atomically
from bnexp.launch.extension import Source
from bnexp.launch.plan import PlannedRun, how_to_start_over
from bnexp.runs import CheckpointError, DamagedCheckpointError, RunDir
from bnexp.runs.streams.metrics_log import MOST_BYTES_OF_METRICS, cut_metrics
from bnexp.training.saving.progress import CheckpointMetadata

Conditions = Mapping[str, str | int]


@dataclass(frozen=True)
class ResumePoint:
    """The checkpoint to continue from, what is wrong with newer ones, and what changed since."""

    metadata: CheckpointMetadata
    path: Path
    refused: Mapping[Path, str]
    """Newer checkpoints that cannot be used, each with the reason."""
    differences: tuple[str, ...]

    def describe(self) -> dict[str, Any]:
        """Returns the entry for `resumes` in `environment.json`."""
        return {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
            "command": sys.argv,
            "step": self.metadata.progress.step,
            "checkpoint": self.path.name,
            "refused": {path.name: reason for path, reason in self.refused.items()},
            "differences": list(self.differences),
        }


def find_resume_point(
    run: PlannedRun,
    conditions: Conditions,
    say: Callable[[str], None],
    use: Callable[[Path, CheckpointMetadata], None] = lambda *_: None,
) -> ResumePoint | None:
    """Returns the newest checkpoint that can be used, or None if all are damaged or gone.

    `use` is called with each candidate and refuses one by raising CheckpointError. One line says
    what is damaged. Changes nothing on disk.

    Raises:
        UsageError: The run would continue under other conditions, without --resume-anyway; or
            the checkpoints are whole, but belong to another run.
    """
    refused: dict[Path, str] = {}
    is_foreign = False
    checkpoints = run.start.checkpoints
    for path in checkpoints.find():
        try:
            metadata = _read(run, path)
            differences = find_differences(metadata.conditions, conditions)
            if differences and not run.may_differ:
                raise UsageError(_explain_differences(run, differences))
            use(path, metadata)
        except CheckpointError as error:
            refused[path] = str(error)
            is_foreign |= not isinstance(error, DamagedCheckpointError)
            continue
        if refused:
            step = metadata.progress.step
            say(f"{_explain(refused)}; continuing from {path.name}, step {step}")
        return ResumePoint(metadata, path, refused, tuple(differences))
    if is_foreign:
        raise UsageError(f"{_explain(refused)}; move it away, {how_to_start_over(run.start.path)}")
    if refused:
        say(f"{_explain(refused)}; the run starts over")
    return None


def find_differences(there: Conditions, here: Conditions) -> list[str]:
    """Returns in words what differs between a checkpoint's conditions and today's."""
    return [
        f"{key} is {there.get(key, 'not set')} there and {here.get(key, 'not set')} here"
        for key in dict.fromkeys((*there, *here))
        if there.get(key) != here.get(key)
    ]


def copy_start(source: Source, folder: RunDir) -> None:
    """Puts a shorter run's rows and last checkpoint into the folder of one that goes on from it.

    Raises:
        BnexpError: A file of the shorter run is not what it wrote.
        CheckpointError: The checkpoint cannot be used.
    """
    if damage := source.find_damage():
        raise BnexpError(damage)
    checkpoints = source.folder.checkpoints
    metadata = CheckpointMetadata.read(checkpoints.read_metadata(checkpoints.newest))
    progress = metadata.progress.go_beyond_end()
    rows = cut_metrics(read_foreign(source.folder.metrics, MOST_BYTES_OF_METRICS), progress.rows)
    write_bytes_atomically(folder.metrics, rows)
    changes = {
        "fingerprint": folder.identity["fingerprint"],
        "progress": progress,
        "rows_digest": digest(rows),
    }
    tensors = checkpoints.read_tensors(checkpoints.newest)
    folder.checkpoints.save(tensors, metadata.model_copy(update=changes).to_bytes())


def _read(run: PlannedRun, path: Path) -> CheckpointMetadata:
    metadata = CheckpointMetadata.read(run.start.checkpoints.read_metadata(path))
    if metadata.fingerprint != run.start.identity["fingerprint"]:
        raise CheckpointError("belongs to a run with another config")
    return metadata


def _explain(refused: Mapping[Path, str]) -> str:
    first = next(iter(refused))
    words = [f"{first} {refused[first]}"]
    words += [f"{path.name} {reason}" for path, reason in refused.items() if path != first]
    return ", ".join(words)


def _explain_differences(run: PlannedRun, differences: Sequence[str]) -> str:
    words, path = ", ".join(differences), run.start.path
    then, instead = "was cut off", how_to_start_over(path)
    if run.source:
        then, instead = "was trained", "or train from the start, without --extend (-s name=…)"
    return (
        f"{path} {then} under other conditions: {words}. "
        "Continuing would not give the bits of an uninterrupted run. Continue anyway with "
        f"--resume-anyway (recorded in environment.json), {instead}"
    )
