"""Ctrl-C, SIGTERM, SIGHUP (a closed terminal): the first saves the runs, the second exits."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from types import FrameType
from typing import NoReturn

from bnexp.system import STOP_SIGNALS, is_hangup, kill

SHOW_CURSOR = b"\x1b[?25h"
"""Shows a terminal's cursor, which a live display hides and has no time left to show."""

LEFT = b"\nexited at once; the same command continues from the last save\n"


@contextlib.contextmanager
def exiting_at_once() -> Iterator[None]:
    """Makes Ctrl-C exit with 130 at once: for imports, which take seconds and leave nothing.

    An exception could be caught by what is being imported, or end in a traceback.
    """
    previous = signal.getsignal(signal.SIGINT)
    if previous != signal.SIG_IGN:
        signal.signal(signal.SIGINT, lambda *_: os._exit(130))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, previous)


class StopSignal:
    """Catches SIGINT, SIGTERM and SIGHUP while it is entered; the handler only sets a flag."""

    def __init__(self) -> None:
        self.received: signal.Signals | None = None
        self.children: set[int] = set()
        """Processes that are killed when the second signal comes."""
        self._previous: dict[signal.Signals, object] = {}

    def __enter__(self) -> StopSignal:
        for number in STOP_SIGNALS:
            if is_hangup(number) and signal.getsignal(number) == signal.SIG_IGN:
                continue  # under nohup, which is to outlive its terminal
            self._previous[number] = signal.signal(number, self._handle)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)  # type: ignore[arg-type]

    def is_set(self) -> bool:
        """Returns whether a signal came."""
        return self.received is not None

    @property
    def exit_code(self) -> int:
        """130 after SIGINT, 143 after SIGTERM, 129 after SIGHUP, 0 without any."""
        return 128 + self.received if self.received else 0

    def _handle(self, number: int, _: FrameType | None) -> None:
        if self.received is not None:
            self._leave(number)
        self.received = signal.Signals(number)

    def _leave(self, number: int) -> NoReturn:
        for process in self.children:
            kill(process)
        with contextlib.suppress(OSError):
            os.write(2, (SHOW_CURSOR if os.isatty(2) else b"") + LEFT)
        os._exit(128 + number)
