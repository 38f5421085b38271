"""Verifies everything that a run left: seal, tensors, rows, and what they say of each other."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from bnexp.errors import BnexpError
from bnexp.locks import hold_lock, is_held
from bnexp.runs.checkpoint_files import CheckpointError, DamagedCheckpointError
from bnexp.runs.measured.diagnostics import read_metrics
from bnexp.runs.reading import read_run
from bnexp.runs.record import RunRecord
from bnexp.runs.run_dir import RunDir
from bnexp.runs.seal import Seal
from bnexp.runs.streams.metrics_log import find_damaged_rows
from bnexp.wording import count


@dataclass(frozen=True)
class Problem:
    """What is wrong with a run, in a sentence, and whether `repair` corrects it."""

    text: str
    is_repairable: bool = False
    is_harmless: bool = False
    """Whether the run's own figures and checkpoint are whole all the same."""


def inspect(path: Path) -> list[Problem]:
    """Returns what is wrong with a run; nothing is said of one that is being trained."""
    folder = RunDir(path)
    if is_held(folder.lock):
        return []
    record = read_run(path)
    broken = dict(Seal(path).find_broken()) if folder.summary.exists() else {}
    sentences = [
        *record.problems,
        *broken.values(),
        *find_damaged_checkpoints(folder),
        *(
            find_damaged_rows(folder.metrics, may_be_torn=record.summary is None)
            or _find_other_rows(record)
        ),
        *_find_disagreement(record),
        *(() if folder.predictions.name in broken else _find_wrong_predictions(record)),
    ]
    repairable = [Problem(text, is_repairable=True) for text in _find_leftovers(record)]
    doubts = [Problem(text, is_harmless=True) for text in record.doubts]
    return [*map(Problem, dict.fromkeys(sentences)), *doubts, *repairable]


def repair(path: Path) -> None:
    """Does what can be done without guessing: deletes temporary files, corrects the state.

    Raises:
        BnexpError: A process trains the run.
        OSError: The folder cannot be written.
    """
    with hold_lock(RunDir(path).lock, lambda _: None):
        record = read_run(path)
        RunDir(path).remove_temporaries()
        if record.is_outdated:
            RunDir(path, Seal(path).identity).restore_status(record.state)


def find_damaged_checkpoints(folder: RunDir) -> Iterator[str]:
    """Yields what is wrong with a run's checkpoints, whose tensors are all read."""
    for path in folder.checkpoints.find():
        try:
            folder.checkpoints.read_tensors(path)
        except DamagedCheckpointError as error:
            yield f"{path} {error}"


def _find_other_rows(record: RunRecord) -> Iterator[str]:
    """Yields what the last checkpoint of an unfinished run says otherwise than its rows."""
    if record.summary is None:
        try:
            read_metrics(record)
        except BnexpError as error:
            yield str(error)


def _find_disagreement(record: RunRecord) -> Iterator[str]:
    """Yields what the last checkpoint of a run that ended says otherwise than its summary."""
    folder, summary = RunDir(record.path), record.summary
    if summary is None or not folder.checkpoints.newest.exists():
        return
    try:
        content = json.loads(folder.checkpoints.read_metadata(folder.checkpoints.newest))
        progress = content["progress"]
        steps, history = progress["step"], _take_values(progress["history"])
        evaluations = _take_values(progress.get("evaluations", {}))
        final = {tag: (value,) for tag, value in progress.get("final", {}).items()}
        written_final = {tag: (value,) for tag, value in summary.final.items()}
    except (CheckpointError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return  # one that is damaged, or from elsewhere, has been named
    pairs = (
        (history, summary.history),
        (evaluations, summary.evaluations or {}),
        (final if record.state == "finished" else {}, written_final),
    )
    tags = [
        tag
        for saved, written in pairs
        for tag, values in saved.items()
        if written.get(tag, ())[: len(values)] != values
    ]
    if tags:
        names = ", ".join(dict.fromkeys(tags))
        yield f"{folder.summary} and checkpoint.json disagree about {names}"
    if record.state == "finished" and steps != summary.steps:
        yield f"{folder.summary} has {summary.steps} steps, and checkpoint.json {steps}"


def _find_wrong_predictions(record: RunRecord) -> Iterator[str]:
    from bnexp.runs.measured.predictions import read_predictions

    file = RunDir(record.path).predictions
    try:
        predictions = read_predictions(record)
    except BnexpError as error:
        yield str(error)
        return
    final = record.summary.final.get("test/accuracy") if record.summary else None
    if predictions and predictions.confusion.accuracy != final:
        yield f"{RunDir(record.path).summary} and {file.name} disagree about test/accuracy"


def _take_values(series: Mapping[str, Iterable[float]]) -> dict[str, tuple[float, ...]]:
    return {tag: tuple(values) for tag, values in series.items()}


def _find_leftovers(record: RunRecord) -> Iterator[str]:
    if temporaries := RunDir(record.path).find_temporaries():
        number = count(len(temporaries), "temporary file")
        yield f"{record.path} holds {number} of a process that was killed"
    if record.is_outdated:
        yield f"{RunDir(record.path).status} does not say that the run is {record.state}"
