"""Puts the report on studies into TensorBoard: the verdicts as text, and a figure per claim."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from bnexp.errors import BnexpError
from bnexp.foreign_text import escape_markdown
from bnexp.reports.markdown import TENSORBOARD
from bnexp.reports.tensorboard.report import replace_events
from bnexp.runs.streams.tensorboard_events import Image, encode_event_file, image_event, text_event
from bnexp.studies.report.build import StudyReport
from bnexp.studies.report.markdown import render_studies_markdown
from bnexp.studies.results_folder import ResultsFolder

if TYPE_CHECKING:
    from tensorboard.compat.proto.event_pb2 import Event

_RUN = "studies"
"""The name of the run, and what its tags begin with."""


def write_studies_to_tensorboard(
    report: StudyReport, folder: ResultsFolder, warn: Callable[[str], None]
) -> None:
    """Writes what TensorBoard shows of the report, in place of what an earlier one wrote.

    Nothing is done if it is there already. What cannot be written is warned of in one line.
    """
    text = render_studies_markdown(report, dialect=TENSORBOARD)
    shown = [(part.title, part.shown.verdicts) for part in report.parts]

    def encode() -> dict[PurePosixPath, bytes]:
        now = time.time()
        events = [text_event(_RUN, text, now), *_draw(report, folder, now)]
        return {PurePosixPath(_RUN): encode_event_file(events, now)}

    try:
        replace_events(folder.events, repr((text, shown)), encode)
    except (OSError, ImportError, ValueError, BnexpError) as error:
        warn(f"the report cannot be written for TensorBoard ({error})")


def _draw(report: StudyReport, folder: ResultsFolder, now: float) -> Iterator[Event]:
    for part in report.parts:
        for name, figure in part.named_figures.items():
            picture = folder.read_picture(part.declared.study, figure.card)
            tag = f"{_RUN}/{part.declared.study}/{name}"
            description = escape_markdown(f"{figure.title}. {figure.description}")
            yield image_event(tag, Image(picture), description, now)
