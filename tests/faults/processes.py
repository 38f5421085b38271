"""Commands that train several runs at a time, each in a worker: processes as users start them."""

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


def start_sweep(cwd, seeds):
    """Starts hours of training with two workers."""
    settings = [word for setting in (f"sweep.seeds={seeds}", *LONG) for word in ("-s", setting)]
    return start(cwd, "--jobs", "2", *settings)


def read_status(run):
    return json.loads(run.folder.status.read_text())


def find_workers(process, runs):
    """Returns the processes of a command that train the runs, once all of them do."""

    def are_all_trained():
        assert process.poll() is None, process.communicate()
        return all(run.folder.checkpoints.find() for run in runs)

    wait_until(are_all_trained)
    return [read_status(run)["pid"] for run in runs]


def is_alive(process):
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in "ZX"
