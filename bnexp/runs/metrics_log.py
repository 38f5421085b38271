"""The rows of `metrics.jsonl`: appended while training, read back after a run was cut off."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bnexp.files import write_text_atomically


@dataclass(frozen=True)
class MetricsRow:
    """What was measured at a step; `scalars` holds None for a value that was not finite."""

    step: int
    epoch: int
    elapsed_seconds: float
    scalars: Mapping[str, float | None]


class MetricsLog:
    """Appends rows to `metrics.jsonl`: step, epoch, elapsed_seconds and the scalars."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("a", encoding="utf-8")

    def write(
        self, step: int, epoch: int, elapsed_seconds: float, scalars: Mapping[str, float]
    ) -> None:
        """Appends one row and hands it to the operating system."""
        # NaN is not JSON; null says that there was a value and that it was not a number.
        finite = {tag: value if _is_finite(value) else None for tag, value in scalars.items()}
        self._file.write(_format(MetricsRow(step, epoch, round(elapsed_seconds, 4), finite)))
        self._file.flush()

    def sync(self) -> None:
        """Waits until every row is on the disk, so that a checkpoint is never ahead of them."""
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Closes the file."""
        self._file.close()


def rewind_metrics(path: Path, step: int, count: int) -> tuple[list[MetricsRow], list[str]]:
    """Cuts the file back to the first `count` rows, none beyond `step`; returns them.

    Torn or damaged rows are left out; the second list says which, and how many are missing.
    The file is replaced in one step.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        content = b""
    # Not `splitlines`, which a flipped byte could make split elsewhere.
    lines = content.removesuffix(b"\n").split(b"\n")[:count] if content else []
    found = [_read_row(line) for line in lines]
    rows = [row for row in found if row is not None and row.step <= step]
    damaged = [number for number, row in enumerate(found, start=1) if row is None]
    write_text_atomically(path, "".join(_format(row) for row in rows))
    losses = _describe_losses(damaged, count - len(lines), count)
    return rows, [f"{path}: {loss}" for loss in losses]


def _describe_losses(damaged: Sequence[int], missing: int, count: int) -> Iterator[str]:
    """Yields which lines are damaged, and how many of `count` rows are not there at all."""
    if len(damaged) == 1:
        yield f"line {damaged[0]} cannot be read and is left out"
    elif damaged:
        first = ", ".join(map(str, damaged[:-1]))
        yield f"lines {first} and {damaged[-1]} cannot be read and are left out"
    if missing > 0:
        yield f"{missing} of {count} rows {'is' if missing == 1 else 'are'} missing"


def _format(row: MetricsRow) -> str:
    content = {"step": row.step, "epoch": row.epoch, "elapsed_seconds": row.elapsed_seconds}
    return json.dumps({**content, **row.scalars}) + "\n"


def _read_row(line: bytes) -> MetricsRow | None:
    """Returns the row, or None if the line is not one that `MetricsLog` writes."""
    try:
        content = json.loads(line, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return None
    if not isinstance(content, dict):
        return None
    step, epoch = content.pop("step", None), content.pop("epoch", None)
    elapsed = content.pop("elapsed_seconds", None)
    is_whole = all(isinstance(number, int) and number >= 0 for number in (step, epoch))
    is_row = is_whole and _is_number(elapsed)
    if not is_row or not all(value is None or _is_number(value) for value in content.values()):
        return None
    return MetricsRow(step, epoch, elapsed, content)


def _is_number(value: Any) -> bool:  # noqa: ANN401 - any JSON
    return isinstance(value, int | float) and not isinstance(value, bool) and _is_finite(value)


def _refuse(constant: str) -> float:
    raise ValueError(f"{constant} is not JSON")


def _is_finite(value: float) -> bool:
    return value - value == 0
