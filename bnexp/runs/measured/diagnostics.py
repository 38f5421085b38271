"""What diagnostics measured: rows of `metrics.jsonl`, read if needed.

The values are not in `summary.json`, so that thousands of runs can be listed and compared quickly.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from math import isfinite, nan
from typing import Any

from bnexp.errors import BnexpError
from bnexp.files import decode_json, digest, read_foreign
from bnexp.runs.checkpoint_files import CheckpointError
from bnexp.runs.measured.diagnostic_tags import DIAGNOSTICS
from bnexp.runs.record import RunRecord, Series
from bnexp.runs.run_dir import RunDir
from bnexp.runs.seal import Seal
from bnexp.runs.streams.metrics_log import MOST_BYTES_OF_METRICS, cut_metrics, drop_torn_row

_MARK = f'"{DIAGNOSTICS}'.encode()
_LARGEST = 1e39
"""Beyond what a float32 holds; the square of a larger value would be beyond a float64, too."""


def read_diagnostics(run: RunRecord) -> RunRecord:
    """Returns the run with what its diagnostics measured, or without if it has not ended.

    If its `metrics.jsonl` is not what the run wrote, the run is damaged: none of its figures count.
    A run whose rows were lost or altered before it was continued has none.
    """
    if run.summary is None or run.summary.lost_rows or run.diagnostics:
        return run
    file = RunDir(run.path).metrics
    try:
        return replace(run, diagnostics=parse_diagnostics(read_metrics(run)))
    except BnexpError as error:
        problem = str(error)
    except (ValueError, KeyError, TypeError, RecursionError):
        problem = f"{file} holds a row that cannot be read"
    problems = (*run.problems, problem)
    return replace(run, state="failed", summary=None, is_damaged=True, problems=problems)


def read_metrics(run: RunRecord) -> bytes:
    """Returns the content of a run's `metrics.jsonl`, as it was sealed if the run has ended.

    The rows of a run that has not are those that its last checkpoint knows of, and later ones, but
    not the last one if a kill has cut it off.

    Raises:
        BnexpError: It cannot be read, or is not what the run wrote.
    """
    folder, seal = RunDir(run.path), Seal(run.path)
    file = folder.metrics
    # First: the rows may become more in the meantime.
    saved = None if run.summary else _read_saved_rows(folder)
    content: bytes | None = None
    try:
        content = read_foreign(file, MOST_BYTES_OF_METRICS)
    except FileNotFoundError:
        pass
    except OSError as error:
        raise BnexpError(f"{file} cannot be read: {error.strerror or error}") from error
    is_expected = content is not None or seal.covers(file.name)
    if run.summary and is_expected and (problem := seal.find_problem(file.name, content)):
        raise BnexpError(problem)
    if saved and digest(cut_metrics(content or b"", saved[0])) != saved[1]:
        raise BnexpError(f"{file} is not what the run wrote: its last checkpoint has other rows")
    return content or b"" if run.summary else drop_torn_row(content or b"")


def _read_saved_rows(folder: RunDir) -> tuple[int, str] | None:
    """Returns how many rows the last checkpoint knows of, and their SHA-256, if it says so."""
    checkpoints = folder.checkpoints
    # As a save that was cut off leaves them, the newest is the one before it.
    newest = next(iter(checkpoints.find()), checkpoints.newest)
    try:
        saved = decode_json(checkpoints.read_metadata(newest))
        rows, expected = saved["progress"]["rows"], saved["rows_digest"]
    except (CheckpointError, ValueError, KeyError, TypeError):
        return None  # there is none yet, or it is damaged, or of an earlier version
    return (rows, expected) if type(rows) is int and type(expected) is str else None


def read_claimed_diagnostics(runs: Iterable[RunRecord]) -> tuple[RunRecord, ...]:
    """Returns the runs; those with a claim about a diagnostic have what theirs measured."""
    return tuple(read_diagnostics(run) if _has_claim(run) else run for run in runs)


def _has_claim(run: RunRecord) -> bool:
    return any(DIAGNOSTICS in str(claim.get("metric")) for claim in run.claims)


def parse_diagnostics(content: bytes) -> dict[str, Series]:
    """Returns the series of each tag of a diagnostic, in the order in which they first appear.

    Raises:
        ValueError, KeyError, TypeError, RecursionError: A row with such a tag is none of ours.
    """
    found: dict[str, list[tuple[int, int, float]]] = {}
    for line in content.split(b"\n"):
        if _MARK in line:
            row = json.loads(line)
            place = _count(row, "step"), _count(row, "epoch")
            for tag, value in row.items():
                if tag.startswith(DIAGNOSTICS):
                    found.setdefault(tag, []).append((*place, _as_figure(value)))
    # Every run measures in the order of its steps, even if it was cut off and continued.
    return {tag: Series(*zip(*points, strict=True)) for tag, points in found.items()}


def _count(row: Mapping[str, Any], key: str) -> int:
    if type(row[key]) is not int or row[key] < 0:
        raise ValueError(f"{key} is not a count")
    return int(row[key])


def _as_figure(value: object) -> float:
    """Returns a value of a row: NaN if it was not finite, or is beyond all that a run measures."""
    if value is not None and type(value) not in (int, float):
        raise TypeError("a value is not a number")
    is_known = isinstance(value, int | float) and -_LARGEST <= value <= _LARGEST
    return float(value) if is_known and isfinite(value) else nan  # type: ignore[arg-type]
