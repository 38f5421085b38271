"""Sensitivity: the metric over a swept number, e.g. the learning rate, with a line per variant."""

from __future__ import annotations

from collections.abc import Mapping
from math import inf, isfinite

from bnexp.analysis.results import Comparison
from bnexp.config.sweep.names import short_names
from bnexp.reports.figures.sensitivity.drawing import draw_sensitivity
from bnexp.reports.figures.sensitivity.lines import (
    Extras,
    Line,
    Sensitivity,
    find_line_styles,
    find_sensitivity,
    in_words,
    leave_out_lonely,
    move_together,
)
from bnexp.reports.figures.sheet import (
    Chart,
)
from bnexp.reports.figures.style import (
    describe_bands,
)
from bnexp.reports.words.headings import describe_selection
from bnexp.wording import count, count_range


def build_sensitivities(comparison: Comparison, most_lines: float = inf) -> dict[str, Chart]:
    """Returns a figure for each number that the cells differ in, by the key's short name.

    It shows the mean with a 95 % t band, a point per seed, and how many runs diverged, over
    the values of the key. Cells that differ in nothing else are joined by a line, in the
    colour of their norm. A key is left out if no line would have two values, if cells of
    several experiments stand at the same place of a line, or if no axis could hold its values,
    or if there would be more than `most_lines` lines.
    Of keys that move together, whose points are the same, the first one's axis names all.
    """
    names = dict(zip(comparison.differing, short_names(comparison.differing), strict=True))
    charts: dict[str, Chart] = {}
    for key in names:
        is_drawn = any(move_together(comparison, key, other) for other in charts)
        chart = None if is_drawn else _build_chart(comparison, key, names, most_lines)
        if chart is not None:
            charts[key] = chart
    return {names[key]: chart for key, chart in charts.items()}


def _build_chart(
    comparison: Comparison, key: str, names: Mapping[str, str], most_lines: float
) -> Chart | None:
    shown = leave_out_lonely(comparison, key)
    sensitivity = find_sensitivity(shown, key, Extras(styles=find_line_styles(comparison, key)))
    if sensitivity is None or len(sensitivity.lines) > most_lines:
        return None
    word = in_words(names[key])
    left_out = len(comparison.cells) - len(shown.cells)
    note = f"Left out: {count(left_out, 'cell')} with one {word} alone." if left_out else ""
    return Chart(
        f"Sensitivity to {word}",
        f"{comparison.experiment}: {comparison.metric} over {sensitivity.axis_name}",
        " ".join(filter(None, (describe_reading(shown, sensitivity, word), note))),
        describe_lines(sensitivity),
        lambda is_wide: draw_sensitivity(sensitivity, is_wide=is_wide),
        describe_selection(comparison.where),
    )


def describe_reading(comparison: Comparison, sensitivity: Sensitivity, word: str) -> str:
    """Returns how the figure is to be read; `word` is what the axis's number is called."""
    sizes = {cell.n for cell in comparison.cells if cell.n}
    is_single = sizes == {1}
    points = [point for line in sensitivity.lines for point in line.points]
    parts = {
        "One seed per point.": is_single,
        f"Line: mean over {count_range(sizes, 'seed')}.": not is_single,
        describe_bands("Band", sizes): any(point.interval for point in points),
        "Small: single seeds.": not is_single,
        "×: runs that diverged, of those that ended; they are in no mean.": bool(
            sensitivity.diverging
        ),
        f"Dotted: a cell without a number for {word}, its seeds at the left edge.": any(
            line.is_level for line in sensitivity.lines
        ),
    }
    return " ".join(text for text, is_said in parts.items() if is_said)


def describe_lines(sensitivity: Sensitivity) -> str:
    """Returns what the figure shows, in words."""
    return "; ".join(_describe(line, sensitivity) for line in sensitivity.lines)


def _describe(line: Line, sensitivity: Sensitivity) -> str:
    shown, parts = sensitivity.shown, []
    for point in line.points:
        place = "" if line.is_level else f" at {sensitivity.write_place(point.at)}"
        mean = shown.value(point.mean / shown.scale) if isfinite(point.mean) else "no mean"
        fate = f" ({point.diverged} of {point.ended} diverged)" if point.diverged else ""
        parts.append(f"{mean}{place}{fate}")
    return ": ".join(filter(None, (line.name.label, ", ".join(parts))))
