"""Commands that train several runs at a time, each in a worker: processes as users start them."""

import contextlib
import json
import signal
import subprocess
import sys
from pathlib import Path

from forks import wait_until

LONG = ("train.epochs=2000", "train.checkpoint_every=20")
"""Hours of training: it ends by what the test does."""


def start(cwd, *arguments):
    """Starts `bnexp train` as a terminal would: in a process group of its own."""
    # Under nohup this process ignores SIGHUP, and what it starts would, too.
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    try:
        return subprocess.Popen(
            [sys.executable, "-m", "bnexp", "train", "c.yaml", *arguments],
            cwd=cwd,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
    finally:
        signal.signal(signal.SIGHUP, before)


def start_sweep(forks, cwd, seeds):
    """Starts hours of training with two workers."""
    settings = [word for setting in (f"sweep.seeds={seeds}", *LONG) for word in ("-s", setting)]
    return forks.start("train", "c.yaml", "--jobs", "2", *settings, cwd=cwd)


def read_status(run):
    return json.loads(run.folder.status.read_text())


def find_workers(runs):
    """Returns the processes that train the runs, once all of them do."""
    wait_until(lambda: all(run.folder.checkpoints.find() for run in runs))
    return [read_status(run)["pid"] for run in runs]


def find_group(leader):
    """Returns the living processes of a process group."""
    found = set()
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            if path.read_text().rpartition(")")[2].split()[2] == str(leader):
                found.add(int(path.parent.name))
    return {process for process in found if is_alive(process)}


def is_alive(process):
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in "ZX"
