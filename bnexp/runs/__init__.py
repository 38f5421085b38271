"""Every path and file of a run on disk; metrics, status and TensorBoard events."""

from bnexp.runs.reading import list_experiments, read_experiments, read_run
from bnexp.runs.record import STATES, RunRecord, Scalar, State, Summary, flatten
from bnexp.runs.run_dir import ENDED, MetricsLog, RunDir, RunIdentity

__all__ = [
    "ENDED",
    "STATES",
    "MetricsLog",
    "RunDir",
    "RunIdentity",
    "RunRecord",
    "Scalar",
    "State",
    "Summary",
    "flatten",
    "list_experiments",
    "read_experiments",
    "read_run",
]
