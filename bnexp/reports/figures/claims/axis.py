"""The metric over an axis: that of a reduction, or a number that the claim's cases differ in."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from math import inf
from statistics import fmean

from bnexp.analysis.metrics import as_number
from bnexp.analysis.results import Comparison
from bnexp.config.sweep.names import short_names
from bnexp.reports.figures.claims.cells import Claimed
from bnexp.reports.figures.sensitivity.chart import describe_lines, describe_reading
from bnexp.reports.figures.sensitivity.drawing import draw_sensitivity
from bnexp.reports.figures.sensitivity.lines import Extras, find_line_styles, find_sensitivity
from bnexp.reports.figures.sheet import Chart
from bnexp.reports.figures.style import MOST_WITH_BANDS, Style
from bnexp.reports.words.formatting import MetricFormat, metric_format
from bnexp.reports.words.phrases import NO_BREAK
from bnexp.wording import write_value

_MOST_REDUCED = 4
"""Lines beyond which the effects of a reduction's cases are better seen as rows."""


def find_case_axis(claimed: Claimed) -> str | None:
    """Returns the key of numbers that most of the cases differ in, or None without any."""
    choices = [part.choice for part in claimed.result.parts]
    found: dict[str, int] = {}
    for key in choices[0]:
        values = [choice.get(key) for choice in choices]
        numbers = {None if isinstance(value, bool) else as_number(value) for value in values}
        if None not in numbers and len(numbers) > 1:
            found[key] = len(numbers)
    return max(found, key=found.__getitem__, default=None)


def build_reduced(claimed: Claimed) -> Chart | None:
    """Returns the metric over the axis of the claim's reduction, or None without values."""
    reduction = claimed.result.claim.reduction
    if reduction is None:
        return None
    if reduction.name == "contrast":
        words = {0.0: write_value(reduction.minus), 1.0: write_value(reduction.value)}
        return _build(claimed, _place_contrast(claimed, reduction.over), reduction.over, words)
    return _build(claimed, claimed.whole, reduction.over)


def build_over_cases(claimed: Claimed) -> Chart | None:
    """Returns the metric over the number that the cases differ in, with a line per arm.

    None without such a number, without values, or with too many lines.
    """
    key = find_case_axis(claimed)
    return None if key is None else _build(claimed, claimed.whole, key)


def _place_contrast(claimed: Claimed, key: str) -> Comparison:
    """Returns the cells with their places, 0 and 1, as values of the key."""
    cells = [
        replace(one.found, settings={**one.found.settings, key: one.place})
        for one in claimed.cells
        if one.place is not None
    ]
    return claimed.compare(cells)


def _build(
    claimed: Claimed, cells: Comparison, key: str, words: dict[float, str] | None = None
) -> Chart | None:
    if key not in cells.differing:
        return None
    styles = _choose_styles(claimed, cells, key)
    claim = claimed.result.claim
    extras = Extras(
        styles=styles,
        bounds=(-inf, inf) if len(claim.tags) > 1 else None,
        unit=metric_format(cells).difference_unit if len(claim.tags) > 1 else None,
        reference=_find_reference(claimed),
        chosen=[*_find_chosen(claimed)],
        words=words or {},
        rules=tuple(_find_ceilings(claimed)),
    )
    sensitivity = find_sensitivity(cells, key, extras)
    most = MOST_WITH_BANDS if claim.reduction is None else _MOST_REDUCED
    if sensitivity is None or len(sensitivity.lines) > most:
        return None
    names = dict(zip(cells.differing, short_names(cells.differing), strict=True))
    word = names[key].replace("_", " ")
    return Chart(
        "Evidence: over an axis",
        claimed.title,
        " ".join(filter(None, (describe_reading(cells, sensitivity, word), _explain(claimed)))),
        describe_lines(sensitivity),
        lambda is_wide: draw_sensitivity(sensitivity, is_wide=is_wide),
    )


def _choose_styles(claimed: Claimed, cells: Comparison, key: str) -> dict[str, Style]:
    """Returns how each cell's line looks: as in the comparison's own figure, if that has it."""
    known = find_line_styles(claimed.comparison, key)
    labels = [cell.cell for cell in cells.cells]
    return known if all(label in known for label in labels) else find_line_styles(cells, key)


def _find_reference(claimed: Claimed) -> tuple[float, str] | None:
    """Returns the threshold of what is stable, or the number that the claim compares with."""
    claim = claimed.result.claim
    shown = metric_format(claimed.whole)
    if claim.reduction is not None:
        value = claim.reduction.threshold
        return None if value is None else (value, f"threshold {_write(value, shown)}")
    number = claimed.number
    return None if number is None else (number, f"{_write(number, shown)}, as claimed")


def _write(value: float, shown: MetricFormat) -> str:
    """Returns a value that somebody chose, with all of its figures and no more."""
    return f"{value * shown.scale:.6g}{NO_BREAK}{shown.unit}".rstrip(NO_BREAK)


def _find_chosen(claimed: Claimed) -> Iterator[str]:
    """Yields the cells at the values of the axis that validation chose."""
    for side in claimed.sides:
        yield from (one.found.cell for one in side.shown if one.place in side.axis_values)


def _find_ceilings(claimed: Claimed) -> Iterator[tuple[float, str]]:
    """Yields the mean of each side's largest stable values, on the scale of the claim."""
    reduction = claimed.result.claim.reduction
    if reduction is None or reduction.name != "largest_stable":
        return
    base = {"log2": 2, "log10": 10}.get(reduction.scale)
    for side in claimed.sides:
        if side.values:
            mean = fmean(side.values.values())
            yield (mean if base is None else base**mean), side.shown[0].found.cell


def _explain(claimed: Claimed) -> str:
    """Returns what the marks of a reduction mean."""
    reduction = claimed.result.claim.reduction
    if reduction is None:
        return ""
    if reduction.name == "largest_stable" and any(side.values for side in claimed.sides):
        mean = "mean" if reduction.scale == "linear" else "geometric mean"
        return (
            f"Dashed, with the mark of a line at the top: the {mean} of its largest stable values "
            "over the seeds."
        )
    if any(side.axis_values for side in claimed.sides):
        return f"Ringed: chosen by {reduction.select_by}, on other seeds, which are not drawn."
    return ""
