"""A run's folder: the one place that knows the path, the format and the order of its files."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bnexp.errors import UsageError
from bnexp.files import (
    decode_json,
    digest,
    encode_json,
    open_text,
    read_foreign,
    sync_folder,
    write_bytes_atomically,
)
from bnexp.foreign_text import visible_lines
from bnexp.runs.checkpoint_files import (
    CheckpointFiles,
    remove_or_set_aside,
    set_aside,
    set_aside_a_folder,
)
from bnexp.runs.claim_record import note_result
from bnexp.runs.record import Scalar, State, Summary
from bnexp.runs.seal import MANIFEST, MODEL, PREDICTIONS, TRACE, Seal, write_seal
from bnexp.runs.streams.tensorboard_events import EVENTS

STATUS = "status.json"
SUMMARY = "summary.json"
ENVIRONMENT = "environment.json"

COMPARISON = "_compare"
"""The folder in an experiment's folder that holds what TensorBoard shows of a comparison."""

TUNING = "_tune"
"""The folder in an experiment's folder that holds its tuning runs, cell by cell."""

ENDED: tuple[State, ...] = ("finished", "diverged")
"""The states of a run that has nothing left to do."""


def _do_nothing() -> None:
    pass  # not a lambda, since a folder is sent to other processes


class _File:
    """A file of a run's folder: read from a `RunDir`, its path."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __get__(self, run: RunDir, owner: type[RunDir]) -> Path:
        return run.path / self._name


class RunDir:
    """The folder `runs/<experiment>/<cell>/seed=<n>` and its files.

    `check` is called before anything is written, and raises if the run's lock was removed by
    hand, so that another process may hold it.
    """

    config = _File("config.yaml")
    """The resolved config; can be trained again as it stands."""
    model = _File(MODEL)
    """A copy of the Python file that defines the network, if a file does."""
    environment = _File(ENVIRONMENT)
    """Versions, device, threads, code, command line, data."""
    status = _File(STATUS)
    """State, heartbeat and identity."""
    metrics = _File("metrics.jsonl")
    """One JSON object per row."""
    summary = _File(SUMMARY)
    """What the run measured; present once it is finished or diverged."""
    predictions = _File(PREDICTIONS)
    """What the last evaluation said of each test picture; not of a diverged run."""
    trace = _File(TRACE)
    """A few steps operator by operator, if the run was profiled; TensorBoard's profiler asks for
    this name."""
    manifest = _File(MANIFEST)
    """SHA-256 of the others, once the run has ended."""
    log = _File("log.txt")
    """Everything that was said about the run, including tracebacks."""
    lock = _File(".lock")
    """The file that a process locks while it trains this run."""

    def __init__(
        self,
        path: Path,
        identity: Mapping[str, Any] | None = None,
        check: Callable[[], None] = _do_nothing,
    ) -> None:
        self.path = path
        self.identity = identity or {}
        """What the status says of its run: experiment, cell, settings, seed and fingerprint."""
        self.check = check
        self.is_open = False
        """Whether this object has created or reopened the folder, so that it may write."""

    @classmethod
    def of(cls, runs_dir: Path, identity: Mapping[str, Any]) -> RunDir:
        """Returns the folder of a run, which need not exist."""
        cell = runs_dir / identity["experiment"] / identity["cell"]
        return cls(cell / f"seed={identity['seed']}", identity)

    @property
    def runs_dir(self) -> Path:
        """The runs folder, which holds the experiment's folder, which holds the cell's."""
        above = self.path.parent.parent
        return above.parent.parent if above.name == TUNING else above.parent

    @property
    def checkpoints(self) -> CheckpointFiles:
        """The last two checkpoints."""
        return CheckpointFiles(self.path)

    def create(
        self, config_yaml: str, environment: Mapping[str, Any], model: bytes | None = None
    ) -> None:
        """Makes the folder and writes what must stand before step 0; the state is pending.

        Files of an earlier attempt at the same run are deleted first, except its log, which says
        why that attempt failed.

        Raises:
            UsageError: The folder cannot be made or written.
        """
        self.check()
        with self._reporting_what_cannot_be_written():
            self.path.mkdir(parents=True, exist_ok=True)
            self._reset()
            self.write_config(config_yaml, model)
            write_bytes_atomically(self.environment, encode_json(environment))

    def start_over(self) -> None:
        """Marks a run as pending, and deletes what it holds.

        Raises:
            UsageError: The folder cannot be written; nothing was deleted then.
        """
        self.check()
        with self._reporting_what_cannot_be_written():
            self._reset()
            remove_or_set_aside(self.log)

    def _reset(self) -> None:
        # The summary goes when the new status is on the disk and before it stands: a folder cut
        # off anywhere in between is taken neither for finished nor for another run's.
        self.restore_status("pending", lambda: remove_or_set_aside(self.summary))
        # Checkpoints go before the rows that they know of.
        for pattern in ("checkpoint*.pt*", "checkpoint*.json", f"{EVENTS}*", ".*.tmp"):
            for path in self.path.glob(pattern):
                remove_or_set_aside(path)
        kept = (self.environment, self.metrics, self.predictions, self.trace, self.manifest)
        for path in (self.config, self.model, *kept):
            remove_or_set_aside(path)

    @contextlib.contextmanager
    def _reporting_what_cannot_be_written(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            reason = error.strerror or str(error)
            raise UsageError(
                f"cannot write the run folder {self.path}: {reason}; choose another --runs-dir"
            ) from error

    def set_state(
        self, state: State, before_it_stands: Callable[[], None] = _do_nothing, **details: Scalar
    ) -> None:
        """Writes the state with the time as heartbeat; `details` stay until the next state.

        `before_it_stands` is called as by `write_bytes_atomically`.
        """
        self.check()
        status = {
            **self.identity,
            "state": state,
            "heartbeat": time.time(),
            "host": socket.gethostname(),
            "pid": os.getpid(),
            **details,
        }
        write_bytes_atomically(self.status, encode_json(status), before_it_stands)

    def set_failed(self, reason: str) -> None:
        """Writes that the run failed, on a full disk too if deleting its events makes room."""
        try:
            self.set_state("failed", reason=reason)
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            # They are rewritten from the metrics when the run continues.
            self.remove_events()
            self.set_state("failed", reason=reason)

    def write_predictions(self, content: bytes) -> None:
        """Writes what the last evaluation said of each test picture, before the run is sealed."""
        self.check()
        write_bytes_atomically(self.predictions, content)

    def write_trace(self, content: bytes) -> None:
        """Writes the trace of some steps, before the run is sealed."""
        self.check()
        write_bytes_atomically(self.trace, content)

    def write_summary(self, summary: Summary, rows_digest: str | None = None) -> None:
        """Seals the files, then writes the summary, whose presence means that the run ended.

        `rows_digest` is the SHA-256 of the metrics as they were written; without it, they are
        sealed as they stand on the disk.
        """
        self.check()
        shown = {key: value for key, value in asdict(summary).items() if value is not None}
        content = encode_json(shown)
        seconds = summary.elapsed_seconds - self._read_inherited_seconds()
        note_result(self.runs_dir, str(self.identity.get("fingerprint")), seconds)
        written = {SUMMARY: digest(content)}
        written |= {self.metrics.name: rows_digest} if rows_digest else {}
        write_seal(self.path, self.identity, written)
        write_bytes_atomically(self.summary, content)
        sync_folder(self.path)
        self.set_state(summary.status)

    def _read_inherited_seconds(self) -> float:
        """Returns the time that was spent on a shorter run, if the run goes on from one."""
        try:
            return float(decode_json(read_foreign(self.environment))["extends"]["elapsed_seconds"])
        except (OSError, ValueError, KeyError, TypeError):
            return 0.0

    def reopen(self) -> None:
        """Reopens the folder of a run that continues; what was measured stays.

        Its predictions do not: they are those of the end.

        A folder in the place of one of its files gets another name, and so does a file that was
        altered after the run had been sealed: it is not sealed again.
        """
        for path in (self.summary, self.environment, self.config, self.metrics, self.manifest):
            set_aside_a_folder(path)
        remove_or_set_aside(self.predictions)
        if self.manifest.exists():
            self._set_aside_what_was_altered()
        self.restore_status("running")
        self.remove_temporaries()

    def _set_aside_what_was_altered(self) -> None:
        for name, _ in Seal(self.path).find_broken():
            if name in (self.config.name, self.environment.name):
                set_aside(self.path / name)
        self.manifest.unlink()

    def restore_status(
        self, state: State, before_it_stands: Callable[[], None] = _do_nothing
    ) -> None:
        """Writes the state even if the status is lost, or a folder stands in its place."""
        set_aside_a_folder(self.status)
        self.is_open = True
        self.set_state(state, before_it_stands)

    def note_resume(self, resume: Mapping[str, Any], environment: Mapping[str, Any]) -> bool:
        """Adds a resume to the list in `environment.json`, which `environment` is if damaged.

        Returns whether the file was sound.
        """
        self.check()
        is_sound = True
        try:
            content = decode_json(read_foreign(self.environment))
            resumes = list(content.get("resumes", ()))
        except (OSError, ValueError, AttributeError, TypeError):
            content, resumes, is_sound = dict(environment), [], False
        content = {**content, "resumes": [*resumes, dict(resume)]}
        write_bytes_atomically(self.environment, encode_json(content))
        return is_sound

    def write_config(self, config_yaml: str, model: bytes | None = None) -> None:
        """Writes the resolved config, and the Python file that it names, if it does."""
        self.check()
        if model is not None:
            write_bytes_atomically(self.model, model)
        write_bytes_atomically(self.config, config_yaml.encode())

    def restore_config(self, config_yaml: str, model: bytes | None = None) -> None:
        """Writes what `write_config` does for a run that has ended, if it is lost and was this."""
        seal = Seal(self.path)
        for path, content in ((self.config, config_yaml.encode()), (self.model, model)):
            is_lost = path.name in dict(seal.find_broken(path.name))
            if content is not None and is_lost and not seal.find_problem(path.name, content):
                set_aside_a_folder(path)
                write_bytes_atomically(path, content)

    def remove_events(self) -> None:
        """Deletes the TensorBoard events, which are rewritten from the metrics."""
        for path in self.path.glob(f"{EVENTS}*"):
            path.unlink()

    def find_temporaries(self) -> list[Path]:
        """Returns the temporary files of processes that were killed while they wrote, if any."""
        return [path for path in self.path.glob(".*.tmp") if path.is_file()]

    def remove_temporaries(self) -> None:
        """Deletes the temporary files of processes that were killed."""
        for path in self.find_temporaries():
            path.unlink(missing_ok=True)

    def say(self, line: str) -> None:
        """Appends a line to the log, with the time; the run continues if that fails."""
        self.check()
        stamp = time.strftime("%Y-%m-%d %H:%M:%S")
        with contextlib.suppress(OSError), open_text(self.log, "a") as file:
            file.write(f"{stamp} {visible_lines(line)}\n")

    @property
    def is_begun(self) -> bool:
        """Whether the folder holds anything of a run, even of one that was cut off early."""
        if os.path.exists(f"{self.path}{os.sep}{STATUS}"):  # noqa: PTH110 - of thousands of runs
            return True
        known = (self.summary, self.metrics, self.config, self.environment)
        try:
            return any(path.exists() for path in known)
        except PermissionError:  # its content may not be read
            return True
