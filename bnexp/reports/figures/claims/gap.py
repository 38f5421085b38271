"""The gap between training and test: one against the other, a point per run, and the diagonal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING, Any

from bnexp.analysis.metrics import natural_range, split_tag
from bnexp.analysis.results import ClaimCell
from bnexp.reports.figures.claims.cells import Claimed
from bnexp.reports.figures.legend import Name, Room, add_named_panel, write_names
from bnexp.reports.figures.sheet import (
    Chart,
    Panel,
    Sheet,
    format_ticks,
    marker,
    pad_limits,
    round_ticks,
    space_label,
    text_width,
)
from bnexp.reports.figures.style import MOST_WITH_BANDS, MUTED
from bnexp.reports.words.claims import claim_format
from bnexp.reports.words.formatting import with_unit
from bnexp.wording import count_range

if TYPE_CHECKING:
    from bnexp.config.claim.config import ClaimConfig

_ROOM = Room(height=340.0, narrow_height=290.0, top=34.0, bottom=50.0)


@dataclass(frozen=True)
class Cloud:
    """One cell's runs in the unit that is shown: across the first metric, up the second."""

    name: Name
    runs: tuple[tuple[float, float], ...]

    @property
    def mean(self) -> tuple[float, float]:
        """The means of both."""
        return fmean(x for x, _ in self.runs), fmean(y for _, y in self.runs)


@dataclass(frozen=True)
class Clouds:
    """All that a drawing shows."""

    words: tuple[str, str]
    """What stands at the two axes."""
    clouds: tuple[Cloud, ...]
    limits: tuple[float, float]
    """Of both axes."""


def is_gap(claim: ClaimConfig) -> bool:
    """Returns whether the claim is about training minus test, or the other way round."""
    parts = [split_tag(tag) for tag in claim.tags]
    trained = [images in ("train", "train_eval") for images, _ in parts]
    return len(parts) == 2 and parts[0][1] == parts[1][1] and trained[0] != trained[1]


def build_gap(claimed: Claimed) -> Chart | None:
    """Returns the figure, or None without a run that has both, or with too many cells."""
    clouds = tuple(cloud for one in claimed.cells if (cloud := _build_cloud(claimed, one)).runs)
    if not clouds or len(clouds) > MOST_WITH_BANDS:
        return None
    claim = claimed.result.claim
    shown = claim_format(claim)
    low, high = (end * shown.scale for end in natural_range(claim.tags[0]))
    values = [value for cloud in clouds for run in cloud.runs for value in run]
    across, up = (with_unit(tag, shown.unit) for tag in claim.tags)
    drawn = Clouds((across, up), clouds, pad_limits(values, 0.08, (low, high)))
    sizes = {len(cloud.runs) for cloud in clouds}
    return Chart(
        "Evidence: training against test",
        claimed.title,
        f"Small: single runs. Large marker: the mean over {count_range(sizes, 'run')} of each "
        "cell; its distance to the diagonal, where both are equal, is the gap (dotted).",
        "; ".join(_describe(claimed, cloud) for cloud in clouds),
        lambda is_wide: _draw(drawn, is_wide=is_wide),
    )


def _build_cloud(claimed: Claimed, one: ClaimCell) -> Cloud:
    shown = claim_format(claimed.result.claim)
    first, second = (one.figures.get(tag, {}) for tag in claimed.result.claim.tags)
    runs = tuple(
        (first[seed] * shown.scale, second[seed] * shown.scale) for seed in first if seed in second
    )
    mean = one.found.mean
    gap = "" if mean is None else f"gap {shown.difference(mean)}"
    name = Name(claimed.names[one.found.cell], gap, claimed.styles[one.found.cell])
    return Cloud(name, runs)


def _describe(claimed: Claimed, cloud: Cloud) -> str:
    unit = claim_format(claimed.result.claim).unit
    parts = [
        f"{split_tag(tag)[0]} {value:.1f} {unit}".rstrip()
        for tag, value in zip(claimed.result.claim.tags, cloud.mean, strict=True)
    ]
    return f"{space_label(cloud.name.label)}: {', '.join([*parts, cloud.name.note])}"


def _draw(drawn: Clouds, *, is_wide: bool) -> Sheet:
    names = [cloud.name for cloud in drawn.clouds]
    ticks = round_ticks(*drawn.limits, 6 if is_wide else 5)
    panel = add_named_panel(_ROOM, 18 + text_width(format_ticks(ticks)), names, is_wide=is_wide)
    _draw_axes(panel, drawn, ticks)
    for cloud in drawn.clouds:
        _draw_cloud(panel, cloud)
    heights = [panel.place(*cloud.mean)[1] for cloud in drawn.clouds]
    write_names(panel, names, [(panel.right, height) for height in heights])
    return panel.sheet


def _draw_axes(panel: Panel, drawn: Clouds, ticks: Sequence[float]) -> None:
    axes, (across, up) = panel.axes, drawn.words
    axes.set_xlim(drawn.limits)
    axes.set_ylim(drawn.limits)
    panel.set_ticks("x", ticks)
    panel.set_ticks("y", ticks)
    axes.grid(axis="both")
    axes.plot(drawn.limits, drawn.limits, color=MUTED, linewidth=1.3, zorder=1)
    panel.sheet.write([up], 0, panel.top + 22, color=MUTED)
    middle = (panel.left + panel.right) / 2
    panel.sheet.write([across], middle, panel.bottom - 38, color=MUTED, ha="center")


def _draw_cloud(panel: Panel, cloud: Cloud) -> None:
    axes, style, (x, y) = panel.axes, cloud.name.style, cloud.mean
    look: dict[str, Any] = {"color": style.colour, "linewidth": 1.6, "linestyle": (0, (1, 1.6))}
    axes.plot([x, x], [y, x], **look, zorder=1.5)
    dots: dict[str, Any] = {"markersize": 5.5, "alpha": 0.6, "mew": 0, "zorder": 2}
    axes.plot(*zip(*cloud.runs, strict=True), "o", color=style.colour, **dots, clip_on=False)
    axes.plot([x], [y], **marker(style, 1.15), zorder=3, clip_on=False)
