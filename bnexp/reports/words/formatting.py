"""How numbers, p-values, settings and key names are written for people."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import ceil, floor, log10

from bnexp.analysis.metrics import better_direction, is_accuracy
from bnexp.analysis.results import CellResult, ClaimTest, Comparison, Difference
from bnexp.analysis.stats.intervals import DifferenceEstimate
from bnexp.reports.words.phrases import CONFIDENCE, NO_BREAK, Figure, Phrase, plain
from bnexp.runs.measured.diagnostic_tags import is_diagnostic

NOTHING = "–"
"""Stands for a figure that does not exist."""

_LEAST_P = 0.001

_UNITS = {
    "steps_to_target": "steps",
    "epochs_to_target": "epochs",
    "images_per_second": "images/s",
    "elapsed_seconds": "s",
}
"""Of metrics whose values are shown as they are stored."""

_MANY = 10_000
"""From here on, numbers have no decimals, and commas between thousands."""


@dataclass(frozen=True)
class MetricFormat:
    """Writes values of one metric: accuracies in percent, their differences in points."""

    metric: str
    decimals: int
    exponent: int = 0
    """The power of ten that values are shown in, of a diagnostic that is tiny or huge."""

    @property
    def scale(self) -> float:
        """The factor from the stored to the shown value."""
        if self.is_bytes:
            return 2**-20
        return 100 if is_accuracy(self.metric) else 10.0**-self.exponent

    @property
    def is_bytes(self) -> bool:
        """Whether the values are bytes, which are shown in MiB."""
        return self.metric.endswith("bytes")

    @property
    def unit(self) -> str:
        """The unit of a value: `%`, `MiB`, `steps`, `×1e-6` or nothing."""
        return "%" if is_accuracy(self.metric) else self._own_unit

    @property
    def difference_unit(self) -> str:
        """The unit of a difference: `points`, `MiB`, `steps`, `×1e-6` or nothing."""
        return "points" if is_accuracy(self.metric) else self._own_unit

    @property
    def _own_unit(self) -> str:
        if self.exponent:
            return f"×1e{self.exponent}"
        return "MiB" if self.is_bytes else _UNITS.get(self.metric, "")

    def number(self, value: float, signed: bool = False) -> str:
        """Returns the bare number, with a leading + if it is signed and positive."""
        decimals = 0 if abs(value * self.scale) >= _MANY else self.decimals
        rounded = round(value * self.scale, decimals) + 0.0
        return f"{rounded:{'+' if signed and rounded else ''},.{decimals}f}"

    def value(self, value: float) -> str:
        """Returns the number with its unit."""
        return f"{self.number(value)}{NO_BREAK}{self.unit}" if self.unit else self.number(value)

    def difference(self, value: float, signed: bool = False) -> str:
        """Returns a difference with its unit."""
        return f"{self.number(value, signed)} {self.difference_unit}".rstrip()

    def interval(self, low: float, high: float) -> str:
        """Returns `95 % interval 13.7 to 17.1`."""
        return f"{CONFIDENCE} interval {self.number(low)} to {self.number(high)}"

    def margin(self, value: float) -> str:
        """Returns a margin with its unit and all of its figures: `1 point`, `0.5 points`."""
        shown = f"{value * self.scale:.6g}"
        unit = self.difference_unit.removesuffix("s") if shown == "1" else self.difference_unit
        return f"{shown} {unit}".rstrip()


def write_factor(factor: float) -> str:
    """Returns it with three figures, near 1 with as many as show on which side of 1 it is."""
    return f"{factor:.3f}" if 0.9 < factor < 1.1 else f"{factor:.3g}"


def with_unit(name: str, unit: str) -> str:
    """Returns the name of an axis with the unit, if there is one, in brackets."""
    return f"{name} ({unit})" if unit else name


def metric_format(comparison: Comparison) -> MetricFormat:
    """Returns a format with enough decimals to show the comparison's smallest interval."""
    exponent = find_exponent(comparison.metric, [cell.mean or 0.0 for cell in comparison.cells])
    scale = MetricFormat(comparison.metric, 0, exponent).scale
    means = [
        abs(cell.mean) * (1 if scale == 100 else scale) for cell in comparison.cells if cell.mean
    ]
    decimals = 1 if scale == 100 else min(6, max(0, 3 - floor(log10(max(means, default=1)))))
    parts = (part for cell in comparison.cells for part in (cell, cell.difference))
    ends = filter(None, map(find_interval, parts))
    halves = [(high - low) / 2 * scale for low, high in ends if high > low]
    needed = ceil(-log10(min(halves))) if halves else 0
    return MetricFormat(comparison.metric, max(decimals, min(needed, decimals + 1)), exponent)


def find_exponent(metric: str, values: Iterable[float]) -> int:
    """Returns the power of ten in which values of a diagnostic are short: a multiple of three.

    0 for what is neither tiny nor huge, and for all other metrics.
    """
    largest = max(map(abs, values), default=0.0)
    if not is_diagnostic(metric) or largest == 0 or 1e-3 <= largest < 1e6:
        return 0
    return 3 * floor(log10(largest) / 3)


def find_interval(
    part: CellResult | DifferenceEstimate | ClaimTest | None,
) -> tuple[float, float] | None:
    """Returns the ends of the part's interval, or None if it has none."""
    if part is None or part.ci_low is None or part.ci_high is None:
        return None
    return part.ci_low, part.ci_high


def find_best(comparison: Comparison) -> frozenset[int]:
    """Returns the rows with the best mean; empty if nobody can say which is best."""
    direction = better_direction(comparison.metric)
    means = {row: cell.mean for row, cell in enumerate(comparison.cells) if cell.mean is not None}
    if direction == 0 or len(means) < 2:
        return frozenset()
    best = max(means.values()) if direction > 0 else min(means.values())
    return frozenset(row for row, mean in means.items() if mean == best)


def write_difference(difference: Difference | None, write: MetricFormat) -> Phrase:
    """Returns `+15.4 [13.7, 17.1]`, without brackets if there is no interval."""
    if difference is None:
        return (NOTHING,)
    centre = Figure(write.number(difference.mean, signed=True))
    ends = [Figure(write.number(end)) for end in find_interval(difference) or ()]
    return (centre, " [", ends[0], ", ", ends[1], "]") if ends else (centre,)


def format_difference(difference: Difference | None, write: MetricFormat) -> str:
    """Returns `+15.4 [13.7, 17.1]` as one text."""
    return plain(write_difference(difference, write))


def write_p(p: float) -> str:
    """Returns `p = 0.012` or `p < 0.001`, in which no line is broken."""
    return NO_BREAK.join(("p", "<" if p < _LEAST_P else "=", _p_digits(p)))


def p_phrase(p: float | None) -> Phrase:
    """Returns a p-value for a table: `0.012` or `< 0.001`."""
    if p is None:
        return (NOTHING,)
    return ("< ", Figure(_p_digits(p))) if p < _LEAST_P else (Figure(_p_digits(p)),)


def format_p(p: float) -> str:
    """Returns a p-value with three decimals, four beside 0.05, `< 0.001` below that."""
    return plain(p_phrase(p))


def _p_digits(p: float) -> str:
    if p < _LEAST_P:
        return f"{_LEAST_P}"
    if p > 0.9995:
        return "1"
    return f"{p:.4f}" if 0.0495 <= p < 0.0505 else f"{p:.3f}"
