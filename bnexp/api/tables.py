"""Runs as one long, tidy table: a row per value, with all that it is a value of."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from bnexp.api.runs import Run
from bnexp.errors import UsageError
from bnexp.files import write_bytes_atomically
from bnexp.reports.csv import write_csv

if TYPE_CHECKING:
    import pandas as pd

Resolution = Literal["epochs", "steps"]
"""A row per epoch, or one per row of metrics.jsonl, diagnostics included."""
TableFormat = Literal["csv", "parquet", "json"]

_HEADING = ("experiment", "cell", "seed", "state")


def list_rows(runs: Sequence[Run], per: Resolution = "epochs") -> Iterator[dict[str, Any]]:
    """Yields the rows: experiment, cell, seed, state, each swept key, epoch, tag, value.

    With `steps` also step and elapsed_seconds. A run that has not ended has rows of steps alone.
    All rows have the same keys.
    """
    keys = dict.fromkeys(key for run in runs for key in run.settings)
    for run in runs:
        told = {name: getattr(run, name) for name in _HEADING}
        told |= {key: run.settings.get(key) for key in keys}
        if per == "epochs":
            for tag, values in run.history.items():
                for epoch, value in enumerate(values, start=1):
                    yield {**told, "epoch": epoch, "tag": tag, "value": value}
            continue
        for row in run.metrics():
            place = {key: row.pop(key) for key in ("epoch", "step", "elapsed_seconds")}
            row.pop("histograms", None)
            for tag, number in row.items():
                yield {**told, **place, "tag": tag, "value": number}


def to_frame(runs: Sequence[Run], per: Resolution = "epochs") -> pd.DataFrame:
    """Returns the rows as a pandas DataFrame.

    Raises:
        UsageError: pandas is not installed.
    """
    try:
        import pandas as pd
    except ImportError as error:
        raise UsageError("this needs pandas: pip install 'bnexp[frames]'") from error
    return pd.DataFrame.from_records([*list_rows(runs, per)])


def write_table(
    runs: Sequence[Run], form: TableFormat, file: Path | None, per: Resolution = "epochs"
) -> str | None:
    """Writes the rows into a file, or returns them as text without one.

    Raises:
        UsageError: The file cannot be written; parquet has no file, or pandas and pyarrow are not
            installed.
    """
    if form == "parquet":
        if file is None:
            raise UsageError("--format parquet: name a file (--output runs.parquet)")
        content = _write_parquet(runs, per)
    else:
        rows = [*list_rows(runs, per)]
        if not rows:
            raise UsageError("nothing to write: no run has ended; --per steps takes the others")
        text = write_csv(rows) if form == "csv" else json.dumps(rows, indent=1) + "\n"
        if file is None:
            return text
        content = text.encode()
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        write_bytes_atomically(file, content)
    except OSError as error:
        raise UsageError(f"--output: cannot write '{file}': {error.strerror or error}") from error
    return None


def _write_parquet(runs: Sequence[Run], per: Resolution) -> bytes:
    frame = to_frame(runs, per)
    for key in frame.columns:
        # A column has one type: a key that is a number in one cell and a word in another is text.
        if len({type(one) for one in frame[key] if one is not None}) > 1 and key != "value":
            frame[key] = [None if one is None else str(one) for one in frame[key]]
    buffer = io.BytesIO()
    try:
        frame.to_parquet(buffer, index=False)
    except ImportError as error:
        raise UsageError("parquet needs pyarrow: pip install 'bnexp[frames]'") from error
    return buffer.getvalue()
