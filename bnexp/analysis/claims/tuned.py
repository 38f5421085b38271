"""What a verdict on tuned cells rests on: the values that tuning chose, and how clearly."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import sqrt

from bnexp.analysis.cells import Cell
from bnexp.analysis.claims.sides import Sides
from bnexp.analysis.differences.tuning import read_tuning
from bnexp.analysis.metrics import count_images
from bnexp.analysis.results import Caveat, Trial, Tuning
from bnexp.wording import count, write_value

_CLEAR = 2
"""How many standard errors of a difference between two accuracies are more than chance."""


def find_tuned(cases: Sequence[Sides]) -> Iterator[Caveat]:
    """Yields the tuned values that a verdict holds for, and which of them chance may have chosen.

    Two sides may have been tuned to different values although the value of one was nearly as good
    for the other. Then a difference between the sides may be one between the values.
    """
    chosen = dict.fromkeys(
        f"{key} {write_value(value)} for {cell.label}"
        for sides in cases
        for cells in sides.values()
        for cell in cells
        if (tuning := read_tuning(cell.runs[0]))
        for key, value in tuning.chosen.items()
    )
    if chosen:
        yield Caveat("tuned", "this holds for the values that tuning chose", tuple(chosen))
    if close := dict.fromkeys(line for sides in cases for line in _find_close_calls(sides)):
        yield Caveat(
            "close call",
            "tuning chose other values for the two sides, perhaps by chance",
            tuple(close),
            "part of the difference may be that of the values; tune with more seeds",
        )


def _find_close_calls(sides: Sides) -> Iterator[str]:
    """Yields each cell to which the value of the cell opposite was as good, as far as is known."""
    first, second = sides.get("treatment", ()), sides.get("control", ())
    for pair in zip(first, second, strict=False):
        for cell, other in (pair, pair[::-1]):
            tuning, opposite = read_tuning(cell.runs[0]), read_tuning(other.runs[0])
            if tuning and opposite and tuning.chosen != opposite.chosen:
                yield from _compare_trials(cell, tuning, opposite)


def _compare_trials(cell: Cell, tuning: Tuning, opposite: Tuning) -> Iterator[str]:
    images = count_images(cell.runs[0], "val")
    trials = [one for one in tuning.trials if one.mean is not None and not one.diverged]
    own = next((one for one in trials if one.values == tuning.chosen), None)
    rival = next((one for one in trials if one.values == opposite.chosen), None)
    if tuning.by != "val/accuracy" or images is None or own is None or rival is None:
        return
    if _is_close(own, rival, images):
        there, here = (_write_values(one) for one in (rival, own))
        yield (
            f"for {cell.label}, {there} gave {_percent(rival)} and {here} {_percent(own)} of "
            f"{images:,} validation images in {count(own.n, 'run')}"
        )


def _is_close(own: Trial, rival: Trial, images: int) -> bool:
    """Returns whether two accuracies differ by no more than the images' own chance explains.

    The variance of a share p of N images is p (1 - p) / N; that of a difference is taken as the
    sum, although both were measured on the same images.
    """
    shares = [(one.mean or 0.0, one.n * images) for one in (own, rival)]
    error = sqrt(sum(share * (1 - share) / number for share, number in shares))
    return abs(shares[0][0] - shares[1][0]) <= _CLEAR * error


def _write_values(trial: Trial) -> str:
    return ", ".join(f"{key} {write_value(value)}" for key, value in trial.values.items())


def _percent(trial: Trial) -> str:
    return f"{100 * (trial.mean or 0.0):.1f} %"
