"""Whether the planned seeds can decide a claim at all, before any of them is trained."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from bnexp.analysis.claims.tests import EXACT, Looks, fisher_least, sign_flip_least
from bnexp.analysis.stats.looks import TUNING_SEEDS
from bnexp.analysis.stats.power import SIGNIFICANCE
from bnexp.analysis.stats.shares import Count, share_p
from bnexp.config.claim.config import SHARES, ClaimConfig
from bnexp.config.sweep.looks import FEWEST, MOST, planned_looks
from bnexp.wording import count

_MOST = 200
"""Seeds that are looked for at most."""


def describe_undecidable(
    claims: Sequence[ClaimConfig], looks: Sequence[int], others: int = 0
) -> Iterator[str]:
    """Yields a warning for each claim that the planned seeds cannot decide, even if all agree.

    Or that they could support, but never contradict.

    Args:
        claims: Those of one experiment.
        looks: The numbers of seeds after which they are looked at, the last of them all seeds.
        others: How many claims of other experiments are corrected for together with these.
    """
    for claim in claims:
        if claim.metric in EXACT:
            continue
        # Of a claim about several cases, p is that many times the largest of those needed.
        at_least = claim.num_cases if claim.at_least is None else claim.at_least
        factors = {"decide": claim.num_cases - at_least + 1, "contradict": at_least}
        found = (
            _describe(claim, looks, (len(claims) + others) * factor, verb)
            for verb, factor in factors.items()
        )
        yield from filter(None, [next(filter(None, found), None)])


def _describe(claim: ClaimConfig, looks: Sequence[int], family: int, verb: str) -> str | None:
    """Returns why the seeds cannot decide, or contradict, a claim; None if they can.

    `family` is what the smallest p is multiplied by.
    """
    least, tuning, most = _find_least(claim), _count_tuning(claim), looks[-1]

    def correct(looks: Sequence[int]) -> float | None:
        """Returns the smallest p after correction; None if there is none, or too few seeds."""
        measured = [max(0, look - tuning) for look in looks]
        if measured[-1] < FEWEST:
            return None
        return (
            0.0 if least is None else family * _count_looks(claim, measured) * least(measured[-1])
        )

    found = correct(looks)
    if found is not None and found <= SIGNIFICANCE:
        return None
    chances = ((n, correct(_plan(looks, n))) for n in range(FEWEST, _MOST))
    enough = (n for n, p in chances if p is not None and p <= SIGNIFICANCE)
    needed = next((f"{n}" for n in enough), f"not even {_MOST:,}")
    chosen = f", of which {tuning} would choose axis values," if tuning else ""
    if found is None or least is None:
        reason = f"a verdict takes at least {FEWEST} that are measured"
    else:
        single = least(most - tuning)
        reason = f"even if all agree, p is {single:.3g}"
        if found > single:
            reason += f", and {min(1.0, found):.3g} after correction"
    return (
        f"{count(most, 'seed')}{chosen} cannot {verb} the claim '{claim.statement}': "
        f"{reason}; {needed} can (sweep.seeds)"
    )


def _plan(looks: Sequence[int], most: int) -> Sequence[int]:
    """Returns the looks that there would be with so many seeds; beyond `MOST` none are planned."""
    is_growing = len(looks) > 1 and most <= MOST
    return planned_looks(min(looks[0], most), most) if is_growing else (most,)


def _count_looks(claim: ClaimConfig, measured: Sequence[int]) -> int:
    """Returns how many looks an exact test corrects for; `measured` are their numbers of seeds."""
    test = fisher_least if claim.metric in SHARES else sign_flip_least
    return len(Looks(tuple(measured), measured[-1]).reachable(test).sizes)


def _find_least(claim: ClaimConfig) -> Callable[[int], float] | None:
    """Returns the smallest p of the claim's test by its seeds; None if it has no smallest."""
    if claim.metric in SHARES:
        return lambda runs: _find_least_share_p(claim, runs)
    if not claim.is_on_a_grid:
        return None
    is_one_sided = claim.direction == "equal"
    return lambda pairs: sign_flip_least(pairs) / (2 if is_one_sided else 1)


def _find_least_share_p(claim: ClaimConfig, runs: int) -> float:
    """Returns the smallest p that shares of so many runs per side can have; above 1 for 1."""
    none, every, margin = Count(0, runs), Count(runs, runs), claim.margin
    match claim.direction:
        case "equal":
            return max(share_p(none, none, -margin, 1), share_p(none, none, margin, -1))
        case "not_lower":
            return 2 * share_p(every, none, -margin, 1)
        case "not_higher":
            return 2 * share_p(none, every, margin, -1)
        case _:
            return fisher_least(runs)


def _count_tuning(claim: ClaimConfig) -> int:
    if claim.reduction is None or not claim.is_choosing:
        return 0
    return len(claim.reduction.tuning_seeds or range(TUNING_SEEDS))
