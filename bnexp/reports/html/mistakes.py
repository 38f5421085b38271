"""The pictures of the most confident mistakes, inside the page."""

from __future__ import annotations

import io
from dataclasses import dataclass

from bnexp.analysis.results import Comparison
from bnexp.reports.figures.answers.classes import Answered, write_probability
from bnexp.reports.figures.answers.mistakes import list_with_mistakes
from bnexp.runs.measured.predictions import Mistake

_MOST_PER_CELL, _LEAST_PER_CELL = 24, 6
_MOST_PER_PAGE = 96
"""Pictures, so that a page of many cells can still be mailed."""


@dataclass(frozen=True)
class Shown:
    """A picture with the words below it."""

    png: bytes
    is_coarse: bool
    """Whether it is enlarged, so that its pixels are seen."""
    true: str
    taken: str
    probability: str


@dataclass(frozen=True)
class Gallery:
    """The mistakes of one cell's first run."""

    answered: Answered
    pictures: tuple[Shown, ...]


def build_galleries(comparison: Comparison, parts: int) -> list[Gallery]:
    """Returns a gallery per cell that kept pictures; `parts` such comparisons share a page."""
    answered = list_with_mistakes(comparison)
    share = _MOST_PER_PAGE // (parts * len(answered) or 1)
    most = min(_MOST_PER_CELL, max(_LEAST_PER_CELL, share))
    return [
        Gallery(one, tuple(map(_show, one.predictions.list_mistakes()[:most]))) for one in answered
    ]


def _show(mistake: Mistake) -> Shown:
    from PIL import Image

    file, picture = io.BytesIO(), mistake.picture
    is_grey = picture.shape[2] == 1
    Image.fromarray(picture[:, :, 0] if is_grey else picture).save(file, "PNG", optimize=True)
    return Shown(
        file.getvalue(),
        max(picture.shape[:2]) < 64,
        mistake.true,
        mistake.taken,
        write_probability(mistake.probability),
    )
