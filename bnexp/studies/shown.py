"""What is shown of a study beside its result: its comparison, and a figure of each claim."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated

from pydantic import Field

FileName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.=,()-]*\.(png|md)$")]
"""A file in the study's folder: a name, no path."""


@dataclass(frozen=True)
class ShownFigure:
    """A figure, drawn for a page and for one of TensorBoard's cards."""

    file: FileName
    card: FileName
    title: str
    description: str


@dataclass(frozen=True)
class ShownFiles:
    """The files in a study's folder, of which there may be none."""

    verdicts: str = ""
    """A digest of the verdicts that they show."""
    comparison: FileName | None = None
    figures: Mapping[str, ShownFigure] = field(default_factory=dict)
    """By the claim's digest."""
    overviews: tuple[ShownFigure, ...] = ()
    """What shows variants that no claim is about beside the others."""
