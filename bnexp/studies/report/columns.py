"""The table of a report on studies: a row per claim."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from bnexp.reports.table import Column, Kind
from bnexp.studies.report.words import Row

_COLUMNS: dict[str, tuple[Kind, Callable[[Row], str]]] = {
    "study": ("name", lambda row: row.part.title),
    "no.": ("number", lambda row: str(row.part.declared.number or "")),
    "claim": ("text", lambda row: row.statement),
    "verdict": ("verdict", lambda row: row.verdict),
    "effect [interval]": ("text", lambda row: row.effect),
    "n": ("number", lambda row: row.seeds),
    "measured": ("text", lambda row: row.measured),
    "published": ("text", lambda row: row.published),
    "source": ("text", lambda row: row.source),
}

ALL = ("study", *(name for name in _COLUMNS if name not in ("study", "no.")))
NARROW = ("claim", "verdict", "effect [interval]", "n")
"""What fits on a terminal."""


def build_columns(rows: Sequence[Row], names: Sequence[str] = ALL) -> tuple[Column, ...]:
    """Returns these columns, each with a cell per row."""
    return tuple(
        Column((name,), tuple(((read(row),),) for row in rows), kind)
        for name in names
        for kind, read in [_COLUMNS[name]]
    )
