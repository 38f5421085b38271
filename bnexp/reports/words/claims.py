"""What is said of a claim: the verdict, the evidence, and what a reader must know besides."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from math import exp, floor, isclose, log10
from operator import attrgetter
from typing import TYPE_CHECKING

from bnexp.analysis.results import ClaimPart, ClaimResult, ClaimSide, ClaimTest, ClaimVerdict
from bnexp.analysis.stats.power import SIGNIFICANCE
from bnexp.config.sweep.names import short_names
from bnexp.reports.words.formatting import (
    NOTHING,
    MetricFormat,
    find_exponent,
    find_interval,
    write_factor,
    write_p,
)
from bnexp.reports.words.phrases import CONFIDENCE, NO_BREAK
from bnexp.runs.measured.diagnostic_tags import is_diagnostic
from bnexp.runs.record import Scalar
from bnexp.wording import count, write_value

if TYPE_CHECKING:
    from bnexp.config.claim.config import ClaimConfig

_MOST_DECIMALS = 6
_FACTOR = "a factor of "

_HEADINGS: Mapping[ClaimVerdict, str] = {
    "supported": "Supported",
    "contradicted": "Contradicted",
    "equivalent": "Equivalent, so not supported",
    "inconclusive": "Inconclusive",
    "exploratory": "Exploratory",
}

_WOULD_BE: Mapping[ClaimVerdict | None, str] = {
    "supported": "would be supported",
    "contradicted": "would be contradicted",
    "equivalent": "would be equivalent",
    "inconclusive": "would be inconclusive",
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
    effect: str = NOTHING
    """The difference with its interval, for a table."""
    seeds: str = NOTHING
    """The seeds that it rests on, and how many it might have taken."""
    published: str = ""
    """What the source measured, for a table; empty if the claim does not say."""
    measured: str = NOTHING
    """What the runs measured, in the form of `published`; of several cases, how many."""
    source: str = ""
    """Who makes the claim."""
    reason: str = ""
    """Why it is open or exploratory, in a word or two."""
    prediction: str = ""
    limits: tuple[str, ...] = ()
    """Of the notes, those that say what the verdict does not cover, or what keeps it away."""

    @property
    def paragraphs(self) -> tuple[str, ...]:
        """The evidence, if there is any, and the notes."""
        return (*filter(None, (self.evidence,)), *self.notes)


def describe_claim(result: ClaimResult) -> ClaimText:
    """Returns the claim's verdict with its evidence."""
    return ClaimText(
        heading=_heading(result),
        statement=result.claim.statement,
        evidence=" ".join(filter(None, (_evidence(result, part) for part in result.parts))),
        notes=tuple(_notes(result)),
        effect=_effect(result),
        seeds=_seeds(result),
        published=_published(result.claim),
        measured=_measured(result),
        source=result.claim.source,
        reason=_reason(result),
        prediction=_describe_prediction(result.claim),
        limits=tuple(_limits(result)),
    )


def _heading(result: ClaimResult) -> str:
    if result.verdict != "exploratory":
        return _HEADINGS[result.verdict]
    return f"{_HEADINGS[result.verdict]}: {_WOULD_BE[result.would_be]}"


def _effect(result: ClaimResult) -> str:
    """Returns `+15.4 points [13.7, 17.1]`; of several cases, the least and the greatest."""
    claim, tests = result.claim, [part.test for part in result.parts if part.test]
    if not tests:
        return NOTHING
    if len(result.parts) == 1:
        return write_effect(claim, tests[0])
    low, high = (
        _write_effect(claim, choose(tests, key=attrgetter("mean"))) for choose in (min, max)
    )
    if low == high:
        return low
    if low.startswith(_FACTOR):
        return f"a factor from {low.removeprefix(_FACTOR)} to {high.removeprefix(_FACTOR)}"
    return f"from {low.removesuffix(claim_format(claim).difference_unit).rstrip()} to {high}"


def write_effect(claim: ClaimConfig, test: ClaimTest) -> str:
    """Returns `+15.4 points [13.7, 17.1]`, without brackets if there is no interval."""
    ends, written = find_interval(test), _write_effect(claim, test)
    if ends is None:
        return written
    low, high = (_write_end(claim, end) for end in ends)
    return f"{written} [{low}, {high}]"


