"""What the page's tables hold: results, what each cell costs, and its accuracy of each class."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import NamedTuple

from bnexp.analysis.results import CellResult, Comparison
from bnexp.reports.figures.answers.classes import Answered, choose_classes
from bnexp.reports.table import Column, Kind
from bnexp.reports.words.formatting import NOTHING
from bnexp.reports.words.phrases import Figure
from bnexp.wording import format_bytes, format_duration, format_percent, format_speed

_FIGURE_SPACE = "\u2007"
"""A blank as wide as a digit."""


class Amount(NamedTuple):
    """A cost of one cell, in words, beside the baseline's and the largest of all cells."""

    text: str
    ratio: float | None
    share: float


@dataclass(frozen=True)
class Cost:
    """A column of the table of costs, its amounts in the order of the cells."""

    header: tuple[str]
    amounts: tuple[Amount | None, ...]
    kind: str = "cost"
    is_text: bool = False


_SPEEDS = ("time per run", "images/s")
"""The costs that other work on the machine changes."""

_COSTS: dict[str, tuple[Callable[[CellResult], float | None], Callable[[float], str]]] = {
    "time per run": (lambda cell: cell.elapsed_seconds, format_duration),
    "images/s": (lambda cell: cell.images_per_second, format_speed),
    "training memory": (lambda cell: cell.training_memory_bytes, format_bytes),
    "parameters": (lambda cell: cell.parameters, lambda size: f"{size:,.0f}"),
}
"""How each kind of cost is read from a cell and written."""


def build_costs(comparison: Comparison) -> list[Cost]:
    """Returns the columns of the costs that are known of any cell."""
    costs = []
    for header, (read, write) in _COSTS.items():
        values = [read(cell) for cell in comparison.cells]
        most = max(value or 0.0 for value in values)
        reference = read(comparison.baseline_cell)
        amounts: list[Amount | None] = []
        for cell, value in zip(comparison.cells, values, strict=True):
            misleads = header in _SPEEDS and cell.speed_obstacle is not None
            ratio = value / reference if value and reference and not misleads else None
            amounts.append(
                None if value is None else Amount(write(value), ratio, value / (most or 1))
            )
        if most:
            costs.append(Cost((header,), tuple(amounts)))
    return costs


def build_class_table(answered: Sequence[Answered]) -> tuple[Column, ...]:
    """Returns a row per class with its accuracy in each cell, and a last one with their mean."""
    chosen, first = choose_classes(answered), answered[0].predictions.confusion
    names = [first.class_names[place] for place in chosen]
    pictures = [f"{first.classes[place].count:,}" for place in chosen]
    columns = [
        _column(("class",), [*names, "mean of all classes"], "name"),
        _column(("pictures",), [*pictures, f"{first.count:,}"], "number"),
    ]
    for cell in answered:
        scores = [cell.predictions.confusion.classes[place].accuracy for place in chosen]
        texts = [NOTHING if score is None else format_percent(score) for score in scores]
        mean = format_percent(cell.predictions.confusion.balanced_accuracy)
        columns.append(_column((cell.label, f"seed {cell.seed}"), [*texts, mean], "number"))
    return tuple(columns)


def _column(header: tuple[str, ...], texts: Sequence[str], kind: Kind) -> Column:
    return Column(header, tuple(((text,),) for text in texts), kind)


def align(column: Column) -> list[list[tuple[str, str]]]:
    """Returns each row's pieces, each with the blanks that go before it.

    The k-th figures of all rows become equally long. As the figures of a column have equally
    many decimals, and a figure space is as wide as a digit, their decimal points then stand
    below each other.
    """
    rows: Sequence[tuple[str, ...]] = [phrase for (phrase,) in column.rows]
    figures = [[piece for piece in phrase if isinstance(piece, Figure)] for phrase in rows]
    widths = [max(map(len, place)) for place in zip_longest(*figures, fillvalue="")]
    aligned = []
    for phrase in rows:
        left = iter(widths)
        blanks = (
            _FIGURE_SPACE * (next(left) - len(piece)) if isinstance(piece, Figure) else ""
            for piece in phrase
        )
        aligned.append(list(zip(blanks, phrase, strict=True)))
    return aligned
