"""The comparison in plain words: one sentence for each cell that is not the baseline."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import assert_never

from bnexp.analysis.claims.verdicts import SIGNIFICANCE
from bnexp.analysis.metrics import is_accuracy
from bnexp.analysis.results import CellResult, Comparison, Difference
from bnexp.reports.words.formatting import MetricFormat, format_p, metric_format, write_p
from bnexp.reports.words.labels import cell_labels
from bnexp.wording import count

Names = tuple[str, str]
"""The cell and the baseline, as the sentences call them."""

_LONGEST_NAME = 20
"""Characters beyond which the baseline is not named in every sentence."""

_MOST_UNTESTED = 3
"""Cells beyond which it is said once that one seed is too little."""


@dataclass(frozen=True)
class _Speaker:
    """What every sentence of one comparison needs."""

    baseline: CellResult
    labels: Mapping[str, str]
    write: MetricFormat
    margin: float | None

    def name(self, cell: CellResult) -> str:
        return self.labels[cell.cell]

    @property
    def other(self) -> str:
        """What the baseline is called beside a cell."""
        name = self.name(self.baseline)
        return name if len(name) <= _LONGEST_NAME else "the baseline"


def describe_cells(comparison: Comparison) -> tuple[str, ...]:
    """Returns what each cell's difference to the baseline says, with its evidence.

    Cells are called by `cell_labels`. A lone cell is said to be one. Where the baseline has
    no mean, that is said once, and of the others only what their divergence says. Many cells
    of one seed are told of in one sentence.
    """
    speaker = _Speaker(
        comparison.baseline_cell,
        cell_labels(comparison),
        metric_format(comparison),
        comparison.margin,
    )
    others = [cell for cell in comparison.cells if cell is not speaker.baseline]
    if not others:
        return ("There is one cell only: nothing to compare here.",)
    if speaker.baseline.mean is None:
        return (
            _without_mean(speaker.baseline, speaker, " (the baseline)"),
            *(_diverged(cell, speaker, speaker.name(cell)) for cell in others if cell.divergence),
        )
    single = [cell for cell in others if _is_single(cell)]
    if len(single) <= _MOST_UNTESTED:
        return tuple(_describe(cell, speaker) for cell in others)
    return (
        *(_describe(cell, speaker) for cell in others if cell not in single),
        f"{len(single)} cells have no verdict: one seed is too little for an interval or a test.",
    )


def _is_single(cell: CellResult) -> bool:
    difference = cell.difference
    return difference is not None and difference.n == 1 and not cell.diverged


def _describe(cell: CellResult, speaker: _Speaker) -> str:
    if cell.difference is None:
        sentence = _without_mean(cell, speaker)
    else:
        sentence = _with_difference(cell, cell.difference, speaker)
    return " ".join(filter(None, (sentence, _diverged(cell, speaker))))


def _without_mean(cell: CellResult, speaker: _Speaker, role: str = "") -> str:
    return f"{speaker.name(cell)}{role} has no finished run, so there is nothing to compare."


def _diverged(cell: CellResult, speaker: _Speaker, subject: str | None = None) -> str:
    """Returns how often the runs diverged, beside the baseline's where the two differ.

    `subject` is the cell's name where the sentence stands alone.
    """
    pair = cell.divergence
    whose = "its" if subject is None else f"{subject}'s"
    if pair is None or pair.diverged * pair.baseline_n == pair.baseline_diverged * pair.n:
        own = f"{cell.diverged} of {whose} {count(cell.runs, 'run')} diverged."
        return own if cell.diverged else ""
    other = f"against {pair.baseline_diverged} of {pair.baseline_n}"
    evidence = f"(Fisher's exact test, {write_p(pair.p_holm)})"
    if pair.p_holm > SIGNIFICANCE:
        own = f"{pair.diverged} of {whose} {count(pair.n, 'run')} diverged"
        return f"{own}, {other} of {speaker.other}; that may be chance {evidence}."
    often = "more" if pair.diverged * pair.baseline_n > pair.baseline_diverged * pair.n else "less"
    runs = f"{pair.diverged} of {count(pair.n, 'run')} {other}"
    return f"{subject or 'It'} diverged {often} often than {speaker.other}: {runs} {evidence}."


def _with_difference(cell: CellResult, difference: Difference, speaker: _Speaker) -> str:
    names = speaker.name(cell), speaker.other
    write = speaker.write
    seeds = _seeds(cell, difference, speaker.baseline)
    signed = write.difference(difference.mean, signed=True)
    match difference.verdict:
        case "better" | "worse" | "higher" | "lower":
            evidence = _evidence(difference, seeds, write, in_size=True)
            return f"{_clear(names, difference, write)} {evidence}."
        case "equivalent":
            evidence = _evidence(difference, seeds, write)
            return f"{_equivalent(names, speaker)}: {signed} {evidence}."
        case "no clear difference":
            evidence = _evidence(difference, seeds, write)
            found = f"{names[0]} and {names[1]} show no clear difference: {signed} {evidence}."
            return f"{found}{_sensitivity(difference, speaker)}"
        case "identical":
            return f"{names[0]} and {names[1]} are identical in {seeds}."
        case "confounded":
            evidence = _evidence(difference, seeds, write, in_size=not _holds_zero(difference))
            return (
                f"{_position(names, difference, write)} {evidence}, but {_obstacle(difference)}: "
                "no causal verdict."
            )
        case "not tested":
            return f"{_position(names, difference, write)} ({seeds}): {_why_untested(difference)}."
        case _:
            assert_never(difference.verdict)


def _obstacle(difference: Difference) -> str:
    if difference.confounds:
        return f"they also differ in {', '.join(difference.confounds)}"
    return f"what {count(difference.unchecked, 'run')} ran on cannot be checked"


def _equivalent(names: Names, speaker: _Speaker) -> str:
    equal = f"{names[0]} and {names[1]} are equivalent"
    if speaker.margin is None:
        return equal
    return f"{equal} within {speaker.write.margin(speaker.margin)}"


def _sensitivity(difference: Difference, speaker: _Speaker) -> str:
    """Returns what these seeds could have shown, and how many would show the margin."""
    detectable, write = difference.smallest_detectable, speaker.write
    if not detectable:
        return ""
    seeds = f"{difference.n} paired seeds" if difference.is_paired else "so many runs"
    text = f" With this spread, {seeds} find a difference from {write.difference(detectable)} on"
    if speaker.margin is None or speaker.margin >= detectable or difference.seeds_needed is None:
        return f"{text} (80 % power)."
    needed = count(difference.seeds_needed, "seed")
    margin = write.margin(speaker.margin)
    return f"{text}, and {needed} a cell would find {margin} (80 % power)."


def _clear(names: Names, difference: Difference, write: MetricFormat) -> str:
    size = write.difference(abs(difference.mean))
    side = "higher" if difference.mean > 0 else "lower"
    if is_accuracy(write.metric):
        return f"{names[0]} is {difference.verdict} than {names[1]} by {size}"
    if difference.verdict in ("higher", "lower"):
        return f"{names[0]} is {side} than {names[1]} in {write.metric} by {size}"
    return f"{names[0]} is {difference.verdict} than {names[1]}: {write.metric} is {side} by {size}"


def _holds_zero(difference: Difference) -> bool:
    low, high = difference.ci_low, difference.ci_high
    return low is not None and high is not None and low <= 0 <= high


def _position(names: Names, difference: Difference, write: MetricFormat) -> str:
    if difference.mean == 0:
        return f"{names[0]} equals {names[1]}"
    side = "above" if difference.mean > 0 else "below"
    return f"{names[0]} is {write.difference(abs(difference.mean))} {side} {names[1]}"


def _evidence(
    difference: Difference, seeds: str, write: MetricFormat, in_size: bool = False
) -> str:
    """Returns interval, p and n; `in_size` counts the interval in the mean's direction."""
    parts = [seeds]
    if difference.verdict == "equivalent" and difference.p_equivalence is not None:
        parts.insert(0, f"{write_p(difference.p_equivalence)} for lying within the margin")
    elif difference.p_holm is not None:
        parts.insert(0, _adjusted_p(difference.p_holm, difference.p))
    if difference.ci_low is not None and difference.ci_high is not None:
        bounds = (difference.ci_low, difference.ci_high)
        if in_size and difference.mean < 0:
            bounds = (-difference.ci_high, -difference.ci_low)
        low, high = (write.number(bound) for bound in bounds)
        parts.insert(0, f"95 % interval {low} to {high}")
    return f"({', '.join(parts)})"


def _adjusted_p(p_holm: float, p: float | None) -> str:
    """Returns the adjusted p, with the other one where the adjustment decides the verdict."""
    if p is None or not p <= SIGNIFICANCE < p_holm:
        return write_p(p_holm)
    return f"{write_p(p_holm)} after Holm, {format_p(p)} before"


def _seeds(cell: CellResult, difference: Difference, baseline: CellResult) -> str:
    if difference.is_paired:
        return count(difference.n, "paired seed")
    return f"{cell.n} against {count(baseline.n, 'seed')}, not paired"


def _why_untested(difference: Difference) -> str:
    if difference.is_paired and difference.n > 1:
        return "the same in every seed, so there is no spread to test it by"
    return "too little for an interval or a test"
