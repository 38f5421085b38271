"""Assesses the claims that were recorded with the runs before they began."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from pydantic import ValidationError

from bnexp.analysis.cells import Cell, swept_keys
from bnexp.analysis.claim_sides import as_variant, find_cells, measure_side
from bnexp.analysis.claim_tests import ClaimTest, compare_sides, count_seeds_needed
from bnexp.analysis.confounds import confounding_keys, is_explained
from bnexp.analysis.results import ClaimResult, ClaimSide
from bnexp.analysis.statistics import holm
from bnexp.analysis.verdicts import SIGNIFICANCE, Evidence, judge
from bnexp.config.claim import DIVERGED, TO_TARGET, ClaimConfig
from bnexp.runs.record import RunRecord, flatten


@dataclass(frozen=True)
class _Case:
    """A claim with its cells and values, or with the reason why it cannot be tested."""

    claim: ClaimConfig
    treatment: ClaimSide
    control: ClaimSide
    test: ClaimTest | None
    obstacle: str | None
    also_differ: tuple[str, ...] = ()


def assess_claims(cells: Sequence[Cell]) -> tuple[ClaimResult, ...]:
    """Returns a verdict on every claim that the runs were begun with, in the config's order.

    Each claim is assessed on the cells of the experiment that made it; Holm's family is
    all claims at hand that could be tested.
    """
    cases = [case for runs in _by_experiment(cells) for case in _build_cases(runs)]
    tested = [case.test for case in cases if case.test is not None]
    ps = _adjust([_deciding_p(case) for case in cases])
    equivalences = _adjust([case.test.p_equivalence if case.test else None for case in cases])
    return tuple(
        _conclude(case, p, equivalence, max(1, len(tested)))
        for case, p, equivalence in zip(cases, ps, equivalences, strict=True)
    )


def describe_unreadable_claims(records: Sequence[RunRecord]) -> tuple[str, ...]:
    """Returns one warning where claims were recorded that cannot be read, else none."""
    unread = [claim for claim in _recorded(records) if _read(claim) is None]
    if not unread:
        return ()
    names = ", ".join(f"'{claim.get('statement', 'without a statement')}'" for claim in unread)
    return (
        f"claims that were recorded with the runs cannot be read, so they have no verdict: {names}",
    )


def describe_measure(claim: ClaimConfig) -> str:
    """Returns what the claim compares, in words: `largest stable optim.learning_rate (log10)`."""
    reduction = claim.reduction
    if reduction is None:
        shown = {DIVERGED: "share of diverged runs"}.get(claim.metric, claim.metric)
        return f"{shown} of {claim.target:g}" if claim.metric in TO_TARGET else shown
    unit = "" if reduction.scale == "linear" else f"{reduction.scale} "
    match reduction.name:
        case "largest_stable":
            return f"largest stable {unit}{reduction.over}"
        case "best":
            return f"{claim.metric} at the {reduction.over} that is best by {reduction.select_by}"
        case "range":
            return f"range of {claim.metric} over {reduction.over}"
        case "slope":
            return f"slope of {claim.metric} over {unit}{reduction.over}"


def _by_experiment(cells: Sequence[Cell]) -> list[list[Cell]]:
    groups: dict[object, list[Cell]] = {}
    for cell in cells:
        groups.setdefault(cell.runs[0].path.parent.parent, []).append(cell)
    return list(groups.values())


def _build_cases(cells: Sequence[Cell]) -> list[_Case]:
    runs = [run for cell in cells for run in cell.runs]
    read = ((_read(raw), raw) for raw in _recorded(runs))
    return [_build_case(claim, raw, cells) for claim, raw in read if claim is not None]


def _recorded(runs: Sequence[RunRecord]) -> list[Mapping[str, object]]:
    """Returns every claim that a run was begun with, each once."""
    found = {tuple(sorted(flatten(claim).items())): claim for run in runs for claim in run.claims}
    return list(found.values())


def _read(raw: Mapping[str, object]) -> ClaimConfig | None:
    """Returns the claim as it was recorded, or None where this version cannot read it."""
    try:
        return ClaimConfig.model_validate(dict(raw))
    except ValidationError:
        return None


def _build_case(claim: ClaimConfig, raw: Mapping[str, object], cells: Sequence[Cell]) -> _Case:
    found = {side: find_cells(claim, side, cells) for side in ("treatment", "control")}
    sides = {side: measure_side(claim, side, members) for side, members in found.items()}
    treatment, control = sides["treatment"], sides["control"]
    obstacle = _find_obstacle(claim, raw, found)
    test = None if obstacle else compare_sides(claim, treatment, control)
    if test is None and obstacle is None:
        obstacle = _why_untested(claim, sides)
    return _Case(claim, treatment, control, test, obstacle, _find_other_keys(claim, found))


def _find_obstacle(
    claim: ClaimConfig, raw: Mapping[str, object], found: Mapping[str, Sequence[Cell]]
) -> str | None:
    """Returns what forbids a verdict whatever the figures are, or None."""
    for side, cells in found.items():
        if not cells:
            return f"there are no runs of the {side}"
        if claim.reduction is None and len(cells) > 1:
            return f"the {side} is {len(cells)} cells, and the claim compares one with one"
    runs = [run for cells in found.values() for cell in cells for run in cell.runs]
    late = [run for run in runs if dict(raw) not in [dict(claim) for claim in run.claims]]
    if late:
        return (
            f"{len(late)} of {len(runs)} runs began before the claim was written as it is now; "
            "a claim must stand before its runs"
        )
    return _find_unfinished(runs) or _find_confounds(found) or _find_diverged(claim, runs)


def _find_unfinished(runs: Sequence[RunRecord]) -> str | None:
    open_runs = [run for run in runs if run.state not in ("finished", "diverged")]
    if not open_runs:
        return None
    return (
        f"{len(open_runs)} of {len(runs)} runs have no result yet; a verdict waits for all of "
        "them, since one that is looked for again and again is found by chance"
    )


def _find_confounds(found: Mapping[str, Sequence[Cell]]) -> str | None:
    treatment, control = (
        [run for cell in found[side] for run in cell.measured] for side in ("treatment", "control")
    )
    swept = swept_keys([*treatment, *control])
    keys = [key for key in confounding_keys(treatment, control, swept) if not _is_swept(key, swept)]
    if not keys:
        return None
    return f"the two sides also differ in {', '.join(keys)}: no causal verdict"


def _is_swept(key: str, swept: Sequence[str]) -> bool:
    return is_explained(key, swept)


def _find_diverged(claim: ClaimConfig, runs: Sequence[RunRecord]) -> str | None:
    counts_them = claim.metric == DIVERGED or claim.metric in TO_TARGET
    is_ceiling = claim.reduction is not None and claim.reduction.name in ("largest_stable", "best")
    diverged = [run for run in runs if run.state == "diverged"]
    if not diverged or counts_them or is_ceiling or claim.diverged_as is not None:
        return None
    return (
        f"{len(diverged)} of {len(runs)} runs diverged, and the claim does not say what a diverged "
        "run counts as (claim.diverged_as)"
    )


def _why_untested(claim: ClaimConfig, sides: Mapping[str, ClaimSide]) -> str:
    for name, side in sides.items():
        if not side.values:
            return f"no seed of the {name} has a value of {describe_measure(claim)}"
    return "a test takes at least two seeds on each side"


def _find_other_keys(claim: ClaimConfig, found: Mapping[str, Sequence[Cell]]) -> tuple[str, ...]:
    """Returns the swept keys that differ between the sides without being named in the claim."""
    named = {*claim.treatment, *claim.control}
    if claim.reduction is not None:
        named.add(claim.reduction.over)
    keys = {key: None for cells in found.values() for cell in cells for key in cell.settings}
    values = {
        key: [{as_variant(cell).settings.get(key) for cell in cells} for cells in found.values()]
        for key in keys
        if not is_explained(key, named)
    }
    return tuple(key for key, (treatment, control) in values.items() if treatment != control)


def _deciding_p(case: _Case) -> float | None:
    """Returns the p that the verdict rests on: apart from 0, or beyond the margin."""
    if case.test is None:
        return None
    return case.test.p_beyond if case.claim.direction == "equal" else case.test.p


def _adjust(values: Sequence[float | None]) -> list[float | None]:
    known = [value for value in values if value is not None]
    adjusted = iter(holm(known))
    return [None if value is None else next(adjusted) for value in values]


def _conclude(
    case: _Case, p: float | None, p_equivalence: float | None, family: int
) -> ClaimResult:
    claim, test = case.claim, case.test
    result = ClaimResult(
        statement=claim.statement,
        source=claim.source,
        measure=describe_measure(claim),
        metric=claim.metric,
        reduction=claim.reduction.name if claim.reduction else None,
        direction=claim.direction,
        margin=claim.margin,
        treatment=case.treatment,
        control=case.control,
        verdict="inconclusive",
        reason=case.obstacle,
        also_differ=case.also_differ,
    )
    if test is None:
        return result
    verdict = judge(Evidence(test.mean, p, p_equivalence), claim.direction)
    is_open = verdict == "inconclusive"
    seeds_needed = None
    if is_open:
        significance = SIGNIFICANCE / family
        seeds_needed = count_seeds_needed(claim, case.treatment, case.control, test, significance)
    return replace(
        result,
        verdict=verdict,
        reason=_why_open(claim, test, p, p_equivalence) if is_open else None,
        mean=test.mean,
        ci_low=test.low,
        ci_high=test.high,
        p=test.p,
        p_holm=p,
        p_equivalence=p_equivalence,
        test=test.name,
        n=test.n,
        is_paired=bool(test.by_seed),
        by_seed=test.by_seed,
        seeds_needed=seeds_needed,
    )


def _why_open(
    claim: ClaimConfig, test: ClaimTest, p: float | None, p_equivalence: float | None
) -> str:
    if p is None and p_equivalence is None:
        return "the difference is the same in every seed, so there is no spread to test it by"
    if claim.direction == "equal":
        return "the difference is shown neither to lie within the margin nor beyond it"
    return "the difference is shown neither to be apart from 0 nor to lie within the margin"
