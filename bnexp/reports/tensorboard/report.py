"""Puts a comparison into TensorBoard: curves of each cell, charts with bands, table, figures."""

from __future__ import annotations

import hashlib
import json
import os
import re
import socket
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from bnexp.analysis.cells import group_cells
from bnexp.analysis.predictions import show_predictions
from bnexp.analysis.results import Comparison
from bnexp.files import read_foreign, remove_abandoned
from bnexp.foreign_text import escape_markdown, visible
from bnexp.reports.aggregates import CellCurves, build_cell_curves
from bnexp.reports.figures.claims.figure import build_claim_figures
from bnexp.reports.figures.files import build_charts, build_class_charts
from bnexp.reports.figures.style import figure_settings
from bnexp.reports.markdown import TENSORBOARD, render_markdown
from bnexp.reports.tensorboard.hparams import order_scores
from bnexp.runs import RunDir
from bnexp.runs.measured.predictions import read_predictions
from bnexp.runs.record import RunRecord
from bnexp.runs.streams.tensorboard_events import (
    EVENTS,
    RUN_COLOURS,
    Image,
    encode_event_file,
    image_event,
    layout_event,
    line_chart,
    margin_chart,
    scalars_event,
    text_event,
)

if TYPE_CHECKING:
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.plugins.custom_scalar.layout_pb2 import Chart

_FORMAT = 8
"""Raised whenever the same comparison is written differently."""

_DIGEST = ".digest"

MOST_CELLS = 100
"""More cells than these make pages that no browser draws and nobody reads."""

_MEANS = "Mean over the seeds with its 95 % t interval"
_ALL_RUNS = "All runs"

_IMAGES = {"curves": "learning_curves"}
"""What a figure is called if not by its own name."""
_CARD_DOTS = 350
"""The width of TensorBoard's cards, which leave out dots of a wider picture and break its text."""

_HOW_TO_READ = f"""\
**Means over seeds.** `bnexp tb NAME --aggregate` shows the mean of each cell after each epoch,
and the ends of its 95 % t interval; its page Custom Scalars draws them as bands.

**One colour per cell.** The address that `bnexp tb` prints sets it. By hand, on the page Time
Series: the palette above the list of runs (*Color runs by...*), *Regex*, and then `{RUN_COLOURS}`
"""


def write_to_tensorboard(
    comparison: Comparison,
    records: Sequence[RunRecord],
    folder: Path,
    warn: Callable[[str], None],
) -> None:
    """Writes what TensorBoard shows of a comparison, in place of what an earlier one wrote.

    Nothing is done if the folder already holds this comparison. A reader sees the old
    files or the new ones. What cannot be written is warned of in one line, never raised.
    """
    if len(comparison.cells) > MOST_CELLS:
        warn(
            f"{len(comparison.cells)} cells are too many for TensorBoard's pages (at most "
            f"{MOST_CELLS}), so the comparison is not written there; select some with --where"
        )
        return
    try:
        replace_events(
            folder, _describe(comparison, records), lambda: _encode_all(comparison, records)
        )
    except (OSError, ImportError, ValueError) as error:
        warn(f"the comparison cannot be written for TensorBoard ({error})")


def replace_events(
    folder: Path, shown: str, encode: Callable[[], Mapping[PurePosixPath, bytes]]
) -> None:
    """Writes event files by their folders in place of earlier ones, unless they show this already.

    Args:
        folder: What holds them, and nothing else.
        shown: All that they show, as a text.
        encode: Returns their content.

    Raises:
        OSError: They cannot be written.
    """
    digest = hashlib.sha256(repr((_FORMAT, shown)).encode()).hexdigest()
    if not _holds(folder, digest):
        _replace(folder, encode(), digest)


def _encode_all(comparison: Comparison, records: Sequence[RunRecord]) -> dict[PurePosixPath, bytes]:
    cells = (build_cell_curves(c.label, c.finished) for c in group_cells(records))
    shown = show_predictions(comparison, records, read_predictions)
    return _encode(shown, [*filter(None, cells)], time.time())


def _describe(comparison: Comparison, records: Sequence[RunRecord]) -> str:
    """Returns all that is shown, as a text: the comparison and the runs' summaries.

    The curves are in the summaries, whose size and time of writing stand for them.
    """
    shown = replace(comparison, cells=tuple(replace(c, curves={}) for c in comparison.cells))
    runs = [(str(run.path), run.state, _stamp(RunDir(run.path).summary)) for run in records]
    return repr((shown, runs))


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_size, found.st_mtime_ns


def _holds(folder: Path, digest: str) -> bool:
    """Returns whether the folder holds all that was written for that digest."""
    try:
        return read_foreign(folder / _DIGEST) == _note(folder, digest).encode()
    except (OSError, ValueError):
        return False


def _note(folder: Path, digest: str) -> str:
    """Returns the digest with the size of each event file in the folder, as JSON."""
    paths = sorted(folder.rglob(f"{EVENTS}*"))
    sizes = {path.relative_to(folder).as_posix(): path.stat().st_size for path in paths}
    return json.dumps({"sha256": digest, "bytes": sizes}, indent=2) + "\n"


