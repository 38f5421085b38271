"""The comparison as a table, one row per cell, whose texts each format lays out in its own way."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from bnexp.analysis.metrics import is_accuracy
from bnexp.analysis.results import (
    CellResult,
    ClaimResult,
    Comparison,
    EpochsToTarget,
    Trial,
    Tuning,
)
from bnexp.config.sweep.names import short_names
from bnexp.reports.words.claims import describe_claim
from bnexp.reports.words.formatting import (
    NOTHING,
    MetricFormat,
    find_best,
    metric_format,
    p_phrase,
    write_difference,
)
from bnexp.reports.words.phrases import NO_BREAK, Figure, Phrase, plain
from bnexp.runs.record import STATES, State
from bnexp.wording import format_bytes, format_speed, write_value

Kind = Literal["name", "number", "mean", "difference", "cost", "verdict", "text"]

Lines = tuple[Phrase, ...]
"""One cell of the table: a phrase per line."""


@dataclass(frozen=True)
class Column:
    """A header and the content of each row, both in lines."""

    header: tuple[str, ...]
    rows: tuple[Lines, ...]
    kind: Kind = "number"
    key: str = ""
    """Its name in `bnexp.reports.columns`, if it can be chosen."""

    @property
    def is_text(self) -> bool:
        """Whether it reads from the left: words, not numbers."""
        return self.kind in ("name", "verdict", "text")

    def text(self, row: int, separator: str) -> str:
        """Returns a row's lines as one text."""
        return separator.join(map(plain, self.rows[row]))


@dataclass(frozen=True)
class TableView:
    """The columns in groups: what the cells are, what came out, and what it cost."""

    names: tuple[Column, ...]
    results: tuple[Column, ...]
    verdicts: Column
    """The verdicts in words, for reports that have no colours."""
    costs: tuple[Column, ...]
    best: frozenset[int]
    """The rows with the best mean; empty if nobody can say which is best."""
    chosen: tuple[Column, ...] | None = None
    """What is shown beside the names instead of all the others, if columns were chosen."""

    def is_bold(self, column: Column, row: int) -> bool:
        """Whether it is the best mean."""
        return column.kind == "mean" and row in self.best


def build_table(comparison: Comparison, columns: Sequence[str] | None = None) -> TableView:
    """Returns the table of all cells, in sweep order, with only the settings that differ.

    `columns` chooses columns by name, in this order; one that the comparison lacks is left out.
    """
    write = metric_format(comparison)
    differences = (cell.difference for cell in comparison.cells)
    verdicts = ((found.verdict if found else NOTHING,) for found in differences)
    view = TableView(
        names=_name_columns(comparison),
        results=_result_columns(comparison, write),
        verdicts=_column("verdict", verdicts, "verdict", "verdict"),
        costs=_cost_columns(comparison, write),
        best=find_best(comparison),
    )
    if columns is None:
        return view
    known = {column.key: column for column in (*view.results, view.verdicts, *view.costs)}
    return replace(view, chosen=tuple(known[key] for key in columns if key in known))


