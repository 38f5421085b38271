"""What is said of a claim: the verdict, the evidence, and what a reader must know besides."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import isclose
from typing import TYPE_CHECKING

from bnexp.analysis.metrics import is_accuracy
from bnexp.analysis.results import ClaimResult, ClaimSide, ClaimVerdict
from bnexp.config.sweep.names import short_names
from bnexp.reports.words.formatting import MetricFormat, find_interval, write_p
from bnexp.reports.words.phrases import NO_BREAK
from bnexp.wording import count, write_value

if TYPE_CHECKING:
    from bnexp.config.claim.config import ClaimConfig

_MOST_DECIMALS = 6

_HEADINGS: Mapping[ClaimVerdict, str] = {
    "supported": "Supported",
    "contradicted": "Contradicted",
    "equivalent": "Equivalent, so not supported",
    "inconclusive": "Inconclusive",
}


@dataclass(frozen=True)
class ClaimText:
    """What is said of a claim, in parts that each format joins in its own way."""

    heading: str
    """The verdict in words: `Supported`."""
    statement: str
    """The claim as its author put it."""
    evidence: str
    """The difference with its interval, tests and seeds; empty if there is no figure."""
    notes: tuple[str, ...]
    """The prediction, why it is open, the seeds that it would take, the source."""

    @property
    def paragraphs(self) -> tuple[str, ...]:
        """The evidence, if there is any, and the notes."""
        return (*filter(None, (self.evidence,)), *self.notes)


def describe_claim(result: ClaimResult) -> ClaimText:
    """Returns the claim's verdict with its evidence."""
    return ClaimText(
        heading=_HEADINGS[result.verdict],
        statement=result.claim.statement,
        evidence=_evidence(result),
        notes=tuple(_notes(result)),
    )


def describe_measure(claim: ClaimConfig) -> str:
    """Returns what the claim compares, such as `largest stable optim.learning_rate`."""
    reduction = claim.reduction
    if reduction is None:
        shown = "share of diverged runs" if claim.metric == "diverged" else claim.metric
        return shown if claim.target is None else f"{shown} of {claim.target:g}"
    unit = "" if reduction.scale == "linear" else f"{reduction.scale} "
    match reduction.name:
        case "largest_stable":
            return f"largest stable {reduction.over}"
        case "best":
            return f"{claim.metric} at the {reduction.over} that is best by {reduction.select_by}"
        case "range":
            return f"range of {claim.metric} over {reduction.over}"
        case "slope":
            return f"slope of {claim.metric} over {unit}{reduction.over}"


def claim_format(claim: ClaimConfig) -> MetricFormat:
    """Returns how values of the claim's measure are written, the margin exactly enough."""
    metric = "axis" if _is_place(claim) else claim.metric
    if metric == "diverged":
        metric = "accuracy"  # a share, shown in percent
    margin = claim.margin * (100 if is_accuracy(metric) else 1)
    enough = (
        decimals
        for decimals in range(1, _MOST_DECIMALS)
        if isclose(round(margin, decimals), margin, rel_tol=0.02)
    )
    return MetricFormat(metric, next(enough, _MOST_DECIMALS))


def _is_place(claim: ClaimConfig) -> bool:
    """Returns whether the values are places on the reduction's axis."""
    return claim.reduction is not None and claim.reduction.name == "largest_stable"


def _base(claim: ClaimConfig) -> int | None:
    """Returns the base if values are logarithms of places on an axis."""
    if claim.reduction is None or not _is_place(claim):
        return None
    return {"log2": 2, "log10": 10}.get(claim.reduction.scale)


def _write_size(claim: ClaimConfig, difference: float) -> str:
    """Returns a difference in the measure's unit; between places on a log axis, a factor."""
    base = _base(claim)
    if base is None:
        return claim_format(claim).difference(difference)
    return f"a factor of {base**difference:.3g}"


def _evidence(result: ClaimResult) -> str:
    claim, test = result.claim, result.test
    if test is None:
        return ""
    write = claim_format(claim)
    treatment, control = (_side(claim, side) for side in (result.treatment, result.control))
    difference = write.difference(test.mean, signed=True)
    parts = [f"difference {difference if _base(claim) is None else _write_size(claim, test.mean)}"]
    ends = find_interval(test)
    if ends is not None:
        parts.append(write.interval(*ends))
    if test.p is not None:
        parts.append(f"{test.name}, {write_p(test.p)}")
    if result.p_holm is not None and claim.direction == "equal":
        parts.append(f"test of lying beyond the margin: {write_p(result.p_holm)}")
    elif result.p_holm is not None and write_p(result.p_holm) != write_p(test.p or 0.0):
        parts.append(f"{write_p(result.p_holm)} after Holm")
    if result.p_equivalence is not None and result.verdict != "contradicted":
        is_asked = claim.direction == "equal" or result.verdict != "supported"
        if is_asked:
            parts.append(f"test of lying within the margin: {write_p(result.p_equivalence)}")
    parts.append(count(test.n, "paired seed") if test.is_paired else f"{test.n} runs, unpaired")
    measure = describe_measure(claim)
    opening = f"{measure[0].upper()}{measure[1:]}: " if claim.reduction else ""
    return f"{opening}{treatment} against {control}; {'; '.join(parts)}."


def _side(claim: ClaimConfig, side: ClaimSide) -> str:
    names = zip(short_names(tuple(side.wanted)), side.wanted.values(), strict=True)
    wanted = ", ".join(f"{name}={write_value(value)}" for name, value in names)
    chosen = () if side.axis_value is None else (f"chosen at {side.axis_value:g}",)
    return f"{_mean(claim, side)} ({'; '.join((wanted, *chosen, *side.remarks))})"


def _mean(claim: ClaimConfig, side: ClaimSide) -> str:
    if side.mean is None:
        return "no figure"
    base = _base(claim)
    # The mean of logarithms, turned back, is the geometric mean of the places.
    return claim_format(claim).value(side.mean) if base is None else f"{base**side.mean:.3g}"


def _notes(result: ClaimResult) -> Iterator[str]:
    claim, measure = result.claim, describe_measure(result.claim)
    is_equal, margin = claim.direction == "equal", _write_size(claim, claim.margin)
    if is_equal:
        yield f"Predicted: {measure} equal within {margin}."
    else:
        yield f"Predicted: {measure} {claim.direction}; differences below {margin} don't matter."
    if result.obstacle is not None:
        sought = "equality" if is_equal else "an effect of the margin"
        needed = (
            f" With this spread, {count(result.seeds_needed, 'seed')} per side would detect "
            f"{sought} with 80{NO_BREAK}% power, in an experiment of their own."
            if result.seeds_needed is not None
            else ""
        )
        yield f"Still open because {result.obstacle.text}.{needed}"
    if result.also_differ:
        keys = ", ".join(result.also_differ)
        yield f"The two sides also differ in {keys}, as the sweep intended."
    for caveat in result.caveats:
        yield f"{caveat.text[0].upper()}{caveat.text[1:]}."
    yield f"Source: {claim.source.removesuffix('.')}."