def _encode(
    comparison: Comparison, curves: Sequence[CellCurves], now: float
) -> dict[PurePosixPath, bytes]:
    """Returns the content of each event file by its folder, a run of TensorBoard's."""
    layout = layout_event(_build_layout(comparison, curves), now)
    text = text_event("comparison", render_text(comparison), now)
    images = [image_event(tag, *found, now) for tag, found in _draw_images(comparison).items()]
    files = {
        PurePosixPath("comparison"): encode_event_file([text, *images], now),
        # Of the means: a run of its own, since it is shown with them alone.
        PurePosixPath("layout"): encode_event_file([layout], now),
    }
    for cell in curves:
        mains = _find_main_tags(comparison, [cell])
        for line in ("mean", "low", "high"):
            events = list(_line_events(cell, line, mains if line == "mean" else (), now))
            if events:
                files[_path_of(cell.label) / line] = encode_event_file(events, now)
    return files


def _line_events(
    cell: CellCurves, line: str, band_of: Sequence[str], now: float
) -> Iterator[Event]:
    """Yields an event per epoch: the line of every tag, and the bands of some of them."""
    lines = {tag: getattr(curve, line) for tag, curve in cell.by_tag.items()}
    for tag in band_of:
        lines |= zip(_name_band(tag), (cell.by_tag[tag].low, cell.by_tag[tag].high), strict=True)
    for epoch in range(1, cell.epochs + 1):
        scalars = {tag: values[epoch - 1] for tag, values in lines.items() if epoch <= len(values)}
        wall_time = now - cell.seconds_per_epoch * (cell.epochs - epoch)
        if scalars:
            yield scalars_event(round(cell.steps_per_epoch * epoch), wall_time, scalars)


def _find_main_tags(comparison: Comparison, curves: Sequence[CellCurves]) -> tuple[str, ...]:
    """Returns the compared metric, then every accuracy and loss, test first.

    Only those that some cell has a curve of.
    """
    tags = dict.fromkeys(tag for cell in curves for tag in cell.by_tag)
    chosen = (visible(comparison.metric), *order_scores(tags))
    return tuple(tag for tag in dict.fromkeys(chosen) if tag in tags)


def _name_band(tag: str) -> tuple[str, str]:
    """Returns the tags of the ends of a tag's band.

    A band is drawn of three tags of one run. Their name comes late in the alphabet, so
    that they don't stand before the metrics.
    """
    return f"with_interval/{tag}/low", f"with_interval/{tag}/high"


def _build_layout(comparison: Comparison, curves: Sequence[CellCurves]) -> dict[str, list[Chart]]:
    """Returns the charts of Custom Scalars: the means with their bands, then all runs.

    The titles name no experiment: those of several experiments become one.
    """
    tags = _find_main_tags(comparison, curves)
    bands = [
        margin_chart(tag, tag, *_name_band(tag))
        for tag in tags
        if any(tag in cell.by_tag and cell.by_tag[tag].low for cell in curves)
    ]
    # No run has a tag of a figure over several layers.
    own = [tag for tag in tags if not (comparison.question.layers and tag == comparison.metric)]
    lines = [line_chart(tag, [f"^{re.escape(tag)}$"]) for tag in own]
    # TensorBoard shows charts with bands in the opposite order.
    titled = {_MEANS: bands[::-1], _ALL_RUNS: lines}
    return {title: charts for title, charts in titled.items() if charts}


def render_text(comparison: Comparison) -> str:
    """Returns the comparison in the Markdown that TensorBoard knows, and how to read it all."""
    return f"{render_markdown(comparison, dialect=TENSORBOARD)}\n{_HOW_TO_READ}"


def _draw_images(comparison: Comparison) -> dict[str, tuple[Image, str]]:
    """Returns each figure that the comparison has data for, with its description, by tag."""
    charts = build_claim_figures(comparison)
    charts |= build_charts(comparison) | build_class_charts(comparison)
    with figure_settings():
        return {
            f"comparison/{_IMAGES.get(name, name)}": (
                Image(sheet.encode_png(_CARD_DOTS / sheet.figure.get_figwidth())),
                escape_markdown(chart.description),
            )
            for name, chart in charts.items()
            for sheet in [chart.draw_alone(is_wide=False)]
        }


def _path_of(label: str) -> PurePosixPath:
    """Returns the label as a relative path: that of several folders begins with theirs."""
    parts = PurePosixPath(label).parts
    return PurePosixPath(*(part for part in parts if part not in ("/", "..")))


def _replace(folder: Path, files: Mapping[PurePosixPath, bytes], digest: str) -> None:
    """Writes a new folder beside the old one and puts it in its place."""
    remove_abandoned(folder)
    with tempfile.TemporaryDirectory(
        suffix=".tmp", prefix=f".{folder.name}.", dir=folder.parent, ignore_cleanup_errors=True
    ) as temporary:
        new = Path(temporary, "new")
        _write_files(new, files)
        (new / _DIGEST).write_text(_note(new, digest), encoding="utf-8")
        if folder.exists():
            folder.rename(Path(temporary, "old"))
        new.rename(folder)


def _write_files(folder: Path, files: Mapping[PurePosixPath, bytes]) -> None:
    # A name that was there before would be taken for the old file, grown longer.
    name = f"{EVENTS}{time.time_ns()}.{socket.gethostname()}.{os.getpid()}"
    for number, (run, content) in enumerate(files.items()):
        path = folder / run / f"{name}.{number}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
