"""Which runs a claim was to be tested on, as it was planned before them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import count, takewhile
from typing import Any

from bnexp.analysis.stats.looks import TUNING_SEEDS
from bnexp.config.claim.config import ClaimConfig
from bnexp.runs.claim_record import claim_digest
from bnexp.runs.record import RunRecord


@dataclass(frozen=True)
class ClaimPlan:
    """The seeds that a command planned, and after how many of them it looks at the results."""

    seeds: tuple[int, ...]
    looks: tuple[int, ...]
    """Numbers of seeds, rising; the last is all of them."""
    is_recorded: bool = True
    """Whether the runs say so; else the plan is taken to be what there is."""

    def seeds_at(self, look: int) -> frozenset[int]:
        """Returns the seeds that a look sees."""
        return frozenset(self.seeds[:look])

    def covers(self, other: ClaimPlan) -> bool:
        """Whether whoever planned this one had planned the other too: more seeds, or the same."""
        more, fewer = set(self.seeds), set(other.seeds)
        return self == other or more > fewer


def find_plans(raw: Mapping[str, Any], runs: Sequence[RunRecord]) -> list[ClaimPlan]:
    """Returns each plan that runs were begun with for a claim, the smaller ones first."""
    own = [run for run in runs if raw in run.claims]
    found = {plan: None for run in own if (plan := read_plan(run))}
    if not found:
        seeds = tuple(sorted({run.seed for run in runs}))
        return [ClaimPlan(seeds, (len(seeds),), is_recorded=False)]
    return sorted(found, key=lambda plan: len(plan.seeds))


def read_plan(run: RunRecord) -> ClaimPlan | None:
    """Returns the plan that the run was begun with; None if it does not say."""
    seeds = _numbers(run, "planned.seeds")
    looks = _numbers(run, "planned.looks") or (len(seeds),)
    return ClaimPlan(seeds, looks) if seeds and looks[-1] == len(seeds) else None


def was_planned(
    claim: ClaimConfig, raw: Mapping[str, Any], plan: ClaimPlan, run: RunRecord
) -> bool:
    """Whether the claim, with this plan, stood before the run had a result.

    The record in the runs folder decides; without one, what the run was begun with. Who goes on
    from a shorter run has seen its result.
    """
    if "extends.run" in run.environment:
        return False
    if run.claims_on_record is not None:
        return claim_digest(raw, plan.seeds, plan.looks) in run.claims_on_record
    own = read_plan(run)
    return raw in run.claims and (own is None or own.covers(plan))


def tuning_seeds(claim: ClaimConfig, plan: ClaimPlan) -> frozenset[int]:
    """Returns the seeds that choose axis values for the claim and are not measured."""
    if claim.reduction is None or not claim.is_choosing:
        return frozenset()
    return frozenset(claim.reduction.tuning_seeds or plan.seeds[:TUNING_SEEDS])


def _numbers(run: RunRecord, root: str) -> tuple[int, ...]:
    values = takewhile(
        lambda value: isinstance(value, int),
        (run.environment.get(f"{root}.{place}") for place in count()),
    )
    return tuple(values)  # type: ignore[arg-type]
