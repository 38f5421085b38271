"""The output of `bnexp train`, which may lose its reader.

Whoever reads it can go away: a closed pipe, a closed terminal. Then nothing more is shown and
training continues; a run's log has its messages.
"""

from __future__ import annotations

import contextlib
import io
import os
from typing import TextIO, cast

from rich.console import Console

from bnexp.console import VisibleConsole, accept_any_text
from bnexp.foreign_text import visible
from bnexp.wording import wrap_words


def open_output(stream: TextIO | None) -> Console:
    """Returns a console that writes into stdout or stderr for as long as that is read.

    None, which is Python's for a stream that was closed from the beginning, is written nowhere.
    """
    accept_any_text()
    file = cast("TextIO", _ReadOrNotStream(stream or io.StringIO()))
    return VisibleConsole(file=file, soft_wrap=True)


def print_line(console: Console, line: str) -> None:
    """Prints a line, visible, on a terminal broken between words; elsewhere it stays one."""
    line = visible(line)
    console.print(wrap_words(line, console.width) if console.is_terminal else line, soft_wrap=True)


class _ReadOrNotStream(io.TextIOBase):
    """Writes into another stream, and nowhere once that has failed."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._is_read = True

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self._stream.encoding

    def isatty(self) -> bool:
        return self._is_read and self._stream.isatty()

    def write(self, text: str) -> int:
        if self._is_read:
            try:
                self._stream.write(text)
                self._stream.flush()
            except OSError:
                self._leave()
        return len(text)

    def _leave(self) -> None:
        self._is_read = False
        # What is still buffered would fail again when Python ends, with an exit code of its own.
        with contextlib.suppress(OSError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._stream.fileno())
            os.close(nowhere)
