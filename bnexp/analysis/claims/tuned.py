"""What a verdict on tuned cells rests on: the values that tuning chose, and how clearly."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bnexp.analysis.claims.sides import Sides
from bnexp.analysis.close_calls import find_close_calls
from bnexp.analysis.differences.tuning import read_tuning
from bnexp.analysis.results import Caveat
from bnexp.wording import write_value


def find_tuned(cases: Sequence[Sides], metric: str) -> Iterator[Caveat]:
    """Yields the tuned values that a verdict holds for, and which of them chance chose perhaps."""
    labels: dict[str, dict[str, None]] = {}
    for cell in (cell for sides in cases for cells in sides.values() for cell in cells):
        if tuning := read_tuning(cell.runs[0]):
            where = f" (tuned in {tuning.place})" if tuning.shares else ""
            for key, value in tuning.chosen.items():
                labels.setdefault(f"{key} {write_value(value)}{where}", {})[cell.label] = None
    if labels:
        chosen = (f"{value} for {', '.join(found)}" for value, found in labels.items())
        yield Caveat("tuned", "this holds for the values that tuning chose", tuple(chosen))
    pairs = (
        pair
        for sides in cases
        for pair in zip(sides.get("treatment", ()), sides.get("control", ()), strict=False)
    )
    yield from find_close_calls(pairs, metric)