def _write_effect(claim: ClaimConfig, difference: ClaimTest) -> str:
    is_plain = _base(claim) is None and claim.as_ == "difference"
    if is_plain:
        return claim_format(claim).difference(difference.mean, signed=True)
    return _write_size(claim, difference.mean)


def _write_end(claim: ClaimConfig, end: float) -> str:
    return write_factor(exp(end)) if claim.as_ == "ratio" else claim_format(claim).number(end)


def _seeds(result: ClaimResult) -> str:
    look = result.look
    if result.verdict == "inconclusive" and result.test is None:
        return NOTHING
    measured, most = (seeds - look.choosing for seeds in (look.seeds, look.most))
    return f"{measured} of {most}" if len(look.looks) > 1 else f"{measured}"


def _published(claim: ClaimConfig) -> str:
    source = claim.published
    if source is None:
        return ""
    write = claim_format(claim)
    values = [source.treatment, *([] if source.control is None else [source.control])]
    shown = " against ".join(write.value(value) for value in values)
    return f"{shown} ({'same scale' if source.scale == 'same' else 'direction only'})"


def _measured(result: ClaimResult) -> str:
    if len(result.parts) > 1:
        return count(len(result.parts), "case")
    means = [_mean(result.claim, side) for side in (result.treatment, result.control)]
    if result.test is None and result.treatment.mean is None:
        return NOTHING
    return means[0] if result.claim.is_against_number else " against ".join(means)


def _reason(result: ClaimResult) -> str:
    if result.verdict == "exploratory":
        return "the claim came after the results"
    if result.obstacle is None:
        return ""
    if result.obstacle.kind == "undecided" and result.seeds_needed is not None:
        return f"about {count(result.seeds_needed, 'seed')} would do"
    return result.obstacle.kind


def describe_measure(claim: ClaimConfig) -> str:
    """Returns what the claim compares, such as `largest stable optim.learning_rate`."""
    reduction = claim.reduction
    metric = f"{claim.layers} over the layers of {claim.metric}" if claim.layers else claim.metric
    if claim.at is not None:
        metric = f"{metric} after epoch {claim.at.epoch}"
    if claim.as_ == "ratio":
        metric = f"ratio of {metric}"
    if reduction is None:
        shares = {
            "diverged": "share of diverged runs",
            "untrained": "share of runs that diverged or ended at chance",
        }
        shown = shares.get(claim.metric, metric)
        if claim.target is None:
            return shown
        target = "the control's last accuracy" if claim.target == "control" else f"{claim.target:g}"
        return f"{shown} of {target}"
    unit = "" if reduction.scale == "linear" else f"{reduction.scale} "
    match reduction.name:
        case "largest_stable":
            return f"largest stable {reduction.over}"
        case "best":
            return f"{metric} at the {reduction.over} that is best by {reduction.select_by}"
        case "range":
            return f"{metric} at the best {reduction.over} minus that at the worst"
        case "slope":
            return f"slope of {metric} over {unit}{reduction.over}"
        case "contrast":
            ends = f"{write_value(reduction.value)} minus {write_value(reduction.minus)}"
            return f"{metric} at {reduction.over} = {ends}"


def claim_format(claim: ClaimConfig) -> MetricFormat:
    """Returns how values of the claim's measure are written, the margin exactly enough."""
    from bnexp.config.claim.config import SHARES  # slow: the schema

    metric = "axis" if _is_place(claim) else claim.tags[0]
    if metric in SHARES:
        metric = "accuracy"  # a share, shown in percent
    exponent = find_exponent(metric, [claim.margin]) if claim.as_ == "difference" else 0
    margin = claim.margin * MetricFormat(metric, 0, exponent).scale
    enough = (
        decimals
        for decimals in range(1, _MOST_DECIMALS)
        if isclose(round(margin, decimals), margin, rel_tol=0.02)
    )
    return MetricFormat(metric, next(enough, _MOST_DECIMALS), exponent)


def _is_place(claim: ClaimConfig) -> bool:
    """Returns whether the values are places on the reduction's axis."""
    return claim.reduction is not None and claim.reduction.name == "largest_stable"


def _base(claim: ClaimConfig) -> int | None:
    """Returns the base if values are logarithms of places on an axis."""
    if claim.reduction is None or not _is_place(claim):
        return None
    return {"log2": 2, "log10": 10}.get(claim.reduction.scale)


