"""A run's folder and recorder that write nothing once another process has taken the run over.

Sleep between a look and the write that follows it cannot be ruled out, only made short.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bnexp.exclusive_folder import Hold
from bnexp.launch.recorder import RunDisplay, RunRecorder
from bnexp.runs import MetricsRow, RunDir, Scalar, State, Summary
from bnexp.runs.run_dir import RunIdentity


class FencedRunDir(RunDir):
    """The folder of a run; raises LostLockError instead of writing into another's."""

    def __init__(self, path: Path, hold: Hold) -> None:
        super().__init__(path)
        self.check = hold.check

    def create(
        self,
        identity: RunIdentity,
        config_yaml: str,
        environment: Mapping[str, Any],
        *,
        keeps_log: bool = True,
    ) -> None:
        """Does as a run's folder does, where it is still held."""
        self.check()
        super().create(identity, config_yaml, environment, keeps_log=keeps_log)

    def set_state(self, state: State, **details: Scalar) -> None:
        """Does as a run's folder does, where it is still held."""
        self.check()
        super().set_state(state, **details)

    def write_summary(self, summary: Summary) -> None:
        """Does as a run's folder does, where it is still held."""
        self.check()
        super().write_summary(summary)

    def say(self, line: str) -> None:
        """Does as a run's folder does, where it is still held."""
        self.check()
        super().say(line)


class FencedRecorder(RunRecorder):
    """Takes the loop's scalars; raises LostLockError instead of writing another's rows."""

    def __init__(
        self,
        folder: FencedRunDir,
        group: str,
        hyperparameters: Mapping[str, Scalar],
        display: RunDisplay,
        rows: Sequence[MetricsRow] = (),
    ) -> None:
        self._check = folder.check
        self._check()
        super().__init__(folder, group, hyperparameters, display, rows)

    def record(
        self, step: int, epoch: int, elapsed_seconds: float, scalars: Mapping[str, float]
    ) -> None:
        """Writes a row, where the run is still held."""
        self._check()
        super().record(step, epoch, elapsed_seconds, scalars)

    def close(self, state: State) -> None:
        """Ends the recording; leaves the files as they are where the run is another's."""
        if self._is_open:
            self._check()
        super().close(state)
