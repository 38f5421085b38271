"""The rows of `metrics.jsonl`: appended while training, read back after a run was cut off."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import isfinite
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, NonNegativeInt, ValidationError

from bnexp.files import digest, open_text, read_foreign, write_bytes_atomically


class Histogram(BaseModel):
    """How many values lie in each of equal parts of a range."""

    model_config = ConfigDict(frozen=True, strict=True, allow_inf_nan=False, extra="forbid")

    low: float
    high: float
    counts: tuple[NonNegativeInt, ...]
    """Empty if there was no finite value."""


class MetricsRow(BaseModel):
    """What was measured at a step."""

    model_config = ConfigDict(frozen=True, strict=True, allow_inf_nan=False, extra="allow")
    __pydantic_extra__: dict[str, float | None]

    step: NonNegativeInt
    epoch: NonNegativeInt
    elapsed_seconds: float
    histograms: dict[str, Histogram] = {}
    """By tag; for TensorBoard."""

    @property
    def scalars(self) -> Mapping[str, float | None]:
        """What was measured, by its tag; None for a value that was not finite."""
        return self.__pydantic_extra__


class MetricsLog:
    """Appends rows to `metrics.jsonl`: step, epoch, elapsed_seconds and the scalars.

    Raises:
        OSError: The rows that are there cannot be read, or none can be added.
    """

    def __init__(self, path: Path) -> None:
        self._digest = hashlib.sha256(_read(path))
        self._file = open_text(path, "a")

    def write(
        self,
        step: int,
        epoch: int,
        elapsed_seconds: float,
        scalars: Mapping[str, float],
        histograms: Mapping[str, Histogram] | None = None,
    ) -> None:
        """Appends one row and hands it to the operating system."""
        # NaN is not JSON; null says that there was a value and that it was not a number.
        finite = {tag: value if isfinite(value) else None for tag, value in scalars.items()}
        place = {"step": step, "epoch": epoch, "elapsed_seconds": round(elapsed_seconds, 4)}
        row: dict[str, Any] = {**place, **finite}
        if histograms:
            row["histograms"] = {tag: one.model_dump() for tag, one in histograms.items()}
        line = json.dumps(row) + "\n"
        self._file.write(line)
        self._file.flush()
        self._digest.update(line.encode())

    @property
    def digest(self) -> str:
        """SHA-256 of the rows that were there at first and of those written since.

        It is not read off the disk, where a row may have been altered in the meantime.
        """
        return self._digest.hexdigest()

    def sync(self) -> None:
        """Waits until every row is on the disk, so that a checkpoint is never ahead of them."""
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Closes the file."""
        self._file.close()


MOST_BYTES_OF_METRICS = 128 * 2**20
"""More than a million rows."""


def rewind_metrics(
    path: Path, step: int, count: int, expected: str | None = None
) -> tuple[list[MetricsRow], list[str]]:
    """Cuts the file back to the first `count` rows, none beyond `step`; returns them.

    Torn or damaged rows are left out; the second list says which, how many are missing, and
    whether the rows do not have the `expected` SHA-256, if it is known. The file is replaced in
    one step.
    """
    lines = _split(_read(path))[:count]
    rows = {number: _parse(line) for number, line in enumerate(lines, start=1)}
    damaged = [number for number, row in rows.items() if row is None]
    kept = {number: row for number, row in rows.items() if row and row.step <= step}
    write_bytes_atomically(path, _join(lines[number - 1] for number in kept))
    losses = [*_describe_losses(damaged, count - len(lines), count)]
    if not losses and expected not in (None, digest(_join(lines))):
        losses = [f"a row up to step {step} was altered; which one is unknown"]
    return [*kept.values()], losses


def cut_metrics(content: bytes, count: int) -> bytes:
    """Returns the first `count` rows of a log's content."""
    return _join(_split(content)[:count])


def drop_torn_row(content: bytes) -> bytes:
    """Returns the rows without the last one if it is cut off, as a kill leaves it."""
    return content[: content.rfind(b"\n") + 1]


def find_damaged_rows(path: Path, *, may_be_torn: bool) -> list[str]:
    """Returns in a sentence which rows of the file cannot be read, or why all of it cannot.

    Nothing is said of a last row that is cut off if it may be, since the run has not ended.
    """
    try:
        content = read_foreign(path, MOST_BYTES_OF_METRICS)
        lines = _split(drop_torn_row(content) if may_be_torn else content)
    except FileNotFoundError:
        return []
    except OSError as error:
        return [f"{path} cannot be read: {error.strerror or error}"]
    damaged = [number for number, line in enumerate(lines, start=1) if _parse(line) is None]
    if not damaged:
        return []
    more = f" and {len(damaged) - 1} more" if len(damaged) > 1 else ""
    return [f"{path}: line {damaged[0]}{more} cannot be read"]


def _read(path: Path) -> bytes:
    try:
        return read_foreign(path, MOST_BYTES_OF_METRICS)
    except FileNotFoundError:
        return b""


def _join(lines: Iterable[bytes]) -> bytes:
    return b"".join(line + b"\n" for line in lines)


def _split(content: bytes) -> list[bytes]:
    # Not `splitlines`, which a flipped byte could make split elsewhere.
    return content.removesuffix(b"\n").split(b"\n") if content else []


def _parse(line: bytes) -> MetricsRow | None:
    try:
        return MetricsRow.model_validate_json(line)
    except ValidationError:
        return None


def _describe_losses(damaged: Sequence[int], missing: int, count: int) -> Iterator[str]:
    """Yields which lines are damaged, and how many of `count` rows are not there at all."""
    if len(damaged) == 1:
        yield f"line {damaged[0]} cannot be read and is left out"
    elif damaged:
        first = ", ".join(map(str, damaged[:-1]))
        yield f"lines {first} and {damaged[-1]} cannot be read and are left out"
    if missing > 0:
        yield f"{missing} of {count} rows {'is' if missing == 1 else 'are'} missing"
