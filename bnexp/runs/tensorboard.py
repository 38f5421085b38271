"""A run's TensorBoard events: scalars with equal tags in every run, and its hyper-parameters.

The hyper-parameters go into the run's own file as session start and end records, so
that TensorBoard groups the seeds of a cell and no extra run appears.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bnexp.runs.record import Scalar, State

if TYPE_CHECKING:
    from tensorboard.compat.proto.event_pb2 import Event

Warn = Callable[[str], None]


class EventWriter:
    """Writes one event file into a run's folder; its failures are warned of once, never raised."""

    def __init__(self, folder: Path, warn: Warn) -> None:
        self._warn = warn
        self._writer: Any = None
        self._guard(lambda: self._open(folder))

    def write_scalars(self, step: int, wall_time: float, scalars: Mapping[str, float]) -> None:
        """Writes one point for each tag; `wall_time` is in seconds since 1970."""
        self._guard(lambda: self._add(_scalars_event(step, wall_time, scalars)))

    def write_session_start(
        self, group: str, hyperparameters: Mapping[str, Scalar], wall_time: float
    ) -> None:
        """Writes the hyper-parameters; runs of the same group, the seeds, form one row."""
        self._guard(lambda: self._add(_start_event(group, hyperparameters, wall_time)))

    def write_restart(self, wall_time: float) -> None:
        """Tells a server that reads along to forget the points of a run's earlier files."""
        self._guard(lambda: self._add(_restart_event(wall_time)))

    def write_session_end(self, state: State, wall_time: float) -> None:
        """Writes how the run ended."""
        self._guard(lambda: self._add(_end_event(state, wall_time)))

    def flush(self) -> None:
        """Hands what was written to the operating system."""
        self._guard(self._flush)

    def close(self) -> None:
        """Writes what is left and closes the file."""
        self._guard(self._close)

    def _open(self, folder: Path) -> None:
        # TensorBoard says on import that TensorFlow is missing, which is as it should be.
        logging.getLogger("tensorboard").setLevel(logging.ERROR)
        from tensorboard.summary.writer.event_file_writer import EventFileWriter

        self._writer = EventFileWriter(str(folder), flush_secs=30)

    def _add(self, event: Event) -> None:
        if self._writer is not None:
            self._writer.add_event(event)

    def _flush(self) -> None:
        if self._writer is not None:
            self._writer.flush()

    def _close(self) -> None:
        if self._writer is not None:
            self._writer.close()

    def _guard(self, write: Callable[[], None]) -> None:
        try:
            write()
        except (OSError, ImportError, ValueError, RuntimeError) as error:
            self._writer = None
            self._warn(
                f"TensorBoard events cannot be written ({error}); the run goes on without them"
            )


def _scalars_event(step: int, wall_time: float, scalars: Mapping[str, float]) -> Event:
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary

    values = [Summary.Value(tag=tag, simple_value=value) for tag, value in scalars.items()]
    return Event(wall_time=wall_time, step=step, summary=Summary(value=values))


def _start_event(group: str, hyperparameters: Mapping[str, Scalar], wall_time: float) -> Event:
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.plugins.hparams.summary_v2 import hparams_pb

    shown = {key: _as_hyperparameter(value) for key, value in hyperparameters.items()}
    summary = hparams_pb(shown, trial_id=group, start_time_secs=wall_time)
    return Event(wall_time=wall_time, step=0, summary=summary)


def _restart_event(wall_time: float) -> Event:
    from tensorboard.compat.proto.event_pb2 import Event, SessionLog

    return Event(wall_time=wall_time, step=0, session_log=SessionLog(status=SessionLog.START))


def _as_hyperparameter(value: Scalar) -> str | float:
    """Returns numbers as they are and all else as text, which is what the page can filter."""
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "none"}[value]
    return value


def _end_event(state: State, wall_time: float) -> Event:
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary, SummaryMetadata
    from tensorboard.plugins.hparams import api_pb2, metadata, plugin_data_pb2

    status = {
        "finished": api_pb2.STATUS_SUCCESS,
        "diverged": api_pb2.STATUS_SUCCESS,
        "failed": api_pb2.STATUS_FAILURE,
    }.get(state, api_pb2.STATUS_UNKNOWN)
    end = plugin_data_pb2.SessionEndInfo(status=status, end_time_secs=wall_time)
    content = plugin_data_pb2.HParamsPluginData(
        version=metadata.PLUGIN_DATA_VERSION, session_end_info=end
    )
    plugin = SummaryMetadata.PluginData(
        plugin_name=metadata.PLUGIN_NAME, content=content.SerializeToString()
    )
    value = Summary.Value(
        tag=metadata.SESSION_END_INFO_TAG,
        metadata=SummaryMetadata(plugin_data=plugin),
        tensor=metadata.NULL_TENSOR,
    )
    return Event(wall_time=wall_time, step=0, summary=Summary(value=[value]))
