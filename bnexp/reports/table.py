"""The comparison as a table of texts, one row a cell, for the terminal and for Markdown."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from bnexp.analysis.metrics import better_direction
from bnexp.analysis.results import CellResult, Comparison, EpochsToTarget
from bnexp.config.sweep.cells import short_names
from bnexp.reports.words.formatting import (
    NOTHING,
    MetricFormat,
    format_difference,
    format_p,
    metric_format,
)
from bnexp.runs.record import STATES, State
from bnexp.wording import format_speed, write_value

Kind = Literal["name", "number", "mean", "difference", "text"]

LONGEST_NAME = 30
"""Characters beyond which a setting is broken into lines."""


@dataclass(frozen=True)
class Column:
    """A header and the text of each row; lines within a text are parted by newlines."""

    header: str
    texts: tuple[str, ...]
    kind: Kind = "number"


@dataclass(frozen=True)
class TableView:
    """The columns in three groups: what the cells are, what came out, and what it cost."""

    names: tuple[Column, ...]
    results: tuple[Column, ...]
    costs: tuple[Column, ...]
    best: frozenset[int]
    """The rows with the best mean; empty where nobody can say which is best."""


def build_table(comparison: Comparison) -> TableView:
    """Returns the table of all cells, in sweep order, with only the settings that differ."""
    write = metric_format(comparison)
    return TableView(
        names=_name_columns(comparison),
        results=_result_columns(comparison, write),
        costs=_cost_columns(comparison, write),
        best=_best_rows(comparison),
    )


def fold_name(text: str, width: int = LONGEST_NAME) -> str:
    """Returns a name that is longer than that in lines, ended by `,` or else by `(` or `_`."""
    if len(text) <= width:
        return text
    lines: list[str] = []
    for part in _split_after(",", text):
        lines.append("")
        for piece in [part] if len(part) <= width else _split_after("(_", part):
            if lines[-1] and len(lines[-1] + piece) > width:
                lines.append("")
            lines[-1] += piece
    return "\n".join(lines)


def _split_after(marks: str, text: str) -> list[str]:
    return [part for part in re.split(f"(?<=[{marks}])", text) if part]


def verdict_column(comparison: Comparison) -> Column:
    """Returns the verdicts in words, for reports that have no colours."""
    texts = (cell.difference.verdict if cell.difference else NOTHING for cell in comparison.cells)
    return Column("verdict", tuple(texts), "text")


def describe_method(*comparisons: Comparison) -> str:
    """Returns how the intervals and p-values of the comparisons were made.

    Holm's family is all of them together, as `compare_by` makes it.
    """
    cells = [cell for comparison in comparisons for cell in comparison.cells]
    differences = [cell.difference for cell in cells if cell.difference is not None]
    tested = [difference for difference in differences if difference.p is not None]
    if not any(cell.ci_low is not None for cell in cells):
        return "No intervals and no tests: these take at least two finished seeds a cell."
    if not tested:
        return "±: 95 % t interval over seeds."
    is_paired = {difference.is_paired for difference in tested}
    test = "paired by seed" if is_paired == {True} else "Welch, seeds not paired"
    if len(is_paired) > 1:
        test = "paired by seed where seeds are shared, else Welch"
    family = sum(difference.verdict not in ("identical", "confounded") for difference in tested)
    method = f"± and [ ]: 95 % t intervals over seeds. Differences: t test, {test}"
    if family < 2:
        return f"{method}."
    return (
        f"{method}, Holm-adjusted over {family} comparisons. Each interval holds for its "
        "comparison alone; the verdict follows the adjusted p."
    )


def _name_columns(comparison: Comparison) -> tuple[Column, ...]:
    keys = comparison.differing
    rows = [tuple(write_value(cell.settings[key]) for key in keys) for cell in comparison.cells]
    columns = tuple(
        Column(name, tuple(row[index] for row in rows), "name")
        for index, name in enumerate(short_names(keys))
    )
    if keys and len(set(rows)) == len(rows):
        return columns
    return (Column("cell", tuple(cell.cell for cell in comparison.cells), "name"), *columns)


def _result_columns(comparison: Comparison, write: MetricFormat) -> tuple[Column, ...]:
    cells = comparison.cells
    unit = f"\n({write.difference_unit})" if write.difference_unit else ""
    return (
        Column("n", tuple(str(cell.n) for cell in cells)),
        Column(comparison.metric, tuple(_mean(cell, write) for cell in cells), "mean"),
        Column(
            f"difference{unit}",
            tuple(
                "baseline"
                if cell.cell == comparison.baseline and len(cells) > 1
                else format_difference(cell.difference, write)
                for cell in cells
            ),
            "difference",
        ),
        Column("p\n(Holm)", tuple(_p(cell) for cell in cells)),
    )


def _cost_columns(comparison: Comparison, write: MetricFormat) -> tuple[Column, ...]:
    cells = comparison.cells
    target = "target" if comparison.target is None else write.value(comparison.target)
    gaps = MetricFormat("test/accuracy", 1)
    return (
        Column(f"epochs to\n{target}", tuple(_epochs(cell.epochs_to_target) for cell in cells)),
        Column(
            "train–test\n(points)",
            tuple(
                NOTHING if cell.train_test_gap is None else gaps.number(cell.train_test_gap, True)
                for cell in cells
            ),
        ),
        Column("images/s", tuple(_speed(cell.images_per_second) for cell in cells)),
        Column("runs", tuple(describe_runs(cell) for cell in cells), "text"),
    )


def describe_runs(cell: CellResult) -> str:
    """Returns `3 finished`, or a line a state such as `2 of 5 finished`, `3 of 5 diverged`.

    A running run that is silent is `cut off`, and a failed one that only lost its
    summary is `damaged`.
    """
    states: tuple[State, ...] = ("finished", *STATES)
    counts: dict[str, int] = {state: cell.statuses.get(state, 0) for state in states}
    counts["running"] -= cell.silent
    counts["failed"] -= cell.damaged
    counts |= {"cut off": cell.silent, "damaged": cell.damaged}
    found = {state: number for state, number in counts.items() if number}
    if [*found] == ["finished"]:
        return f"{cell.runs} finished"
    return "\n".join(f"{number} of {cell.runs} {state}" for state, number in found.items())


def _mean(cell: CellResult, write: MetricFormat) -> str:
    if cell.mean is None:
        return NOTHING
    if cell.ci_high is None:
        return write.value(cell.mean)
    half = write.number(cell.ci_high - cell.mean)
    return f"{write.number(cell.mean)} ± {half} {write.unit}".rstrip()


def _p(cell: CellResult) -> str:
    if cell.difference is None or cell.difference.p_holm is None:
        return NOTHING
    return format_p(cell.difference.p_holm)


def _epochs(epochs: EpochsToTarget | None) -> str:
    if epochs is None:
        return NOTHING
    later = "> " if epochs.is_censored else ""
    return f"{later}{epochs.median:g} ({epochs.reached} of {epochs.n})"


def _speed(images_per_second: float | None) -> str:
    return NOTHING if images_per_second is None else format_speed(images_per_second)


def _best_rows(comparison: Comparison) -> frozenset[int]:
    direction = better_direction(comparison.metric)
    means = {
        row: direction * cell.mean
        for row, cell in enumerate(comparison.cells)
        if cell.mean is not None
    }
    if direction == 0 or len(means) < 2:
        return frozenset()
    return frozenset(row for row, value in means.items() if value == max(means.values()))
