"""How runs are launched."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from bnexp.launch.screen.progress import WholeProgress

LauncherName = Literal["local", "ray"]


@dataclass(frozen=True)
class LaunchOptions:
    """What the command line says about many runs at once."""

    launcher: LauncherName = "local"
    """In processes of this machine, or by Ray."""
    jobs: int | None = None
    """The most runs at a time; None finds out what is fastest here, and how many fit with Ray."""
    is_failing_fast: bool = False
    """Whether the first failed run stops the others."""
    address: str | None = None
    """Ray's address; None takes a cluster that runs, else starts one on this machine."""
    with_graph: bool = False
    """Whether each run also writes its network's graph for TensorBoard."""
    is_profiling: bool = False
    """Whether the first run says what its time goes to, and records a few steps."""
    whole: WholeProgress | None = None
    """How far all experiments are, if this is one of several."""
