"""Times to a target: the share of runs that have not reached it yet, Kaplan and Meier's curves."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bnexp.analysis.results import ClaimCell
from bnexp.analysis.stats.survival import survival_curve
from bnexp.reports.figures.claims.cells import Claimed
from bnexp.reports.figures.legend import Name, Room, add_named_panel, write_names
from bnexp.reports.figures.sheet import (
    Chart,
    Panel,
    Sheet,
    marker,
    round_ticks,
    space_label,
    text_width,
)
from bnexp.reports.figures.style import LINE_WIDTH, MOST_WITH_BANDS, MUTED, PAPER, find_dashes

if TYPE_CHECKING:
    from matplotlib.typing import LineStyleType

_ROOM = Room(height=260.0, narrow_height=210.0, top=34.0, bottom=46.0)
_TICKS = (0.0, 25.0, 50.0, 75.0, 100.0)
_AXIS = "runs below the target (%)"


@dataclass(frozen=True)
class Line:
    """One cell's curve, in percent of its runs."""

    name: Name
    n: int
    reached: int
    steps: tuple[tuple[float, float], ...]
    """Where the curve stands from each time on, 0 the first; at the end once more."""
    censored: tuple[tuple[float, float], ...]
    """When runs were last seen without reaching the target, and where the curve was then."""
    diverged: tuple[tuple[float, float], ...]
    """Of these, those that had diverged."""


def build_survival(claimed: Claimed) -> Chart | None:
    """Returns a curve per cell, or None without times, or if there are too many cells."""
    cells = [*_choose_cells(claimed)]
    horizon = max((time for one in cells for time, _ in one.arrivals.values()), default=0.0)
    dashes = find_dashes([claimed.styles[one.found.cell] for one in cells])
    lines = tuple(
        _build_line(claimed, one, horizon, dash) for one, dash in zip(cells, dashes, strict=True)
    )
    if not (lines and horizon > 0) or len(lines) > MOST_WITH_BANDS:
        return None
    unit = "epoch" if claimed.result.claim.metric == "epochs_to_target" else "step"
    return Chart(
        "Evidence: time to the target",
        claimed.title,
        _caption(claimed, lines),
        "; ".join(map(_describe, lines)),
        lambda is_wide: _draw(lines, horizon, unit, is_wide=is_wide),
    )


def _choose_cells(claimed: Claimed) -> Iterator[ClaimCell]:
    """Yields the cells with times; of an axis on which values were chosen, those at them."""
    chosen = {
        one.found.cell
        for side in claimed.sides
        for one in side.shown
        if not side.axis_values or one.place in side.axis_values
    }
    yield from (one for one in claimed.cells if one.arrivals and one.found.cell in chosen)


def _build_line(claimed: Claimed, one: ClaimCell, horizon: float, dash: LineStyleType) -> Line:
    cell, arrivals = one.found.cell, one.arrivals
    times = [time for time, _ in arrivals.values()]
    falls = survival_curve(times, [is_reached for _, is_reached in arrivals.values()])
    steps = [(0.0, 100.0), *((time, 100 * float(level)) for time, level in falls)]
    late = {seed: time for seed, (time, is_reached) in arrivals.items() if not is_reached}
    places = {seed: (time, _find_level(steps, time)) for seed, time in late.items()}
    reached, diverged = len(arrivals) - len(late), len(late.keys() & one.diverged)
    note = f"{reached} of {len(arrivals)} reached" + f", {diverged} diverged" * bool(diverged)
    return Line(
        Name(claimed.names[cell], note, claimed.styles[cell], dash),
        len(arrivals),
        reached,
        (*steps, (horizon, steps[-1][1])),
        tuple(place for seed, place in places.items() if seed not in one.diverged),
        tuple(place for seed, place in places.items() if seed in one.diverged),
    )


def _find_level(steps: Sequence[tuple[float, float]], time: float) -> float:
    return next(level for start, level in reversed(steps) if start <= time)


def _caption(claimed: Claimed, lines: Sequence[Line]) -> str:
    claim = claimed.result.claim
    target = "the last test/accuracy of the control's run of the same seed"
    if isinstance(claim.target, float):
        target = f"a test/accuracy of {100 * claim.target:.6g} %"
    sizes = {line.n for line in lines}
    runs = f"{sizes.pop()} runs per cell" if len(sizes) == 1 else "the runs of each cell"
    parts = {
        f"Line: share of {runs} that have not yet reached {target}.": True,
        "Large dot: runs that ended without reaching it.": any(line.censored for line in lines),
        "×: runs that diverged; they count as not reaching it.": any(
            line.diverged for line in lines
        ),
    }
    return " ".join(text for text, is_said in parts.items() if is_said)


def _describe(line: Line) -> str:
    half = next((time for time, level in line.steps if level <= 50), None)
    median = "fewer than half" if half is None else f"half of them by {half:g}"
    return f"{space_label(line.name.label)}: {line.name.note}, {median}"


def _draw(lines: Sequence[Line], horizon: float, unit: str, *, is_wide: bool) -> Sheet:
    names = [line.name for line in lines]
    panel = add_named_panel(_ROOM, 18 + text_width(["100"]), names, is_wide=is_wide)
    _draw_axes(panel, horizon, unit)
    for line in lines:
        _draw_line(panel, line)
    write_names(panel, names, [panel.place(*line.steps[-1]) for line in lines])
    return panel.sheet


def _draw_axes(panel: Panel, horizon: float, unit: str) -> None:
    axes = panel.axes
    axes.set_xlim(0, horizon)
    axes.set_ylim(-4, 104)
    panel.set_ticks("y", _TICKS)
    panel.set_ticks("x", round_ticks(0, horizon, 6 if panel.sheet.is_wide else 5))
    axes.grid(axis="y")
    panel.sheet.write([_AXIS], panel.left - 8, panel.top + 22, color=MUTED)
    panel.sheet.write([unit], panel.right, panel.bottom - 34, color=MUTED, ha="right")


def _draw_line(panel: Panel, line: Line) -> None:
    axes, style = panel.axes, line.name.style
    times, levels = zip(*line.steps, strict=True)
    look: dict[str, Any] = {"color": style.colour, "linewidth": LINE_WIDTH, "clip_on": False}
    axes.plot(times, levels, drawstyle="steps-post", linestyle=line.name.line, **look, zorder=3)
    # One marker, where the curve first falls, so that none is taken for a run that was stopped.
    start, end = line.steps[:2]
    axes.plot([end[0]], [(start[1] + end[1]) / 2], **marker(style), zorder=3.1, clip_on=False)
    crosses: dict[str, Any] = {"marker": "x", "ls": "", "markersize": 19, "mew": 2}
    dots: dict[str, Any] = {"marker": "o", "ls": "", "markersize": 13, "mew": 1, "mec": PAPER}
    for places, mark in ((line.censored, dots), (line.diverged, crosses)):
        if places:
            xs, ys = zip(*places, strict=True)
            axes.plot(xs, ys, color=style.colour, **mark, zorder=3.3, clip_on=False)
