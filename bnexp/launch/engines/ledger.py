"""Which runs wait, and how the others ended: what every launcher counts in the same way."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Sequence

from bnexp.launch.plan import Order, PlannedRun
from bnexp.launch.run.one_run import mark_lost
from bnexp.launch.screen.events import Event, RunEnded, RunStarted, Said
from bnexp.runs import State

ATTEMPTS = 2
"""How often a run whose process dies is tried."""


class Ledger:
    """Hands out runs in order, until a stop or, with `is_failing_fast`, until one has failed."""

    def __init__(
        self,
        runs: Sequence[PlannedRun],
        show: Callable[[Event], None],
        is_told_to_stop: Callable[[], bool],
        is_failing_fast: bool = False,
    ) -> None:
        self.ended: Counter[State] = Counter()
        """How many runs ended in which state."""
        self.runs = list(runs)
        self._show = show
        self._is_told_to_stop = is_told_to_stop
        self._is_stop_said = False
        self._is_failing_fast = is_failing_fast
        self._waiting = deque(range(len(runs)))
        self._deaths: Counter[int] = Counter()
        self.started: set[int] = set()
        """The runs that a process has taken up."""

    @property
    def is_stopping(self) -> bool:
        """Whether no further run starts, and those in progress are to be saved."""
        is_failed = self._is_failing_fast and self.ended["failed"] > 0
        return is_failed or self._is_told_to_stop()

    def notice_stop(self) -> bool:
        """Returns whether the runs in progress are to be saved; says so, once, after a signal."""
        if self._is_told_to_stop() and not self._is_stop_said:
            self._is_stop_said = True
            self.show(Said("saving; press Ctrl-C again to exit at once"))
        return self.is_stopping

    def take(self) -> Order | None:
        """Returns the next run; None if none is left or all must stop."""
        if self.is_stopping or not self._waiting:
            return None
        index = self._waiting.popleft()
        return Order(index, self.runs[index])

    def find_like(self, run: PlannedRun) -> list[int]:
        """Returns which waiting runs can train in one process with this one: those of its cell."""
        cell, threads = run.folder.path.parent, run.threads
        found = ((index, self.runs[index]) for index in self._waiting)
        return [
            index
            for index, other in found
            if (other.folder.path.parent, other.threads) == (cell, threads)
        ]

    def take_those(self, indices: Sequence[int]) -> list[Order]:
        """Returns these waiting runs."""
        for index in indices:
            self._waiting.remove(index)
        return [Order(index, self.runs[index]) for index in indices]

    def show(self, event: Event) -> None:
        """Counts an event and shows it."""
        if isinstance(event, RunStarted):
            self.started.add(event.index)
        elif isinstance(event, RunEnded):
            self.ended[event.state] += 1
        self._show(event)

    def lose(self, index: int, reason: str) -> None:
        """Takes back a run whose process died: it is tried once more, then it has failed."""
        run = self.runs[index]
        self._deaths[index] += 1
        if self.is_stopping:
            # A process that was stopped before it took the run up has nothing to save.
            if index in self.started:
                self.show(RunEnded(index, "interrupted"))
        elif self._deaths[index] < ATTEMPTS:
            self._waiting.appendleft(index)
            self.show(Said(f"{run.spec.name}: {reason}; trying it once more"))
        else:
            self.show(Said(mark_lost(run, f"{reason}, {ATTEMPTS} times")))
            self.show(RunEnded(index, "failed"))
