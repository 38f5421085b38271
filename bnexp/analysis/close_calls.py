"""Where tuning chose values apart that served both sides of a comparison equally well."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from math import sqrt

from bnexp.analysis.cells import Cell
from bnexp.analysis.differences.tuning import read_tuning
from bnexp.analysis.metrics import SUMMARY_METRICS, count_images
from bnexp.analysis.results import Caveat, Trial, Tuning
from bnexp.wording import count, write_value

_MOST_NAMED = 4
_CLEAR = 2
"""How many standard errors of a difference between two accuracies are more than chance."""


def find_close_calls(pairs: Iterable[tuple[Cell, Cell]], metric: str) -> Iterator[Caveat]:
    """Yields which tuned values of compared cells chance may have chosen.

    Two cells may have been tuned to different values although the value of one was nearly as good
    for the other. Then a difference between the cells may be one between the values, unless it is
    of time or memory, which a tuned value hardly changes.
    """
    if metric in SUMMARY_METRICS:
        return
    found = dict.fromkeys(
        line for pair in pairs for both in (pair, pair[::-1]) for line in _find_in(*both)
    )
    if found:
        lines = [*found][:_MOST_NAMED]
        lines += [f"and for {len(found) - len(lines)} more"] * (len(found) > len(lines))
        yield Caveat(
            "close call",
            "tuning chose other values for the two sides, perhaps by chance",
            tuple(lines),
            "part of the difference may be that of the values; tune with more seeds",
        )


def _find_in(cell: Cell, other: Cell) -> Iterator[str]:
    """Yields the cell if the value of the other was as good for it, as far as is known."""
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
        tried, there, here = tuning.place or cell.label, _write_values(rival), _write_values(own)
        yield (
            f"for {tried}, {there} gave {_percent(rival)} and {here} {_percent(own)} of "
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
