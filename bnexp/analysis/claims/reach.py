"""Whether the planned seeds can decide a claim at all, before any of them is trained."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import count

from bnexp.analysis.claims.tests import EXACT, fisher_least, sign_flip_least
from bnexp.analysis.stats.looks import TUNING_SEEDS
from bnexp.analysis.stats.power import SIGNIFICANCE
from bnexp.config.claim.config import SHARES, ClaimConfig
from bnexp.config.sweep.looks import FEWEST
from bnexp.wording import count as count_of


def describe_undecidable(claims: Sequence[ClaimConfig], num_seeds: int) -> Iterator[str]:
    """Yields a warning for each claim that so many seeds cannot decide, even if all agree."""
    for claim in claims:
        least, family = _find_least(claim), len(claims)
        tuning = _count_tuning(claim)
        measured = max(0, num_seeds - tuning)
        if claim.metric in EXACT or _is_enough(measured, least, family):
            continue
        needed = next(n for n in count(FEWEST) if _is_enough(n, least, family)) + tuning
        chosen = f", {tuning} of which choose axis values," if tuning else ""
        if measured < FEWEST or least is None:
            reason = f"a verdict takes at least {FEWEST} that are measured"
        else:
            reason = f"even if all agree, p is {least(measured):.3g}"
            if family > 1:
                reason += f", and {min(1.0, family * least(measured)):.3g} after Holm"
        yield (
            f"{count_of(num_seeds, 'seed')}{chosen} cannot decide the claim '{claim.statement}': "
            f"{reason}; {needed} can (sweep.seeds)"
        )


def _is_enough(measured: int, least: Callable[[int], float] | None, family: int) -> bool:
    if measured < FEWEST:
        return False
    return least is None or family * least(measured) <= SIGNIFICANCE


def _find_least(claim: ClaimConfig) -> Callable[[int], float] | None:
    """Returns the smallest p of the claim's test by its seeds; None if it has no smallest."""
    if claim.metric in SHARES:
        return fisher_least
    if not claim.is_on_a_grid:
        return None
    is_one_sided = claim.direction == "equal"
    return lambda pairs: sign_flip_least(pairs) / (2 if is_one_sided else 1)


def _count_tuning(claim: ClaimConfig) -> int:
    if claim.reduction is None or not claim.is_choosing:
        return 0
    return len(claim.reduction.tuning_seeds or range(TUNING_SEEDS))
