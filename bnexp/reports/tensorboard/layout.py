"""What TensorBoard shows of a comparison beside curves: charts with bands, a text, figures."""

from __future__ import annotations

import re
from collections.abc import Sequence

from bnexp.analysis.results import Comparison
from bnexp.reports.aggregates import CellCurves
from bnexp.reports.figures.files import build_charts
from bnexp.reports.figures.style import figure_settings
from bnexp.reports.markdown import TENSORBOARD, render_markdown
from bnexp.runs.tensorboard_events import RUN_COLOURS, Image, LineChart, MarginChart

MEANS = "Mean over the seeds with its 95 % t interval"
ALL_RUNS = "All runs"

_KINDS = ("accuracy", "loss")
_ORDER = ("test", "val", "train")
_IMAGES = {"curves": "comparison/learning_curves", "effects": "comparison/effects"}
_DOTS = 144
"""Per inch: twice as many dots as pixels, so that a card shows a sharp figure."""

_HOW_TO_READ = f"""\
**Means over seeds.** `bnexp tb NAME --aggregate` shows the mean of each cell after each epoch,
and the ends of its 95 % t interval; its page Custom Scalars draws them as bands.

**One colour per cell.** The address that `bnexp tb` prints sets it. By hand, on the page Time
Series: the palette above the list of runs (*Color runs by...*), *Regex*, and then `{RUN_COLOURS}`
"""


def main_tags(comparison: Comparison, curves: Sequence[CellCurves]) -> tuple[str, ...]:
    """Returns the compared metric, then every accuracy and loss, test first.

    Only those that some cell has a curve of.
    """
    tags = dict.fromkeys(tag for cell in curves for tag in cell.by_tag)
    scores = (tag for tag in tags if tag.rpartition("/")[2] in _KINDS)
    chosen = (comparison.metric, *sorted(scores, key=_rank))
    return tuple(tag for tag in dict.fromkeys(chosen) if tag in tags)


def band_tags(tag: str) -> tuple[str, str]:
    """Returns the tags of the ends of a tag's band.

    A band is drawn of three tags of one run. Their name comes late in the alphabet, so
    that they don't stand before the metrics.
    """
    return f"with_interval/{tag}/low", f"with_interval/{tag}/high"


def build_layout(
    comparison: Comparison, curves: Sequence[CellCurves]
) -> dict[str, list[MarginChart | LineChart]]:
    """Returns the charts of Custom Scalars: the means with their bands, then all runs.

    The titles name no experiment: those of several experiments become one.
    """
    tags = main_tags(comparison, curves)
    bands: list[MarginChart | LineChart] = [
        MarginChart(tag, tag, *band_tags(tag))
        for tag in tags
        if any(tag in cell.by_tag and cell.by_tag[tag].low for cell in curves)
    ]
    lines: list[MarginChart | LineChart] = [
        LineChart(tag, (f"^{re.escape(tag)}$",)) for tag in tags
    ]
    # TensorBoard shows charts with bands in the opposite order.
    titled = {MEANS: bands[::-1], ALL_RUNS: lines}
    return {title: charts for title, charts in titled.items() if charts}


def render_text(comparison: Comparison) -> str:
    """Returns the comparison in the Markdown that TensorBoard knows, and how to read it all."""
    return f"{render_markdown(comparison, dialect=TENSORBOARD)}\n{_HOW_TO_READ}"


def draw_images(comparison: Comparison) -> dict[str, tuple[Image, str]]:
    """Returns each figure that the comparison has data for, with its description, by tag."""
    with figure_settings():
        return {
            _IMAGES[name]: (
                Image(chart.draw_alone(is_wide=False).encode_png(_DOTS)),
                chart.description,
            )
            for name, chart in build_charts(comparison).items()
        }


def _rank(tag: str) -> tuple[int, str]:
    prefix = tag.partition("/")[0].partition("_")[0]
    return _ORDER.index(prefix) if prefix in _ORDER else len(_ORDER), tag
