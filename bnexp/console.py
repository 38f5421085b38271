"""A console on stdout, whatever its encoding, and the one style of all tables on a terminal."""

from __future__ import annotations

import io
import os
import re
import sys
from collections.abc import Collection, Iterable, Sequence
from typing import Any

from rich import box
from rich.console import Console, ConsoleOptions, JustifyMethod, RenderableType, RenderResult
from rich.measure import Measurement
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from bnexp.foreign_text import visible, visible_lines

PLAIN_WIDTH = 100
"""Characters per line if the output is no terminal and COLUMNS is not set."""

_LONGEST_NAME = 30
"""Characters beyond which a name is broken into lines."""

_BREAKS = (
    "(?<=,)(?! )|(?<=, )",
    "(?<=[(/ ])|(?=[.][a-z])",
    "(?<==)",
    "(?<=_)|(?<=[a-z]-)|(?<=[a-z])(?=[A-Z])",
)
"""Where names are broken, the best places first."""


def open_console() -> Console:
    """Returns a console on stdout: coloured on a terminal, plain and wide enough elsewhere."""
    accept_any_text()
    console = VisibleConsole()
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = PLAIN_WIDTH
    return console


class VisibleConsole(Console):
    """A console that prints texts as they stand, and whose texts cannot steer a terminal.

    A name in brackets is no markup, and a control character in a name is shown, not sent.
    """

    def __init__(self, **options: Any) -> None:  # noqa: ANN401 - those of the base class
        super().__init__(highlight=False, markup=False, emoji=False, **options)

    def render_str(self, text: str, **options: Any) -> Text:  # noqa: ANN401
        """Returns the text, made visible before it is measured."""
        return super().render_str(visible_lines(text), **options)

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        """Yields the pieces of what is printed, each made visible unless Rich itself controls."""
        for text, style, control in super().render(renderable, options):
            yield Segment(text if control else visible_lines(text), style, control)


def accept_any_text() -> None:
    """Lets stdout write `?` for what its encoding lacks, such as ± in ASCII, and not fail."""
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors == "strict":
        sys.stdout.reconfigure(errors="replace")


def open_table(*headers: str, numbers: Collection[str] = ()) -> Table:
    """Returns an empty table in the one style of all commands: a line below the header.

    Columns whose headers are among `numbers` are flush right; long texts are folded, never cut.
    """
    table = Table(
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        show_edge=False,
        header_style="",
        padding=(0, 1, 0, 0),
    )
    for header in headers:
        side: JustifyMethod = "right" if header in numbers else "left"
        table.add_column(header, justify=side, overflow="fold", no_wrap=header in numbers)
    return table


class FoldedName:
    """A cell's name, which a narrow column breaks after commas: `norm=batch,` `batch_size=8`.

    A part that is still too long is broken within; nothing is cut off.
    """

    def __init__(self, name: str, style: str = "") -> None:
        self._name, self._style = visible(name), style

    def measure(self) -> Measurement:
        """Returns how narrow and how wide it may be."""
        widths = [max(map(len, fold_name(self._name, width))) for width in (1, _LONGEST_NAME)]
        return Measurement(*widths)

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        """Returns how narrow and how wide it may be in this console."""
        return self.measure().with_maximum(options.max_width)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yields its lines."""
        lines = fold_name(self._name, min(options.max_width, _LONGEST_NAME))
        yield Text("\n".join(lines), self._style, overflow="fold")


def fold_name(name: str, width: int) -> tuple[str, ...]:
    """Returns a name in lines of about that width, broken after commas, else within words.

    A part that is too long breaks after blanks, `(` and `/` and before `.`, else after `=`, else
    after `_` and `-` and before a capital; one without these stays whole.
    """
    lines = [""]
    for piece in _split(name, width, _BREAKS):
        if lines[-1] and len(lines[-1] + piece) > width:
            lines.append("")
        lines[-1] += piece
    return tuple(line.rstrip() for line in lines)


def _split(text: str, width: int, breaks: Sequence[str]) -> list[str]:
    """Returns the pieces of a text, each split further at the next kind of break if too long."""
    first, *others = breaks
    pieces = re.split(first, text)
    if not others:
        return pieces
    return [
        part
        for piece in pieces
        for part in ([piece] if len(piece) <= width else _split(piece, width, others))
    ]
