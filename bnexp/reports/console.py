"""Where results are printed: stdout, whatever its encoding, and a console on it."""

from __future__ import annotations

import io
import os
import sys

from rich.console import Console

PLAIN_WIDTH = 100
"""Characters a line where the output is no terminal and COLUMNS is not set."""


def open_console() -> Console:
    """Returns a console on stdout: coloured on a terminal, plain and wide enough elsewhere.

    Texts are printed as they stand: a name in brackets is no markup.
    """
    accept_any_text()
    console = Console(highlight=False, markup=False, emoji=False)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = PLAIN_WIDTH
    return console


def accept_any_text() -> None:
    """Lets stdout write `?` for what its encoding lacks, such as ± in ASCII, and not fail."""
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors == "strict":
        sys.stdout.reconfigure(errors="replace")