def describe_runs(cell: CellResult) -> tuple[str, ...]:
    """Returns `3 finished`, or a line per state such as `2 of 5 finished`, `3 of 5 diverged`.

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
        return (f"{cell.runs} finished",)
    return tuple(f"{number} of {cell.runs} {state}" for state, number in found.items())


def _column(
    header: str | tuple[str, ...], phrases: Iterable[Phrase], kind: Kind, key: str = ""
) -> Column:
    header = (header,) if isinstance(header, str) else header
    return Column(header, tuple((phrase,) for phrase in phrases), kind, key)


def _name_columns(comparison: Comparison) -> tuple[Column, ...]:
    keys = comparison.differing
    rows = [
        tuple(write_value(cell.settings[key]) if key in cell.settings else NOTHING for key in keys)
        for cell in comparison.cells
    ]
    columns = tuple(
        _column(name, ((row[index],) for row in rows), "name")
        for index, name in enumerate(short_names(keys))
    )
    if keys and len(set(rows)) == len(rows):
        return columns
    return (_column("cell", ((cell.cell,) for cell in comparison.cells), "name"), *columns)


def _result_columns(comparison: Comparison, write: MetricFormat) -> tuple[Column, ...]:
    cells = comparison.cells
    unit = (f"({write.difference_unit})",) if write.difference_unit else ()
    differences = (
        ("baseline",)
        if cell.cell == comparison.baseline and len(cells) > 1
        else write_difference(cell.difference, write)
        for cell in cells
    )
    ps = (p_phrase(cell.difference.p_holm if cell.difference else None) for cell in cells)
    return (
        _column("n", ((Figure(cell.n),) for cell in cells), "number", "n"),
        _column(comparison.metric, (_mean(cell, write) for cell in cells), "mean", "mean"),
        _column(("difference", *unit), differences, "difference", "difference"),
        _column(("p", "(Holm)"), ps, "number", "p"),
    )


def _cost_columns(comparison: Comparison, write: MetricFormat) -> tuple[Column, ...]:
    cells = comparison.cells
    target = "target" if comparison.target is None else plain([write.value(comparison.target)])
    epochs = (_epochs(cell.epochs_to_target) for cell in cells)
    gap = MetricFormat("test/accuracy", 1)
    gaps = (_figure(cell.train_test_gap, lambda value: gap.number(value, True)) for cell in cells)
    speeds = (_figure(cell.images_per_second, format_speed) for cell in cells)
    sizes = [cell.training_memory_bytes for cell in cells]
    memory = _column("memory", (_figure(size, format_bytes) for size in sizes), "cost", "memory")
    runs = tuple(tuple((line,) for line in describe_runs(cell)) for cell in cells)
    has_target = any(cell.epochs_to_target for cell in cells)  # a diagnostic has none
    return (
        *(
            [_column(("epochs to", target), epochs, "number", "epochs_to_target")]
            if has_target
            else []
        ),
        _column(("train–test", "(points)"), gaps, "number", "train_test_gap"),
        _column("images/s", speeds, "cost", "images_per_second"),
        *([memory] if any(sizes) else []),
        Column(("runs",), runs, "text", "runs"),
    )


def _figure(value: float | None, write: Callable[[float], str]) -> Phrase:
    return (NOTHING,) if value is None else (Figure(write(value)),)


def _mean(cell: CellResult, write: MetricFormat) -> Phrase:
    if cell.mean is None:
        return (NOTHING,)
    mean, unit = Figure(write.number(cell.mean)), f"{NO_BREAK}{write.unit}" if write.unit else ""
    if cell.ci_high is None:
        return mean, unit
    return mean, " ± ", Figure(write.number(cell.ci_high - cell.mean)), unit


def _epochs(epochs: EpochsToTarget | None) -> Phrase:
    if epochs is None:
        return (NOTHING,)
    later = "> " if epochs.is_censored else ""
    reached, n = Figure(epochs.reached), Figure(epochs.n)
    return later, Figure(f"{round(epochs.median, 2):g}"), " (", reached, " of ", n, ")"


def build_tuning_table(comparison: Comparison) -> tuple[Column, ...]:
    """Returns a row per combination of values that tuning tried; no columns if nothing was tuned.

    Cells that were tuned by different measures share a column, each figure with its unit.
    """
    rows = [
        (tuned.cells, tuned.tuning, trial)
        for tuned in comparison.tunings
        for trial in tuned.tuning.trials
    ]
    if not rows:
        return ()
    keys = list(dict.fromkeys(key for _, tuning, _ in rows for key in tuning.over))
    measures = " or ".join(dict.fromkeys(tuning.by for _, tuning, _ in rows))
    values = [
        _column(
            name,
            (
                (write_value(trial.values[key]) if key in trial.values else NOTHING,)
                for *_, trial in rows
            ),
            "name",
        )
        for key, name in zip(keys, short_names(keys), strict=True)
    ]
    return (
        _column("cell", ((", ".join(cells),) for cells, *_ in rows), "name"),
        *values,
        _column("n", ((Figure(trial.n),) for *_, trial in rows), "number"),
        _column(measures, (_write_trial(tuning, trial) for _, tuning, trial in rows), "number"),
        _column("choice", ((_write_choice(tuning, trial),) for _, tuning, trial in rows), "text"),
    )


def build_claim_table(claims: Sequence[ClaimResult]) -> tuple[Column, ...]:
    """Returns a row per claim: verdict, effect, seeds, and what the source measured.

    No columns unless there are several claims; one says all of it in its text.
    """
    if len(claims) < 2:
        return ()
    texts = [describe_claim(claim) for claim in claims]
    columns = (
        _column("claim", ((text.statement,) for text in texts), "name"),
        _column("verdict", ((text.heading,) for text in texts), "text"),
        _column("effect", ((text.effect,) for text in texts), "text"),
        _column("seeds", ((text.seeds,) for text in texts), "number"),
    )
    if not any(text.published for text in texts):
        return columns
    published = ((text.published or NOTHING,) for text in texts)
    return (*columns, _column("published", published, "text"))


def _write_trial(tuning: Tuning, trial: Trial) -> Phrase:
    write = MetricFormat(tuning.by, 1 if is_accuracy(tuning.by) else 3)
    mean = NOTHING if trial.mean is None else write.value(trial.mean)
    return (mean, f", {trial.diverged} diverged") if trial.diverged else (mean,)


def _write_choice(tuning: Tuning, trial: Trial) -> str:
    if dict(trial.values) != dict(tuning.chosen):
        return NOTHING
    edges = ", ".join(short_names(tuning.at_edge))
    return f"chosen, {edges} at the edge of what was tried" if edges else "chosen"
