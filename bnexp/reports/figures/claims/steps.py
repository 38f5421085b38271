"""What a claim is about while the runs train: a diagnostic over the steps, or two metrics."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import isfinite
from typing import TYPE_CHECKING

from bnexp.analysis.metrics import natural_range, other_statistics, split_tag
from bnexp.analysis.results import ClaimCell
from bnexp.reports.figures.claims.cells import Claimed
from bnexp.reports.figures.inside.steps import (
    MOST_WITH_SEEDS,
    Line,
    Lines,
    build_line,
    describe_line,
    describe_reading,
    draw_lines,
    is_log_scale,
    name_cell,
)
from bnexp.reports.figures.legend import Name
from bnexp.reports.figures.sheet import Chart
from bnexp.reports.figures.style import SECOND, THIRD
from bnexp.reports.words.claims import claim_format, describe_claim
from bnexp.reports.words.formatting import MetricFormat, with_unit
from bnexp.runs.record import Series

if TYPE_CHECKING:
    from matplotlib.typing import LineStyleType

_DASHES: LineStyleType = (0, (3.2, 1.8))
_DOTS: LineStyleType = (0, (1, 1.6))
_RUNNING = {
    "train_eval": "train, running statistics",
    "val": "val, running statistics",
    "test": "test, running statistics",
}
_OTHERS = {
    f"{pictures}_{kind}": f"{pictures}, {words}"
    for pictures in ("val", "test")
    for kind, words in (
        ("precise", "precise statistics"),
        ("batch", "the batch's own statistics"),
    )
}
"""What metrics of evaluations with other statistics than the running ones are about."""
_HALF = 0.12
"""Half the width of the mark at an epoch."""


def build_steps(claimed: Claimed) -> Chart | None:
    """Returns a diagnostic over the steps, a line with a band per cell, or None without values."""
    claim, metric = claimed.result.claim, claimed.result.claim.metric
    found = {
        one.found.cell: [*one.found.diagnostics.get(metric, {}).values()] for one in claimed.cells
    }
    cells = [one for one in claimed.cells if found[one.found.cell]]
    values = [value for every in found.values() for one in every for value in one.values]
    if not cells:
        return None
    is_log = is_log_scale(values)
    number = claimed.number
    lines = tuple(
        build_line(
            name_cell(claimed.names[one.found.cell], claimed.styles[one.found.cell], one.found),
            found[one.found.cell],
            is_log=is_log,
            has_diverged=not one.found.statuses.get("finished"),
            is_crowded=len(cells) > MOST_WITH_SEEDS,
        )
        for one in cells
    )
    layers = f", {claim.layers} over the layers" if claim.layers else ""
    shown = Lines(
        f"{metric}{layers}",
        lines,
        is_log,
        reference=None if number is None or (is_log and number <= 0) else (number, f"{number:g}"),
        compared=_find_compared(claimed, found),
    )
    sizes = {len(found[one.found.cell]) for one in cells}
    # The line over a logarithmic axis is the geometric mean, which only a ratio compares.
    mean = "arithmetic means" if is_log and claim.as_ == "difference" else "means"
    when = "last values" if claim.at is None else f"{mean} of epoch {claim.at.epoch}"
    measured = describe_claim(claimed.result).measured
    figures = f", {measured}" if is_log and claim.at and len(claimed.result.parts) == 1 else ""
    is_span = shown.compared is not None and shown.compared[0] < shown.compared[1]
    mark = "" if shown.compared is None else f" ({'grey' if is_span else 'dashed line'})"
    return Chart(
        "Evidence: over the steps",
        claimed.title,
        f"{describe_reading(shown, sizes)} Compared: the {when}{mark}{figures}.",
        "; ".join(map(describe_line, lines)),
        lambda is_wide: draw_lines(shown, is_wide=is_wide),
    )


def _find_compared(claimed: Claimed, found: dict[str, list[Series]]) -> tuple[float, float] | None:
    """Returns the first and the last measured step of the epoch that the claim compares."""
    at = claimed.result.claim.at
    steps = [
        step
        for every in found.values()
        for one in every
        for step, epoch in zip(one.steps, one.epochs, strict=True)
        if at is not None and epoch == at.epoch
    ]
    return (min(steps), max(steps)) if steps else None


def build_epochs(claimed: Claimed) -> Chart | None:
    """Returns both metrics of a difference after each epoch, or None without values.

    Or if they are of two kinds, which no axis holds.
    """
    claim = claimed.result.claim
    kinds = {split_tag(tag)[1] for tag in claim.tags}
    lines = tuple(_build_lines(claimed)) if len(kinds) == 1 else ()
    if not lines:
        return None
    shown = _format(claimed)
    low, high = (end * shown.scale for end in natural_range(claim.tags[0]))
    epoch = None if claim.at is None else float(claim.at.epoch)
    plot = Lines(
        with_unit(kinds.pop(), shown.unit),
        lines,
        is_log=False,
        axis="epoch",
        bounds=(low, high),
        compared=None if epoch is None else (epoch - _HALF, epoch + _HALF),
    )
    first, second, *others = _name_sets(_list_tags(claimed))
    beside = "".join(f"; dotted, to compare: {one}" for one in others)
    when = "after the last epoch" if epoch is None else f"after epoch {epoch:g} (grey)"
    parts = [f"Solid: {first}; dashed: {second}{beside}.", describe_reading(plot, claimed.sizes)]
    return Chart(
        "Evidence: over the epochs",
        claimed.title,
        " ".join([*parts, f"Compared: the difference {when}."]),
        "; ".join(map(describe_line, lines)),
        lambda is_wide: draw_lines(plot, is_wide=is_wide),
    )


def _format(claimed: Claimed) -> MetricFormat:
    return claim_format(claimed.result.claim)


def _list_tags(claimed: Claimed) -> list[str]:
    """Returns the two tags of the difference, and of a single cell the third that suits them."""
    claim, cells = claimed.result.claim, claimed.cells
    others = other_statistics(claim.tags) if len(cells) == 1 else ()
    return [*claim.tags, *(tag for tag in others if cells[0].found.curves.get(tag))]


def _build_lines(claimed: Claimed) -> Iterator[Line]:
    claim, cells, tags = claimed.result.claim, claimed.cells, _list_tags(claimed)
    scale = _format(claimed).scale
    dashes: tuple[LineStyleType, ...] = ("-", _DASHES, _DOTS)
    low, high = (end * scale for end in natural_range(claim.tags[0]))
    for one in cells:
        own = claimed.styles[one.found.cell]
        styles = (own, own) if len(cells) > 1 else (own, SECOND, THIRD)
        for tag, images, dash, style in zip(tags, _name_sets(tags), dashes, styles, strict=False):
            seeds = [*_scale(one, tag, scale)]
            name = f"{claimed.names[one.found.cell]}, {images}" if len(cells) > 1 else images
            if seeds:
                yield build_line(
                    Name(name, "", style, dash),
                    seeds,
                    is_log=False,
                    has_diverged=False,
                    is_crowded=len(cells) > 1,
                    bounds=(low, high),
                )


def _name_sets(tags: Sequence[str]) -> list[str]:
    """Returns the pictures that tags are about, and with which statistics if the tags differ so."""
    sets = [split_tag(tag)[0] for tag in tags]
    names = {**_RUNNING, **_OTHERS}
    if {*sets} <= {*names} and not {*sets}.isdisjoint(_OTHERS):
        return [names[one] for one in sets]
    return sets


def _scale(one: ClaimCell, tag: str, scale: float) -> Iterator[Series]:
    """Yields the curve of each finished run in the unit that is shown, by the epoch."""
    for curve in one.found.curves.get(tag, {}).values():
        if any(map(isfinite, curve)):
            epochs = tuple(range(1, len(curve) + 1))
            yield Series(epochs, epochs, tuple(value * scale for value in curve))
