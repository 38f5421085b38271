"""The comparison in plain words: one sentence for each cell that is not the baseline."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import assert_never

from bnexp.analysis.metrics import is_accuracy
from bnexp.analysis.results import CellResult, Comparison, Difference, Verdict
from bnexp.analysis.stats.power import SIGNIFICANCE
from bnexp.reports.words.cell_names import shorten_cell_names
from bnexp.reports.words.formatting import (
    MetricFormat,
    find_interval,
    format_p,
    metric_format,
    write_p,
)
from bnexp.reports.words.phrases import NO_BREAK, CellName, Phrase
from bnexp.wording import count

Names = tuple[CellName, str]
"""The cell and the baseline, as the sentences call them."""

_LONGEST_NAME = 20
"""Characters beyond which the baseline is not named in every sentence."""

_MOST_UNTESTED = 3
"""Cells beyond which it is said once that one seed is too little."""

_MOST_CONFOUNDS = 6
"""Keys that a sentence names, if two cells differ in more than the sweep varied."""

_POWER = f"80{NO_BREAK}% power"
_TOO_LITTLE = "too little for an interval or a test"


@dataclass(frozen=True)
class CellText:
    """What is said of one cell, in parts that each format joins in its own way."""

    claim: Phrase
    """A main clause without its full stop: `norm=batch is better than norm=none by 2 points`."""
    verdict: Verdict | None = None
    """The verdict that it tells; None if it tells none."""
    evidence: tuple[str, ...] = ()
    """Interval, p and seeds."""
    reservation: str = ""
    """The end of the clause, after the evidence: `, but they also differ in train.epochs`."""
    caveats: tuple[str, ...] = ()
    """Whole sentences: what these seeds could have shown, and how many runs diverged."""

    def join(self) -> str:
        """Returns the parts as running text, with the evidence in brackets."""
        evidence = f" ({', '.join(self.evidence)})" if self.evidence else ""
        clause = f"{''.join(self.claim)}{evidence}{self.reservation}."
        return " ".join((clause, *self.caveats))


@dataclass(frozen=True)
class _Speaker:
    """What every sentence of one comparison needs."""

    baseline: CellResult
    names: Mapping[str, str]
    write: MetricFormat
    margin: float | None

    def name(self, cell: CellResult) -> CellName:
        return CellName(self.names[cell.cell])

    @property
    def other(self) -> str:
        """What the baseline is called beside a cell."""
        name = self.name(self.baseline)
        return name if len(name) <= _LONGEST_NAME else "the baseline"


def describe_cells(comparison: Comparison) -> tuple[CellText, ...]:
    """Returns what each cell's difference to the baseline says, with its evidence.

    Cells go by their short names. A lone cell is said to be one. If the baseline has no
    mean, that is said once, and of the others only what their divergence says. Many cells
    of one seed share a sentence.
    """
    speaker = _Speaker(
        comparison.baseline_cell,
        shorten_cell_names(comparison),
        metric_format(comparison),
        comparison.margin,
    )
    others = [cell for cell in comparison.cells if cell is not speaker.baseline]
    if not others:
        return (CellText(("There is only one cell, so there is nothing to compare",)),)
    if speaker.baseline.mean is None:
        divergences = (
            _divergence(cell, speaker, speaker.name(cell)) for cell in others if cell.divergence
        )
        return (
            _without_mean(speaker.baseline, speaker, " (the baseline)"),
            *(found for found in divergences if found),
        )
    single = [cell for cell in others if _is_single(cell)]
    if len(single) <= _MOST_UNTESTED:
        return tuple(_describe(cell, speaker) for cell in others)
    too_little = f"{len(single)} cells have no verdict: one seed is {_TOO_LITTLE}"
    return (
        *(_describe(cell, speaker) for cell in others if cell not in single),
        CellText((too_little,), "not tested"),
    )


def _is_single(cell: CellResult) -> bool:
    difference = cell.difference
    return difference is not None and difference.n == 1 and not cell.diverged


def _describe(cell: CellResult, speaker: _Speaker) -> CellText:
    if cell.difference is None:
        text = _without_mean(cell, speaker)
    else:
        text = _with_difference(cell, cell.difference, speaker)
    divergence = _divergence(cell, speaker)
    return text if divergence is None else replace(text, caveats=(*text.caveats, divergence.join()))


def _without_mean(cell: CellResult, speaker: _Speaker, role: str = "") -> CellText:
    lacks = "finished run" if not cell.statuses.get("finished") else "run with this figure"
    why = f"{role} has no {lacks}, so there is nothing to compare"
    return CellText((speaker.name(cell), why))


def _divergence(
    cell: CellResult, speaker: _Speaker, subject: CellName | None = None
) -> CellText | None:
    """Returns how often the runs diverged, beside the baseline's if the two differ.

    `subject` is the cell's name if the sentence stands alone. None if there is nothing to say.
    """
    pair = cell.divergence
    whose: Phrase = ("its ",) if subject is None else (subject, "'s ")
    if pair is None or pair.diverged * pair.baseline_n == pair.baseline_diverged * pair.n:
        runs = f"{count(cell.runs, 'run')} diverged"
        return CellText((f"{cell.diverged} of ", *whose, runs)) if cell.diverged else None
    against = f"against {pair.baseline_diverged} of {pair.baseline_n}"
    evidence = ("Fisher's exact test", write_p(pair.p_holm))
    if pair.p_holm > SIGNIFICANCE:
        runs = f"{count(pair.n, 'run')} diverged, {against} of "
        claim = (f"{pair.diverged} of ", *whose, runs, speaker.other, "; that may be chance")
        return CellText(claim, evidence=evidence)
    often = "more" if pair.diverged * pair.baseline_n > pair.baseline_diverged * pair.n else "less"
    runs = f": {pair.diverged} of {count(pair.n, 'run')} {against}"
    claim = (subject or "It", f" diverged {often} often than ", speaker.other, runs)
    return CellText(claim, evidence=evidence)


def _with_difference(cell: CellResult, difference: Difference, speaker: _Speaker) -> CellText:
    names = speaker.name(cell), speaker.other
    both: Phrase = (names[0], " and ", names[1])
    write, verdict = speaker.write, difference.verdict
    seeds = _seeds(cell, difference, speaker.baseline)
    signed = write.difference(difference.mean, signed=True)
    evidence = _evidence(difference, seeds, write)
    match verdict:
        case "better" | "worse" | "higher" | "lower":
            return CellText(_clear(names, difference, write), verdict, evidence)
        case "equivalent":
            within = f" within {write.margin(speaker.margin)}" if speaker.margin else ""
            return CellText((*both, f" are equivalent{within}: {signed}"), verdict, evidence)
        case "no clear difference":
            claim, caveats = (
                f" show no clear difference: {signed}",
                _sensitivity(difference, speaker),
            )
            return CellText((*both, claim), verdict, evidence, caveats=caveats)
        case "identical":
            return CellText((*both, f" are identical in {seeds}"), verdict)
        case "confounded":
            but = f", but {_obstacle(difference)}: no causal verdict"
            return CellText(_position(names, difference, write), verdict, evidence, but)
        case "not tested":
            why = f": {_why_untested(difference)}"
            return CellText(_position(names, difference, write), verdict, (seeds,), why)
        case _:
            assert_never(verdict)


def _obstacle(difference: Difference) -> str:
    if difference.confounds:
        named, others = (
            difference.confounds[:_MOST_CONFOUNDS],
            difference.confounds[_MOST_CONFOUNDS:],
        )
        more = f" and {count(len(others), 'more key')}" if others else ""
        return f"they also differ in {', '.join(named)}{more}"
    return f"what {count(difference.unchecked, 'run')} ran on cannot be checked"


def _sensitivity(difference: Difference, speaker: _Speaker) -> tuple[str, ...]:
    """Returns what these seeds could have shown, and how many would show the margin."""
    detectable, write = difference.smallest_detectable, speaker.write
    if not detectable:
        return ()
    seeds = f"{difference.n} paired seeds" if difference.is_paired else "this many runs"
    size = write.difference(detectable)
    text = f"With this spread, {seeds} would detect a difference of {size} or more"
    if speaker.margin is None or speaker.margin >= detectable or difference.seeds_needed is None:
        return (f"{text} ({_POWER}).",)
    needed = count(difference.seeds_needed, "seed")
    margin = write.margin(speaker.margin)
    return (f"{text}, and {needed} per cell one of {margin} ({_POWER}).",)


def _clear(names: Names, difference: Difference, write: MetricFormat) -> Phrase:
    size = write.difference(abs(difference.mean))
    side = "higher" if difference.mean > 0 else "lower"
    start = (names[0], f" is {difference.verdict} than ", names[1])
    if is_accuracy(write.metric):
        return (*start, f" by {size}")
    if difference.verdict in ("higher", "lower"):
        return (*start, f" in {write.metric} by {size}")
    return (*start, f": {write.metric} is {side} by {size}")


def _position(names: Names, difference: Difference, write: MetricFormat) -> Phrase:
    if difference.mean == 0:
        return names[0], " equals ", names[1]
    side = "above" if difference.mean > 0 else "below"
    return names[0], f" is {write.difference(abs(difference.mean))} {side} ", names[1]


def _evidence(difference: Difference, seeds: str, write: MetricFormat) -> tuple[str, ...]:
    """Returns interval, p and n; the interval counts in the direction that the sentence names."""
    parts = [seeds]
    if difference.verdict == "equivalent" and difference.p_equivalence is not None:
        parts.insert(0, f"{write_p(difference.p_equivalence)} for lying within the margin")
    elif difference.p_holm is not None:
        parts.insert(0, _adjusted_p(difference.p_holm, difference.p))
    ends = find_interval(difference)
    if ends is not None:
        is_signed = difference.verdict in ("equivalent", "no clear difference")
        low, high = ends if is_signed or ends[1] >= 0 else (-ends[1], -ends[0])
        parts.insert(0, write.interval(low, high))
    return tuple(parts)


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
        return "the difference is the same in every seed, so there is no spread to test it against"
    return _TOO_LITTLE
