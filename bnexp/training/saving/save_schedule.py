"""When the next checkpoint is due."""

from __future__ import annotations

import time
from collections.abc import Callable

from bnexp.config.train import CheckpointInterval

MAX_SHARE = 0.01
"""Saving takes at most this share of the time, if the interval is in seconds."""


class SaveSchedule:
    """Says when a checkpoint is due, and delays it if saving is slow."""

    def __init__(
        self,
        interval: CheckpointInterval,
        step: int,
        read_clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._interval = interval
        self._read_clock = read_clock
        self._last_step = step
        self._last_time = read_clock()
        self._wait = interval.seconds

    def is_due(self, step: int) -> bool:
        """Returns whether to save at this step boundary."""
        if step == self._last_step:
            return False
        if self._interval.steps is not None:
            return step % self._interval.steps == 0
        return self._wait is not None and self._read_clock() - self._last_time >= self._wait

    def note_saved(self, step: int, seconds: float) -> None:
        """Notes that a checkpoint of this step has been saved, and how long that took."""
        self._last_step, self._last_time = step, self._read_clock()
        if self._interval.seconds is not None:
            self._wait = max(self._interval.seconds, seconds / MAX_SHARE)
