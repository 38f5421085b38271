"""Trains planned runs one after the other in this process."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bnexp.launch.engines.ledger import Ledger
from bnexp.launch.one_run import train_one
from bnexp.launch.plan import PlannedRun
from bnexp.launch.screen.events import Display
from bnexp.launch.stop import StopSignal
from bnexp.runs import State


def run_all(
    runs: Sequence[PlannedRun], display: Display, stop: StopSignal, is_failing_fast: bool = False
) -> Mapping[State, int]:
    """Trains the runs in order and returns how many ended in which state.

    A run that fails does not stop the others, unless `is_failing_fast`. After a stop signal
    the run in progress is saved and marked interrupted, and no other is begun.
    """
    ledger = Ledger(runs, display, stop.is_set, is_failing_fast)
    while order := ledger.take():
        index, run = order
        train_one(run, index, ledger.notice_stop, ledger.show)
    return ledger.ended
