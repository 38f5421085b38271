"""What is said of a claim: the verdict, the evidence, and what a reader must know beside it."""

from __future__ import annotations

from dataclasses import dataclass

from bnexp.analysis.metrics import is_accuracy
from bnexp.analysis.results import ClaimResult, ClaimSide
from bnexp.config.sweep import short_names
from bnexp.reports.formatting import MetricFormat, count, format_p, format_setting

_MOST_DECIMALS = 6


@dataclass(frozen=True)
class ClaimText:
    """A claim in plain words, ready to be laid out."""

    headline: str
    """`Supported: batch norm reaches a higher accuracy`."""
    evidence: str
    """The difference with its interval, tests and seeds; empty where there is no figure."""
    notes: tuple[str, ...]
    """The prediction, why it is open, the seeds that it would take, the source."""


def describe_claim(claim: ClaimResult) -> ClaimText:
    """Returns the claim's verdict with its evidence."""
    notes = (_prediction(claim), _openness(claim), _company(claim), f"Source: {claim.source}.")
    return ClaimText(
        headline=f"{claim.verdict.capitalize()}: {claim.statement}",
        evidence=_evidence(claim),
        notes=tuple(note for note in notes if note),
    )


def claim_format(claim: ClaimResult) -> MetricFormat:
    """Returns how values of the claim's measure are written."""
    is_on_axis = claim.reduction == "largest_stable"
    metric = "axis" if is_on_axis else claim.metric
    if metric == "diverged":
        metric = "accuracy"  # a share, shown in percent
    scale = 100 if is_accuracy(metric) else 1
    decimals = next(
        (
            decimals
            for decimals in range(1, _MOST_DECIMALS)
            if round(claim.margin * scale, decimals) >= 0.95 * claim.margin * scale
        ),
        _MOST_DECIMALS,
    )
    return MetricFormat(metric, decimals)


def _prediction(claim: ClaimResult) -> str:
    write = claim_format(claim)
    margin = write.difference(claim.margin)
    if claim.direction == "equal":
        return f"Predicted: {claim.measure} equal within {margin}."
    return f"Predicted: {claim.measure} {claim.direction}; {margin} is the least that matters."


def _evidence(claim: ClaimResult) -> str:
    if claim.mean is None:
        return ""
    write = claim_format(claim)
    treatment, control = (_side(side, write) for side in (claim.treatment, claim.control))
    parts = [f"difference {write.difference(claim.mean, signed=True)}"]
    if claim.ci_low is not None and claim.ci_high is not None:
        low, high = (write.number(bound) for bound in (claim.ci_low, claim.ci_high))
        parts.append(f"95 % interval {low} to {high}")
    if claim.p is not None:
        parts.append(f"{claim.test}, {_p(claim.p)}")
    if claim.p_holm is not None and claim.direction == "equal":
        parts.append(f"beyond the margin: {_p(claim.p_holm)}")
    elif claim.p_holm is not None and _p(claim.p_holm) != _p(claim.p or 0.0):
        parts.append(f"{_p(claim.p_holm)} after Holm")
    if claim.p_equivalence is not None:
        parts.append(f"within the margin: {_p(claim.p_equivalence)}")
    parts.append(count(claim.n, "paired seed") if claim.is_paired else f"{claim.n} runs, unpaired")
    return f"{treatment} against {control}: {'; '.join(parts)}."


def _side(side: ClaimSide, write: MetricFormat) -> str:
    shown = "no figure" if side.mean is None else write.value(side.mean)
    names = zip(short_names(tuple(side.wanted)), side.wanted.values(), strict=True)
    wanted = ", ".join(f"{name}={format_setting(value)}" for name, value in names)
    chosen = "" if side.axis_value is None else f", chosen at {side.axis_value:g}"
    return f"{shown} ({wanted}{chosen})"


def _openness(claim: ClaimResult) -> str:
    if claim.reason is None:
        return ""
    text = f"Open, because {claim.reason}."
    if claim.seeds_needed is not None:
        sought = "equality" if claim.direction == "equal" else "an effect of the margin"
        text += (
            f" With this spread, {count(claim.seeds_needed, 'seed')} a side would find {sought} "
            "with 80 % power."
        )
    return text


def _company(claim: ClaimResult) -> str:
    if not claim.also_differ:
        return ""
    return f"The two sides also differ in {', '.join(claim.also_differ)}, as the sweep planned it."


def _p(p: float) -> str:
    shown = format_p(p)
    return f"p {shown}" if shown.startswith("<") else f"p = {shown}"
