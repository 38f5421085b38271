"""Chooses the figure of a claim by what it is about."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal

from bnexp.analysis.results import ClaimResult, Comparison
from bnexp.reports.figures.claims.axis import build_over_cases, build_reduced
from bnexp.reports.figures.claims.cells import Claimed
from bnexp.reports.figures.claims.gap import build_gap, is_gap
from bnexp.reports.figures.claims.rows import build_rows
from bnexp.reports.figures.claims.runs import build_runs
from bnexp.reports.figures.claims.steps import build_epochs, build_steps
from bnexp.reports.figures.claims.survival import build_survival
from bnexp.reports.figures.sheet import Chart
from bnexp.runs.measured.diagnostic_tags import is_diagnostic

Kind = Literal["survival", "axis", "gap", "steps", "epochs", "cases", "ratios", "effect", "runs"]
"""`survival`: runs that have not reached a target. `axis`: the metric over a swept number. `gap`:
training against test. `steps`: a diagnostic over the steps. `epochs`: two metrics over the epochs.
`cases`, `ratios` and `effect`: differences or ratios with their intervals. `runs`: what single runs
measured, if that cannot be tested yet."""


def build_claim_figure(comparison: Comparison, result: ClaimResult) -> Chart | None:
    """Returns the figure that shows a claim's evidence best, or None if no run has any.

    It shows the claim's cells alone, in the runs that the verdict rests on.
    """
    found = _find(comparison, result)
    return found and found[1]


def build_claim_figures(comparison: Comparison) -> dict[str, Chart]:
    """Returns the figure of each claim by a name such as `claim_1_axis`, in the claims' order."""
    found = (_find(comparison, result) for result in comparison.claims)
    return {f"claim_{place}_{one[0]}": one[1] for place, one in enumerate(found, start=1) if one}


def _find(comparison: Comparison, result: ClaimResult) -> tuple[Kind, Chart] | None:
    """Returns the first of the kinds that suit the claim, and that there is anything to draw of."""
    claimed = Claimed(comparison, result)
    for kind in _list_kinds(result):
        chart = _BUILDERS[kind](claimed)
        if chart is not None:
            return kind, chart
    return None


def _list_kinds(result: ClaimResult) -> list[Kind]:
    """Returns the kinds that suit a claim, the best one first."""
    from bnexp.config.claim.config import TO_TARGET  # slow: the schema

    claim = result.claim
    is_single = not claim.has_cases
    suiting: dict[Kind, bool] = {
        "survival": claim.metric in TO_TARGET,
        "axis": claim.reduction is not None or (claim.has_cases and claim.as_ == "difference"),
        "gap": is_gap(claim),
        "steps": is_single and all(map(is_diagnostic, claim.tags)),
        "epochs": is_single and len(claim.tags) > 1,
        "ratios": claim.as_ == "ratio",
        "cases": claim.has_cases,
        "effect": is_single,
        "runs": True,
    }
    return [kind for kind, suits in suiting.items() if suits]


def _build_axis(claimed: Claimed) -> Chart | None:
    build = build_reduced if claimed.result.claim.reduction else build_over_cases
    return build(claimed)


_BUILDERS: Mapping[Kind, Callable[[Claimed], Chart | None]] = {
    "survival": build_survival,
    "axis": _build_axis,
    "gap": build_gap,
    "steps": build_steps,
    "epochs": build_epochs,
    "cases": build_rows,
    "ratios": build_rows,
    "effect": build_rows,
    "runs": build_runs,
}
