"""Which process a number means, and whether it is still there."""

from __future__ import annotations

import contextlib
import os
import socket
from pathlib import Path


def find_own_place() -> list[str]:
    """Returns within what this process's number means it alone: machine, boot, PID namespace.

    Containers may share a name, and so may machines. What the system does not tell is "-".

    Source:
        proc_sys_kernel(5), boot_id; pid_namespaces(7).
    """
    boot = namespace = "-"
    with contextlib.suppress(OSError):
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip() or "-"
    with contextlib.suppress(OSError):
        namespace = str(Path("/proc/self/ns/pid").readlink())
    return [socket.gethostname(), boot, namespace]


def is_alive(process: int) -> bool:
    """Returns whether a process of this machine is there and not merely unburied."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    try:
        # One that was killed keeps its number until its parent takes note: for ever, where the
        # parent is a container's first process and takes none.
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except (OSError, IndexError):
        return True
    return state not in {"Z", "X"}
