"""A run's folder: the one place that knows the path, the format and the order of its files."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import socket
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO

from bnexp.errors import UsageError
from bnexp.files import open_atomically, write_json_atomically, write_text_atomically
from bnexp.runs.record import Scalar, State, Summary

ENDED: tuple[State, ...] = ("finished", "diverged")
"""The states of a run that has nothing left to do."""


@dataclass(frozen=True)
class RunIdentity:
    """What a run is: its experiment, cell, swept settings, seed and config's fingerprint."""

    experiment: str
    cell: str
    settings: Mapping[str, Scalar]
    seed: int
    fingerprint: str
    cell_index: int = 0
    """The place of the cell in its sweep, so that tables keep the sweep's order."""


class RunDir:
    """The folder `runs/<experiment>/<cell>/seed=<n>` and its files."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._last_status: dict[str, Any] = {}

    @classmethod
    def of(cls, runs_dir: Path, identity: RunIdentity) -> RunDir:
        """Returns the folder of a run, which need not exist."""
        return cls(runs_dir / identity.experiment / identity.cell / f"seed={identity.seed}")

    @property
    def config(self) -> Path:
        """The resolved config; can be trained again as it stands."""
        return self.path / "config.yaml"

    @property
    def environment(self) -> Path:
        """Versions, device, threads, code, command line, data."""
        return self.path / "environment.json"

    @property
    def status(self) -> Path:
        """State, heartbeat and identity."""
        return self.path / "status.json"

    @property
    def metrics(self) -> Path:
        """One JSON object a row."""
        return self.path / "metrics.jsonl"

    @property
    def checkpoint(self) -> Path:
        """Weights and optimiser state."""
        return self.path / "checkpoint.pt"

    @property
    def summary(self) -> Path:
        """What the run measured; present once it is finished or diverged."""
        return self.path / "summary.json"

    @property
    def log(self) -> Path:
        """Everything said about the run, tracebacks included."""
        return self.path / "log.txt"

    def create(
        self, identity: RunIdentity, config_yaml: str, environment: Mapping[str, Any]
    ) -> None:
        """Makes the folder and writes what must stand before step 0; the state is pending.

        Files of an earlier attempt at the same run are removed first.

        Raises:
            UsageError: The folder cannot be made or written.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            # The summary goes first and the status comes first, so that a folder cut off
            # anywhere in between is neither taken for finished nor for somebody else's.
            self.summary.unlink(missing_ok=True)
            self._last_status = asdict(identity)
            self.set_state("pending")
            for stale in self._files_of_an_earlier_attempt():
                stale.unlink()
            write_text_atomically(self.config, config_yaml)
            write_json_atomically(self.environment, environment)
        except OSError as error:
            reason = error.strerror or str(error)
            raise UsageError(
                f"cannot write the run folder {self.path}: {reason}; choose another --runs-dir"
            ) from error

    def set_state(self, state: State, **details: Scalar) -> None:
        """Writes the state with the time as heartbeat; `details` stay until the next state."""
        status = {
            **self._last_status,
            "state": state,
            "heartbeat": time.time(),
            "host": socket.gethostname(),
            "pid": os.getpid(),
            **details,
        }
        write_json_atomically(self.status, status)

    def write_summary(self, summary: Summary) -> None:
        """Writes the summary, then the state; the summary's presence means that the run ended."""
        content = {key: value for key, value in asdict(summary).items() if value is not None}
        write_json_atomically(self.summary, content)
        self.set_state(summary.status)

    def write_checkpoint(self, save: Callable[[BinaryIO], None]) -> None:
        """Lets `save` write the checkpoint, and puts its SHA-256 beside it."""
        with open_atomically(self.checkpoint) as file:
            save(file)
        digest = hashlib.sha256(self.checkpoint.read_bytes()).hexdigest()
        sidecar = self.checkpoint.with_name("checkpoint.pt.sha256")
        write_text_atomically(sidecar, f"{digest}  checkpoint.pt\n")

    def say(self, line: str) -> None:
        """Appends a line to the log, with the time; a log that cannot be written stops nothing."""
        stamp = time.strftime("%Y-%m-%d %H:%M:%S")
        with contextlib.suppress(OSError), self.log.open("a", encoding="utf-8") as file:
            file.write(f"{stamp} {line}\n")

    @property
    def lock(self) -> Path:
        """A folder that is there while a process trains this run."""
        return self.path / ".lock"

    @property
    def is_begun(self) -> bool:
        """Whether the folder holds anything of a run; one cut off at its birth does not."""
        if self.status.exists():  # as nearly always: thousands of runs are asked
            return True
        known = (self.summary, self.metrics, self.config, self.environment)
        return any(path.exists() for path in known)

    def _files_of_an_earlier_attempt(self) -> Iterable[Path]:
        known = (self.config, self.environment, self.metrics, self.log)
        yield from (path for path in known if path.exists())
        for pattern in ("checkpoint.pt*", "events.out.tfevents.*", ".*.tmp"):
            yield from self.path.glob(pattern)


class MetricsLog:
    """Appends rows to `metrics.jsonl`: step, epoch, elapsed_seconds and the scalars."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("a", encoding="utf-8")

    def write(
        self, step: int, epoch: int, elapsed_seconds: float, scalars: Mapping[str, float]
    ) -> None:
        """Appends one row and hands it to the operating system."""
        row = {"step": step, "epoch": epoch, "elapsed_seconds": round(elapsed_seconds, 4)}
        # NaN is not JSON; null says that there was a value and that it was not a number.
        finite = {tag: value if _is_finite(value) else None for tag, value in scalars.items()}
        self._file.write(json.dumps({**row, **finite}) + "\n")
        self._file.flush()

    def close(self) -> None:
        """Closes the file."""
        self._file.close()


def _is_finite(value: float) -> bool:
    return value - value == 0
