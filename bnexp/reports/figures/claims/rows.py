"""The effect of each case of a claim as a row: a difference or a ratio, with its interval."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from math import exp
from typing import TYPE_CHECKING

from bnexp.analysis.results import ClaimPart, ClaimTest
from bnexp.reports.figures.claims.cells import Claimed
from bnexp.reports.figures.effects import LOGARITHMS, Effect, Effects, build_row, draw_effects
from bnexp.reports.figures.sheet import Chart, space_label
from bnexp.reports.figures.style import INKED
from bnexp.reports.words.claims import (
    claim_format,
    describe_claim,
    describe_measure,
    write_choice,
    write_effect,
    write_margin,
)
from bnexp.reports.words.formatting import MetricFormat, find_interval, with_unit
from bnexp.runs.record import Scalar
from bnexp.wording import count

if TYPE_CHECKING:
    from bnexp.config.claim.config import ClaimConfig

_ENDS = {"higher": ("", "predicted →"), "lower": ("← predicted", "")}
"""What is said of both sides of zero, by the direction that is predicted."""


def build_rows(claimed: Claimed) -> Chart | None:
    """Returns a row per case with a figure, or None without any.

    A difference has its margin as a band around 0. A ratio is a bar from 1.
    """
    claim = claimed.result.claim
    rows = tuple(_build_rows(claimed))
    if not rows:
        return None
    shown = _format(claim)
    is_ratio = claim.as_ == "ratio"
    effects = Effects(
        rows,
        claim.margin_on_scale * shown.scale,
        _name_axis(claimed),
        _ENDS.get(claim.direction, ("", "")),
        is_ratio,
    )
    return Chart(
        "Evidence: ratios" if is_ratio else "Evidence: effects",
        claimed.title,
        _caption(claimed, effects),
        describe_claim(claimed.result).evidence,
        lambda is_wide: draw_effects(effects, is_wide=is_wide),
    )


def _format(claim: ClaimConfig) -> MetricFormat:
    return LOGARITHMS if claim.as_ == "ratio" else claim_format(claim)


def _build_rows(claimed: Claimed) -> Iterator[Effect]:
    claim, parts = claimed.result.claim, claimed.result.parts
    for part in parts:
        if part.test is None:
            continue
        first = part.treatment.shown[0].found.cell if part.treatment.shown else None
        row = build_row(part.test, _format(claim))
        if part.test.name == "Welch's t test":
            row = replace(row, seeds=[*_place_seeds(claim, part)])
        yield replace(
            row,
            label=space_label(write_choice(part.choice)),
            texts=(write_effect(claim, part.test), _count(part.test)),
            style=INKED if first is None else claimed.styles[first],
        )


def _place_seeds(claim: ClaimConfig, part: ClaimPart) -> Iterator[float]:
    """Yields the treatment's runs minus the control's mean, for sides that don't pair."""
    shown, middle = _format(claim), part.control.mean or 0.0
    yield from ((value - middle) * shown.scale for value in part.treatment.values.values())


def _count(test: ClaimTest) -> str:
    if test.is_paired:
        return f"n = {count(test.n, 'pair')}"
    return f"n = {count(test.n, 'run')}"


def _name_axis(claimed: Claimed) -> str:
    """Returns what the axis shows: `test/accuracy: norm=batch minus norm=none (points)`."""
    claim, parts = claimed.result.claim, claimed.result.parts
    treatment = write_choice(_share([part.treatment.wanted for part in parts])) or "treatment"
    control = write_choice(_share([part.control.wanted for part in parts])) or "control"
    number = parts[0].control.mean
    if not parts[0].control.cells and number is not None:
        ratio = claim.as_ == "ratio"
        control = f"{exp(number):.3g}" if ratio else claim_format(claim).value(number)
    measure = describe_measure(claim)
    if claim.as_ == "ratio":
        return f"{measure}: {treatment} to {control}"
    unit, reduction = claim_format(claim).difference_unit, claim.reduction
    if reduction is not None and reduction.name == "largest_stable":
        unit = "" if reduction.scale == "linear" else reduction.scale
    return with_unit(f"{measure}: {treatment} minus {control}", unit)


def _share(rows: Sequence[Mapping[str, Scalar]]) -> dict[str, Scalar]:
    """Returns the settings that all rows have alike."""
    first, *others = rows
    return {
        key: value
        for key, value in first.items()
        if all(key in row and row[key] == value for row in others)
    }


def _caption(claimed: Claimed, effects: Effects) -> str:
    claim, parts = claimed.result.claim, claimed.result.parts
    tests = [part.test for part in parts if part.test]
    missing = [write_choice(part.choice) for part in parts if not part.test]
    has_seeds = any(row.seeds for row in effects.rows)
    is_hollow = has_seeds and any(not row.is_paired for row in effects.rows)
    texts = {
        f"{_say_mean(claim, tests)}{_say_interval(tests)}.": True,
        f"Small: single seeds{' (hollow: not paired)' if is_hollow else ''}.": has_seeds,
        f"Shaded: within the margin of {write_margin(claim)}.": True,
        "Arrow: the interval continues.": effects.has_arrows,
        f"Claimed of {_say_cases(claim)} cases; together: {_say_verdict(claimed)}.": (
            claim.has_cases
        ),
        f"No figure: {'; '.join(missing)}.": bool(missing) and claim.has_cases,
    }
    return " ".join(text for text, is_said in texts.items() if is_said)


def _say_mean(claim: ClaimConfig, tests: Sequence[ClaimTest]) -> str:
    is_ratio = claim.as_ == "ratio"
    what = "ratio of geometric means" if is_ratio else "mean difference"
    if tests[0].name == "Fisher's exact test":
        what = "difference of shares"
    if tests[0].name == "exact comparison":
        what = "ratio" if is_ratio else "difference"
    mark = "Bar" if claim.as_ == "ratio" else "Large marker"
    sizes = {test.n for test in tests}
    kind = "paired seeds" if tests[0].is_paired else "runs"
    over = f" over {sizes.pop()} {kind}" if len(sizes) == 1 else ""
    return f"{mark}: {what}{over}"


def _say_interval(tests: Sequence[ClaimTest]) -> str:
    if not any(find_interval(test) for test in tests):
        is_exact = all(test.name == "exact comparison" for test in tests)
        return ", the same in every run" if is_exact else ", without an interval"
    levels = sorted({f"{100 * test.confidence:.4g}" for test in tests})
    looks = ", which holds over all planned looks" if levels != ["95"] else ""
    return f", with its {' or '.join(levels)} % interval{looks}"


def _say_cases(claim: ClaimConfig) -> str:
    number = claim.num_cases if claim.at_least is None else claim.at_least
    return f"all {number}" if number == claim.num_cases else f"{number} of {claim.num_cases}"


def _say_verdict(claimed: Claimed) -> str:
    result = claimed.result
    return result.verdict if result.would_be is None else f"exploratory, {result.would_be}"
