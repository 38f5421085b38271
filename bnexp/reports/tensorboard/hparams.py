"""What TensorBoard's page HParams shows of runs: the keys that differ, and the main figures."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from bnexp.analysis.cells import group_cells
from bnexp.analysis.metrics import SCORES, split_tag
from bnexp.foreign_text import visible
from bnexp.runs.record import RunRecord, Scalar
from bnexp.runs.streams.tensorboard_events import (
    encode_event_file,
    experiment_event,
    session_start_event,
)
from bnexp.wording import write_value

SEEDS = "seeds"
"""The column that says how many runs a row is the mean of."""

_ORDER = ("test", "val", "train")
_SPEED = "perf/images_per_second"
_ABSENT = "–"


def order_scores(tags: Iterable[str]) -> list[str]:
    """Returns the tags that are accuracies and losses, those on test first, then val, train."""
    return sorted((tag for tag in tags if split_tag(tag)[1] in SCORES), key=_rank)


def _rank(tag: str) -> tuple[int, str]:
    prefix = tag.partition("/")[0].partition("_")[0]
    return _ORDER.index(prefix) if prefix in _ORDER else len(_ORDER), tag


def encode_hparams(records: Sequence[RunRecord], now: float) -> dict[Path, bytes]:
    """Returns an event file for each run's folder; TensorBoard must read it before the run's own.

    A run's own file lists its whole config. This one lists the keys that differ between the
    cells, and how many seeds a cell has, once none is running. That of the first run also
    says which columns and metrics the page has. A column is all numbers or all text: the page
    filters a mixed one wrongly. Without anything to show there are none.
    """
    order = sorted(records, key=lambda run: (run.experiment, run.cell_index, run.cell, run.seed))
    cells = group_cells(order)
    keys = dict.fromkeys(key for cell in cells for key in cell.settings)
    columns = {key: _unify([cell.settings.get(key, _ABSENT) for cell in cells]) for key in keys}
    columns = {visible(key): values for key, values in columns.items() if len(set(values)) > 1}
    if records and not any(record.is_running for record in records):
        columns[SEEDS] = _unify([len(cell.runs) for cell in cells])
    if not columns:
        return {}
    metrics = [experiment_event(columns, _find_metrics(records), now)]
    files = {}
    for number, cell in enumerate(cells):
        row = {key: values[number] for key, values in columns.items()}
        for run in cell.runs:
            group = cell.label if "/" in cell.label else f"{run.experiment}/{cell.label}"
            elapsed = run.summary.elapsed_seconds if run.summary else 0.0
            start = session_start_event(visible(group), row, (run.heartbeat or now) - elapsed)
            files[run.path] = encode_event_file([*metrics, start], now)
            metrics = []
    return files


def _unify(values: Sequence[Scalar]) -> list[str] | list[float]:
    """Returns numbers if all are fractions or whole numbers among them, else text.

    Whole numbers alone become text, since the page would show 8 as 8.0000.
    """
    if all(isinstance(value, int | float) for value in values):
        numbers = [value for value in values if isinstance(value, int | float)]
        if any(isinstance(value, float) for value in numbers):
            return numbers
    return [visible(write_value(value)) for value in values]


def _find_metrics(records: Iterable[RunRecord]) -> list[str]:
    """Returns the metrics of the page: accuracies and losses, then the speed."""
    summaries = [record.summary for record in records if record.summary]
    tags = dict.fromkeys(visible(tag) for summary in summaries for tag in summary.final)
    return [*order_scores(tags), *([_SPEED] if _SPEED in tags else [])]