def _write_size(claim: ClaimConfig, difference: float) -> str:
    """Returns a difference in the measure's unit; of logarithms, a factor."""
    if claim.as_ == "ratio":
        return _FACTOR + write_factor(exp(difference))
    base = _base(claim)
    if base is None:
        return claim_format(claim).difference(difference)
    return _FACTOR + write_factor(base**difference)


def _evidence(result: ClaimResult, part: ClaimPart) -> str:
    from bnexp.config.claim.config import SHARES

    claim, test = result.claim, part.test
    if test is None:
        return ""
    treatment, control = (_side(claim, side) for side in (part.treatment, part.control))
    is_only = len(result.parts) == 1
    facts = [f"difference {_write_effect(claim, test)}", *_write_interval(claim, test)]
    if test.name == "exact comparison":
        facts.append("exact, because every run of a side has the same value")
    elif test.p is not None:
        facts.append(f"{test.name}, {write_p(test.p)}")
    if is_only:
        facts += _write_adjusted(result, test)
    share = part.probability_higher
    if share is not None and part.control.cells and claim.metric not in SHARES:
        pairs = len(part.treatment.values) * len(part.control.values)
        facts.append(f"treatment higher in {share * pairs:g} of {pairs} pairs of runs")
    if test.name == "exact comparison":
        facts.append(count(test.n, "seed"))
    elif test.is_paired:
        facts.append(count(test.n, "paired seed" if part.control.cells else "seed"))
    else:
        facts.append(f"{test.n} runs, unpaired")
    if test.overlapping:
        seeds = count(test.overlapping, "seed")
        facts.append(f"{seeds} arrive between the same evaluations, which counts as no difference")
    measure = describe_measure(claim)
    is_said = claim.reduction or claim.as_ == "ratio" or claim.at or claim.layers
    opening = f"{measure[0].upper()}{measure[1:]}: " if is_said and is_only else ""
    if not is_only:
        opening = f"{write_choice(part.choice)}: "
    return f"{opening}{treatment} against {control}; {'; '.join(facts)}."


def _write_interval(claim: ClaimConfig, test: ClaimTest) -> Iterator[str]:
    ends = find_interval(test)
    if ends is None:
        return
    is_early = test.confidence > 0.951
    level = f"{100 * test.confidence:.2f}{NO_BREAK}%" if is_early else CONFIDENCE
    low, high = (_write_end(claim, end) for end in ends)
    over = ", valid over all looks" if is_early else ""
    yield f"{level} interval {low} to {high}{over}"


def _write_adjusted(result: ClaimResult, test: ClaimTest) -> Iterator[str]:
    """Yields the p-values that looks and other claims leave."""
    claim = result.claim
    is_equal = claim.direction == "equal"
    if result.p_holm is not None and is_equal:
        yield f"test of lying beyond the margin: {write_p(result.p_holm)}"
    elif result.p_holm is not None and write_p(result.p_holm) != write_p(test.p or 0.0):
        after = "looks and claims" if len(result.look.looks) > 1 else "Holm"
        is_one_sided = claim.direction.startswith("not_")
        what = "test of the margin, doubled: " if is_one_sided else ""
        yield f"{what}{write_p(result.p_holm)} after {after}"
    if result.p_equivalence is not None and result.verdict != "contradicted":
        is_asked = is_equal or result.verdict != "supported"
        if is_asked:
            yield f"test of lying within the margin: {write_p(result.p_equivalence)}"


def _side(claim: ClaimConfig, side: ClaimSide) -> str:
    if not side.cells:
        return f"{_mean(claim, side)} (the claim's number)"
    places = tuple(f"{place:g}" for place in side.axis_values)
    chosen = (f"chosen at {' and '.join(places)}",) if places else ()
    facts = (write_choice(side.wanted), *chosen, *side.remarks)
    return f"{_mean(claim, side)} ({'; '.join(facts)})"


def write_choice(settings: Mapping[str, Scalar]) -> str:
    """Returns settings by their short names: `norm=batch, depth=20`."""
    names = zip(short_names(tuple(settings)), settings.values(), strict=True)
    return ", ".join(f"{name}={write_value(value)}" for name, value in names)


