"""Assesses the claims that were recorded with the runs before they began."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from bnexp.analysis.cells import Cell
from bnexp.analysis.claims.obstacles import find_added_seeds, find_obstacles
from bnexp.analysis.claims.sides import as_variant, find_cells, measure_sides
from bnexp.analysis.claims.tests import compare_sides, count_seeds_needed
from bnexp.analysis.confounds import is_explained
from bnexp.analysis.results import Caveat, ClaimResult, ClaimSide, ClaimTest, ClaimVerdict
from bnexp.analysis.stats.intervals import holm
from bnexp.analysis.stats.power import SIGNIFICANCE
from bnexp.config.claim.config import DIVERGED, ClaimConfig
from bnexp.runs.record import RunRecord, flatten


def assess_claims(cells: Sequence[Cell]) -> tuple[ClaimResult, ...]:
    """Returns a verdict on every claim that the runs were begun with, in the config's order.

    Each claim is assessed on the cells of the experiment that made it. Holm's family is all
    claims of that experiment, those that cannot be tested yet counted as not shown, so
    that a verdict is not taken back when others follow.
    """
    return tuple(result for members in _by_experiment(cells) for result in _assess(members))


def _assess(cells: Sequence[Cell]) -> list[ClaimResult]:
    runs = [run for cell in cells for run in cell.runs]
    read = ((_read(raw), raw) for raw in _recorded(runs))
    open_claims = [_examine(claim, raw, cells) for claim, raw in read if claim is not None]
    tests = [result.test for result in open_claims]
    ps = holm([_deciding_p(result) for result in open_claims], len(open_claims))
    equivalences = holm([test.p_equivalence if test else None for test in tests], len(open_claims))
    return [
        _conclude(
            replace(result, p_holm=p, p_equivalence=p_equivalence), SIGNIFICANCE / len(open_claims)
        )
        for result, p, p_equivalence in zip(open_claims, ps, equivalences, strict=True)
    ]


def find_unreadable_claims(records: Sequence[RunRecord]) -> tuple[Caveat, ...]:
    """Returns one caveat if claims were recorded that cannot be read, else none."""
    unread = [claim for claim in _recorded(records) if _read(claim) is None]
    if not unread:
        return ()
    names = tuple(f"'{claim.get('statement', 'without a statement')}'" for claim in unread)
    subject = "claims that were recorded with the runs cannot be read, so they have no verdict"
    return (Caveat("unreadable claim", subject, names),)


def _by_experiment(cells: Sequence[Cell]) -> list[list[Cell]]:
    groups: dict[object, list[Cell]] = {}
    for cell in cells:
        groups.setdefault(cell.runs[0].path.parent.parent, []).append(cell)
    return [*groups.values()]


def _recorded(runs: Sequence[RunRecord]) -> list[Mapping[str, object]]:
    """Returns every claim that a run was begun with, each once."""
    found = {tuple(sorted(flatten(claim).items())): claim for run in runs for claim in run.claims}
    return list(found.values())


def _read(raw: Mapping[str, object]) -> ClaimConfig | None:
    """Returns the claim as it was recorded, or None if this version cannot read it."""
    try:
        return ClaimConfig.model_validate(dict(raw))
    except ValueError:  # of a lone surrogate, or pydantic's
        return None


def _examine(claim: ClaimConfig, raw: Mapping[str, object], cells: Sequence[Cell]) -> ClaimResult:
    """Returns the claim with its test, or the reason why it cannot be tested; no verdict yet."""
    found = {side: find_cells(claim, side, cells) for side in ("treatment", "control")}
    sides = measure_sides(claim, found)
    treatment, control = sides["treatment"], sides["control"]
    obstacle = next(find_obstacles(claim, raw, found, len(cells)), None)
    test = None if obstacle else compare_sides(claim, treatment, control)
    if test is None:
        obstacle = obstacle or _why_untested(claim, sides)
    return ClaimResult(
        claim,
        treatment,
        control,
        verdict="inconclusive",
        obstacle=obstacle,
        test=test,
        also_differ=_find_other_keys(claim, found),
        caveats=find_added_seeds(found),
    )


def _why_untested(claim: ClaimConfig, sides: Mapping[str, ClaimSide]) -> Caveat:
    for name, side in sides.items():
        if not side.values:
            return Caveat("no figure", f"no seed of the {name} has a figure")
    whose = "that both sides have" if claim.is_on_a_grid else "on each side (-s sweep.seeds=5)"
    return Caveat("untestable", f"a test takes at least two seeds {whose}")


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


def _deciding_p(result: ClaimResult) -> float | None:
    """Returns the p that the verdict rests on: apart from 0, or beyond the margin."""
    if result.test is None:
        return None
    return result.test.p_beyond if result.claim.direction == "equal" else result.test.p


def _conclude(result: ClaimResult, significance: float) -> ClaimResult:
    """Returns the claim with its verdict, or with what keeps it open."""
    claim, test = result.claim, result.test
    if test is None:
        return result
    verdict = _judge(result, test.mean)
    if verdict != "inconclusive":
        return replace(result, verdict=verdict)
    needed = count_seeds_needed(claim, result.treatment, result.control, test, significance)
    return replace(result, obstacle=_why_open(claim, test, result.p_holm), seeds_needed=needed)


def _judge(result: ClaimResult, difference: float) -> ClaimVerdict:
    """Returns what a difference and its adjusted p-values say of a claim.

    Predicted higher or lower: *equivalent* if the difference is shown to lie within the
    margin, whether or not it is 0; else *supported* or *contradicted* if it is shown not to be
    0, by its sign. Predicted equal: *supported* if it is shown to lie within the margin,
    *contradicted* if it is shown to lie beyond. All else is *inconclusive*: too little is
    known, which is not the same as no difference.
    """
    predicted = result.claim.direction
    if result.p_equivalence is not None and result.p_equivalence <= SIGNIFICANCE:
        return "supported" if predicted == "equal" else "equivalent"
    if result.p_holm is None or result.p_holm > SIGNIFICANCE:
        return "inconclusive"
    found = "higher" if difference > 0 else "lower"
    return "supported" if predicted == found else "contradicted"


def _why_open(claim: ClaimConfig, test: ClaimTest, p: float | None) -> Caveat:
    if p is None and test.mean:
        reason = "the difference is the same in every seed, so there is no spread to test it by"
        return Caveat("untestable", reason)
    if claim.is_on_a_grid or claim.metric == DIVERGED:
        reason = "the difference is not shown to be apart from 0"
    elif claim.direction == "equal":
        reason = "the difference is shown neither to lie within the margin nor beyond it"
    else:
        reason = "the difference is shown neither to be apart from 0 nor to lie within the margin"
    return Caveat("undecided", reason)
