"""What studies will take, before any of them is trained: runs, and claims left undecided."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bnexp.analysis.claims.reach import describe_undecidable
from bnexp.studies.results_folder import Family
from bnexp.studies.training import PreparedStudy

PLAN_HEADERS = ("study", "claims", "variants", "seeds", "tuning runs", "runs at most")


def list_plans(prepared: Sequence[PreparedStudy]) -> list[tuple[str, ...]]:
    """Returns a row per study, as `PLAN_HEADERS` names its texts."""
    return [tuple(map(str, _plan(one))) for one in prepared]


def _plan(one: PreparedStudy) -> Iterator[object]:
    experiment, seeds = one.experiment, len(one.setup.seeds)
    first = one.setup.looks[0] if one.setup.looks else seeds
    yield one.study.title
    yield len(one.setup.claims)
    yield len(experiment.cells)
    yield seeds if first == seeds else f"{first} to {seeds}"
    tuning = len(experiment.tuning.runs) if experiment.tuning else 0
    yield tuning
    yield tuning + len(experiment.runs)


def describe_undecidable_claims(prepared: Sequence[PreparedStudy], family: Family) -> Iterator[str]:
    """Yields a warning for each claim that its seeds cannot decide in the whole family."""
    for one in prepared:
        others = family.count_others(one.study.name)
        looks = one.setup.looks or (len(one.setup.seeds),)
        for warning in describe_undecidable(one.setup.configs, looks, others):
            yield f"{one.study.title}: {warning}"