def _mean(claim: ClaimConfig, side: ClaimSide) -> str:
    if side.mean is None:
        return "no figure"
    # The mean of logarithms, turned back, is the geometric mean.
    if claim.as_ == "ratio":
        # The margin, a share, says nothing about how many decimals the values need.
        mean = exp(side.mean)
        if is_diagnostic(claim.metric):
            return f"{mean:.3g}"
        shown = claim_format(claim)
        decimals = max(0, 3 - floor(log10(mean * shown.scale)))
        return replace(shown, decimals=min(decimals, shown.decimals)).value(mean)
    # The difference of two metrics of one run, or of one metric between places of an axis.
    reduction = claim.reduction.name if claim.reduction else None
    if len(claim.tags) > 1 or reduction in ("contrast", "range", "slope"):
        return claim_format(claim).difference(side.mean, signed=reduction != "range")
    base = _base(claim)
    return claim_format(claim).value(side.mean) if base is None else f"{base**side.mean:.3g}"


def _notes(result: ClaimResult) -> Iterator[str]:
    claim = result.claim
    yield _describe_prediction(claim)
    if result.look.is_early and result.verdict not in ("inconclusive", "exploratory"):
        is_exact = all(part.test and part.test.name == "exact comparison" for part in result.parts)
        high = "" if is_exact else " Stopping early tends to overstate effects."
        look = f"the look at {count(result.look.seeds, 'seed')}"
        if result.look.choosing:
            look += f" ({result.look.choosing} of which chose axis values)"
        yield f"Decided at {look}, of {result.look.most} at most.{high}"
    yield from _limits(result)
    if claim.published is not None:
        where = claim.published.where.removesuffix(".")
        yield f"Published: {_published(claim)}, on {where}."
    yield f"Source: {claim.source.removesuffix('.')}."


def _limits(result: ClaimResult) -> Iterator[str]:
    """Yields what keeps a claim open, and what its verdict does not cover."""
    claim = result.claim
    if result.obstacle is not None:
        needed = (
            f" With this spread, {count(result.seeds_needed, 'seed')} per side would detect "
            f"{_describe_sought(claim)} with 80{NO_BREAK}% power, in an experiment of their own."
            if result.seeds_needed is not None
            else ""
        )
        yield f"Still open because {result.obstacle.text}{_write_correction(result)}.{needed}"
    if result.also_differ:
        keys = ", ".join(result.also_differ)
        yield f"The two sides also differ in {keys}, as the claim allows."
    for caveat in result.caveats:
        yield f"{caveat.text[0].upper()}{caveat.text[1:]}."
    if result.images is not None and any(part.test for part in result.parts):
        train, test = result.images
        pictures = f"{train:,} to train on and {test:,} to test on"
        yield f"Covers other seeds, not other pictures: {pictures}."


def _write_correction(result: ClaimResult) -> str:
    """Returns what keeps a claim open whose difference is apart from 0 by its own p."""
    if result.obstacle is None or result.obstacle.kind != "undecided" or len(result.parts) > 1:
        return ""
    test, is_directed = result.test, result.claim.direction in ("higher", "lower")
    is_apart = test is not None and test.p is not None and test.p <= SIGNIFICANCE
    return ", once corrected for looks and claims" if is_directed and is_apart else ""


def _describe_prediction(claim: ClaimConfig) -> str:
    measure, margin = describe_measure(claim), _write_margin(claim)
    cases = ""
    if claim.has_cases:
        number = claim.num_cases if claim.at_least is None else claim.at_least
        all_of = "all" if number == claim.num_cases else f"at least {number} of"
        cases = f", in {all_of} {claim.num_cases} cases"
    match claim.direction:
        case "equal":
            return f"Predicted: {measure} equal within {margin}{cases}."
        case "not_lower" | "not_higher":
            word = claim.direction.removeprefix("not_")
            return f"Predicted: {measure} not {word} by {margin} or more{cases}."
        case direction:
            return (
                f"Predicted: {measure} {direction}{cases}; differences below {margin} don't matter."
            )


def write_margin(claim: ClaimConfig) -> str:
    """Returns the margin without needless figures: `1 point`, `5 %`, `a factor of 2`."""
    is_plain = claim.as_ == "difference" and _base(claim) is None
    return claim_format(claim).margin(claim.margin) if is_plain else _write_margin(claim)


def _write_margin(claim: ClaimConfig) -> str:
    if claim.as_ == "ratio":
        return f"{100 * claim.margin:g}{NO_BREAK}%"
    return _write_size(claim, claim.margin)


def _describe_sought(claim: ClaimConfig) -> str:
    match claim.direction:
        case "equal":
            return "equality"
        case "not_lower" | "not_higher":
            return "that the margin is kept, if there is no difference,"
        case _:
            return "an effect of the margin"
