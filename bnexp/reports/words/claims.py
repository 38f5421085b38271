"""What is said of a claim: the verdict, the evidence, and what a reader must know beside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import isclose

from bnexp.analysis.metrics import is_accuracy
from bnexp.analysis.results import ClaimResult, ClaimSide, ClaimVerdict
from bnexp.config.sweep.cells import short_names
from bnexp.reports.words.formatting import MetricFormat, write_p
from bnexp.reports.words.phrases import NO_BREAK
from bnexp.wording import count, write_value

_MOST_DECIMALS = 6

_HEADINGS: Mapping[ClaimVerdict, str] = {
    "supported": "Supported",
    "contradicted": "Contradicted",
    "equivalent": "Equivalent, so not borne out",
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


def describe_claim(claim: ClaimResult) -> ClaimText:
    """Returns the claim's verdict with its evidence."""
    source = f"Source: {claim.source.removesuffix('.')}."
    notes = (_prediction(claim), _openness(claim), _company(claim), *claim.remarks, source)
    return ClaimText(
        heading=_HEADINGS[claim.verdict],
        statement=claim.statement,
        evidence=_evidence(claim),
        notes=tuple(note for note in notes if note),
    )


def claim_format(claim: ClaimResult) -> MetricFormat:
    """Returns how values of the claim's measure are written, the margin exactly enough."""
    metric = "axis" if claim.reduction == "largest_stable" else claim.metric
    if metric == "diverged":
        metric = "accuracy"  # a share, shown in percent
    margin = claim.margin * (100 if is_accuracy(metric) else 1)
    decimals = next(
        (
            decimals
            for decimals in range(1, _MOST_DECIMALS)
            if isclose(round(margin, decimals), margin, rel_tol=0.02)
        ),
        _MOST_DECIMALS,
    )
    return MetricFormat(metric, decimals)


def _base(claim: ClaimResult) -> int | None:
    """Returns the base where values are logarithms of places on an axis."""
    is_place = claim.reduction == "largest_stable"
    return {"log2": 2, "log10": 10}.get(claim.scale) if is_place else None


def _write_size(claim: ClaimResult, difference: float) -> str:
    """Returns a difference in the measure's unit; between places on a log axis, a factor."""
    base = _base(claim)
    if base is None:
        return claim_format(claim).difference(difference)
    return f"a factor of {base**difference:.3g}"


def _prediction(claim: ClaimResult) -> str:
    margin = _write_size(claim, claim.margin)
    if claim.direction == "equal":
        return f"Predicted: {claim.measure} equal within {margin}."
    return f"Predicted: {claim.measure} {claim.direction}; {margin} is the least that matters."


def _evidence(claim: ClaimResult) -> str:
    if claim.mean is None:
        return ""
    write = claim_format(claim)
    treatment, control = (_side(claim, side) for side in (claim.treatment, claim.control))
    difference = write.difference(claim.mean, signed=True)
    parts = [f"difference {difference if _base(claim) is None else _write_size(claim, claim.mean)}"]
    if claim.ci_low is not None and claim.ci_high is not None:
        low, high = (write.number(bound) for bound in (claim.ci_low, claim.ci_high))
        parts.append(f"95{NO_BREAK}% interval {low} to {high}")
    if claim.p is not None:
        parts.append(f"{claim.test}, {write_p(claim.p)}")
    if claim.p_holm is not None and claim.direction == "equal":
        parts.append(f"test of lying beyond the margin: {write_p(claim.p_holm)}")
    elif claim.p_holm is not None and write_p(claim.p_holm) != write_p(claim.p or 0.0):
        parts.append(f"{write_p(claim.p_holm)} after Holm")
    if claim.p_equivalence is not None and claim.verdict != "contradicted":
        is_asked = claim.direction == "equal" or claim.verdict != "supported"
        if is_asked:
            parts.append(f"test of lying within the margin: {write_p(claim.p_equivalence)}")
    parts.append(count(claim.n, "paired seed") if claim.is_paired else f"{claim.n} runs, unpaired")
    measure = f"{claim.measure[0].upper()}{claim.measure[1:]}: " if claim.reduction else ""
    return f"{measure}{treatment} against {control}; {'; '.join(parts)}."


def _side(claim: ClaimResult, side: ClaimSide) -> str:
    names = zip(short_names(tuple(side.wanted)), side.wanted.values(), strict=True)
    wanted = ", ".join(f"{name}={write_value(value)}" for name, value in names)
    chosen = () if side.axis_value is None else (f"chosen at {side.axis_value:g}",)
    return f"{_mean(claim, side)} ({'; '.join((wanted, *chosen, *side.remarks))})"


def _mean(claim: ClaimResult, side: ClaimSide) -> str:
    if side.mean is None:
        return "no figure"
    base = _base(claim)
    # The mean of logarithms, turned back, is the geometric mean of the places.
    return claim_format(claim).value(side.mean) if base is None else f"{base**side.mean:.3g}"


def _openness(claim: ClaimResult) -> str:
    if claim.reason is None:
        return ""
    text = f"Open, because {claim.reason}."
    if claim.seeds_needed is not None:
        sought = "equality" if claim.direction == "equal" else "an effect of the margin"
        text += (
            f" With this spread, {count(claim.seeds_needed, 'seed')} a side would find {sought} "
            f"with 80{NO_BREAK}% power, in an experiment of their own."
        )
    return text


def _company(claim: ClaimResult) -> str:
    if not claim.also_differ:
        return ""
    return f"The two sides also differ in {', '.join(claim.also_differ)}, as the sweep planned it."
