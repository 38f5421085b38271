"""Every path and file of a run on disk; metrics, status and TensorBoard events."""

from bnexp.runs.checkpoint_files import CheckpointError, CheckpointFiles, DamagedCheckpointError
from bnexp.runs.metrics_log import MetricsLog, MetricsRow, rewind_metrics
from bnexp.runs.reading import list_experiments, read_experiments, read_run
from bnexp.runs.record import STATES, RunRecord, Scalar, State, Summary, flatten
from bnexp.runs.run_dir import ENDED, RunDir

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
