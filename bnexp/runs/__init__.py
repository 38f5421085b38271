"""Every path and file of a run on disk; metrics, status and TensorBoard events.

What other packages use of it; each is imported when it is first asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bnexp.runs.checkpoint_files import (
        CheckpointError,
        CheckpointFiles,
        DamagedCheckpointError,
    )
    from bnexp.runs.reading import list_experiments, read_experiments, read_run
    from bnexp.runs.record import STATES, RunRecord, Scalar, State, Summary, flatten
    from bnexp.runs.run_dir import ENDED, RunDir
    from bnexp.runs.streams.metrics_log import MetricsLog, MetricsRow, rewind_metrics

_HOMES = {
    "checkpoint_files": ("CheckpointError", "CheckpointFiles", "DamagedCheckpointError"),
    "streams.metrics_log": ("MetricsLog", "MetricsRow", "rewind_metrics"),
    "reading": ("list_experiments", "read_experiments", "read_run"),
    "record": ("STATES", "RunRecord", "Scalar", "State", "Summary", "flatten"),
    "run_dir": ("ENDED", "RunDir"),
}
"""In which module each name is: reading needs Pydantic, which takes longer than a help page."""

__all__ = [
    "ENDED",
    "STATES",
    "CheckpointError",
    "CheckpointFiles",
    "DamagedCheckpointError",
    "MetricsLog",
    "MetricsRow",
    "RunDir",
    "RunRecord",
    "Scalar",
    "State",
    "Summary",
    "flatten",
    "list_experiments",
    "read_experiments",
    "read_run",
    "rewind_metrics",
]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - a class, a function or a typing construct
    home = next((home for home, names in _HOMES.items() if name in names), None)
    if home is None:
        raise AttributeError(f"module 'bnexp.runs' has no attribute {name!r}")
    return getattr(import_module(f"bnexp.runs.{home}"), name)
