"""Names of cells and runs in the terminal's tables."""

from __future__ import annotations

import re

from rich.console import Console, ConsoleOptions, RenderResult
from rich.measure import Measurement
from rich.text import Text


class Name:
    """A cell's name, which a narrow column breaks after commas: `norm=batch,` `batch_size=8`.

    A part that is still too long is broken anywhere; nothing is cut off.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._parts = re.split("(?<=,)", name)

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        """Returns how narrow and how wide it may be."""
        parts = [len(part) for part in self._parts]
        return Measurement(max(parts), len(self._name)).with_maximum(options.max_width)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yields its lines."""
        lines = [""]
        for part in self._parts:
            if lines[-1] and len(lines[-1]) + len(part) > options.max_width:
                lines.append("")
            lines[-1] += part
        yield Text("\n".join(lines), overflow="fold")
