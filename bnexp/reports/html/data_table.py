"""A table whose rows become cards on a narrow screen, with numbers aligned on their decimals."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from bnexp.reports.html.markup import Markup, breakable, join, tag

FIGURE_SPACE = "\u2007"
"""A blank as wide as a digit."""

_NUMBER = re.compile(r"([-+]?\d[\d,]*(?:\.\d+)?(?:e[-+]?\d+)?)")


@dataclass(frozen=True)
class HtmlColumn:
    """A header and the content of each row; `kind` is the class that places and styles it."""

    header: str
    cells: tuple[Markup, ...]
    kind: str = "text"


def data_table(
    columns: Sequence[HtmlColumn], row_classes: Sequence[str | None], caption: str
) -> Markup:
    """Returns the table in a box that scrolls by itself; the first column names the row.

    The roles say again what a table's elements say, for browsers that forget it once the
    rows are drawn as cards.
    """
    head = tag("tr", *(_header(column) for column in columns), role="row")
    body = (
        tag(
            "tr",
            *(_cell(columns, place, row) for place in range(len(columns))),
            role="row",
            class_=name,
        )
        for row, name in enumerate(row_classes)
    )
    table = tag(
        "table",
        tag("caption", caption, class_="unseen"),
        tag("thead", head, role="rowgroup"),
        tag("tbody", *body, role="rowgroup"),
        role="table",
    )
    return tag("div", table, class_="box", tabindex="0", role="region", aria_label=caption)


def aligned(texts: Sequence[str]) -> tuple[Markup, ...]:
    """Returns the texts with blanks before each k-th number that is shorter than the longest.

    As the numbers of a column have equally many decimals, and a figure space is as wide as
    a digit, their decimal points then stand below each other.
    """
    split = [_NUMBER.split(content) for content in texts]
    most = max(map(len, split), default=0)
    widths = [max(len(parts[at]) for parts in split if at < len(parts)) for at in range(most)]
    return tuple(
        join(
            _pad(widths[at] - len(part)) + part if at % 2 else part for at, part in enumerate(parts)
        )
        for parts in split
    )


def _pad(missing: int) -> Markup:
    """Returns blanks that a card, where nothing stands below, doesn't show."""
    return tag("span", FIGURE_SPACE * missing, class_="pad") if missing else Markup()


def lines(content: str) -> Markup:
    """Returns text with its line breaks."""
    return join(content.split("\n"), tag("br"))


def _header(column: HtmlColumn) -> Markup:
    header = join(map(breakable, column.header.split("\n")), tag("br"))
    return tag("th", header, scope="col", role="columnheader", class_=column.kind)


def _cell(columns: Sequence[HtmlColumn], place: int, row: int) -> Markup:
    column = columns[place]
    label = column.header.replace("\n", " ")
    content = tag("div", column.cells[row])
    if place == 0:
        return tag("th", content, scope="row", role="rowheader", class_=column.kind)
    return tag("td", content, role="cell", class_=column.kind, data_label=label)
