"""While PyTorch and other packages are still imported: what is said, and a signal then."""

import os
import signal
import subprocess
import sys

import pytest
from forks import wait_until
from processes import LONG, is_alive
from sweeps import plan

from bnexp.locks import is_held
from bnexp.runs import read_run

ENDLESS_IMPORT = """\
import os, sys, time
from pathlib import Path


class EndlessImport:
    def find_spec(self, name, *_):
        if name == os.environ.get("ENDLESS", "torch"):
            folder = Path(os.environ["IMPORTS"])
            (folder / f"waiting-{os.getpid()}").touch()
            time.sleep(3600)
        return None


if "ENDLESS" in os.environ or "--multiprocessing-fork" in sys.orig_argv:
    sys.meta_path.insert(0, EndlessImport())
"""
"""A sitecustomize.py: the import of PyTorch by workers in fresh processes takes an hour.

With ENDLESS, the command's own import of that module does."""

IN_FRESH_PROCESSES = """
import bnexp.launch.stages.experiment
bnexp.launch.stages.experiment.has_computed_nothing = lambda: False
"""

ONE_NEVER_READY = """
import os, time
from pathlib import Path
from bnexp.launch.engines import processes
work, started = processes.work, []

def work_or_wait(connection):
    if started[1:]:
        Path(os.environ["IMPORTS"], f"waiting-{os.getpid()}").touch()
        time.sleep(3600)
    work(connection)

fork_worker = processes._fork_worker

def count_and_fork(requests):
    started.append(1)
    return fork_worker(requests)

processes.work, processes._fork_worker = work_or_wait, count_and_fork
"""

COMMAND = ["train", "c.yaml", "--jobs", "2", "-s", "sweep.seeds=2"]
COMMAND += [word for setting in LONG for word in ("-s", setting)]


@pytest.fixture
def environment(tmp_path):
    """Has workers that import PyTorch take an hour for it, and note that they do."""
    (tmp_path / "sitecustomize.py").write_text(ENDLESS_IMPORT)
    paths = [str(tmp_path), os.environ.get("PYTHONPATH", "")]
    return {"IMPORTS": str(tmp_path), "PYTHONPATH": os.pathsep.join(paths)}


@pytest.fixture
def start(forks, environment, tmp_path):
    """Starts `bnexp train --jobs 2` on two long runs, after this code."""
    return lambda before: forks.start(*COMMAND, cwd=tmp_path, before=before, **environment)


def find_importing(folder):
    return [int(path.name.partition("-")[2]) for path in folder.glob("waiting-*")]


@pytest.mark.parametrize(
    ("number", "code", "send"),
    [(signal.SIGINT, 130, os.killpg), (signal.SIGTERM, 143, os.kill)],
    ids=["Ctrl-C", "SIGTERM"],
)
def test_row_03_a_signal_while_the_workers_import_pytorch_is_heeded_at_once(
    number, code, send, start, tmp_path
):
    plan(tmp_path)
    process = start(IN_FRESH_PROCESSES)
    wait_until(lambda: len(find_importing(tmp_path)) == 2)
    assert process.said.splitlines()[-1] == (
        "starting 2 processes; loading PyTorch takes a few seconds"
    )

    send(process.pid, number)

    assert process.wait(seconds=30) == code  # the import takes an hour
    said = process.said
    assert " not started\n" in said
    assert "the same command continues with the remaining runs" in said
    assert "saving" not in said
    assert "Traceback" not in said
    assert not (tmp_path / "runs").exists()
    assert not any(map(is_alive, find_importing(tmp_path)))


@pytest.mark.parametrize(("module", "said"), [("typer", ""), ("torch", "loading PyTorch…\n")])
def test_row_03_ctrl_c_while_the_command_imports_exits_without_a_traceback(
    module, said, environment, tmp_path
):
    plan(tmp_path)
    process = subprocess.Popen(
        [sys.executable, "-m", "bnexp", *COMMAND],
        cwd=tmp_path,
        env={**os.environ, **environment, "ENDLESS": module},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        wait_until(lambda: find_importing(tmp_path))
        os.killpg(process.pid, signal.SIGINT)
        stdout, stderr = process.communicate(timeout=30)
    finally:
        process.kill()

    assert process.returncode == 130
    assert (stdout, stderr) == ("", said)
    assert not (tmp_path / "runs").exists()


def test_row_03_a_signal_saves_the_run_that_trains_beside_a_worker_that_still_starts(
    start, tmp_path
):
    runs = plan(tmp_path, "sweep.seeds=2", *LONG)
    process = start(ONE_NEVER_READY)
    folders = [run.folder for run in runs]
    wait_until(lambda: any(folder.checkpoints.find() for folder in folders))
    wait_until(lambda: find_importing(tmp_path))

    process.send_signal(signal.SIGINT)

    assert process.wait(seconds=60) == 130
    assert process.said.count("saving; press Ctrl-C again to exit at once") == 1
    assert "many: 1 interrupted" in process.said
    (begun,) = [folder for folder in folders if folder.path.exists()]
    assert read_run(begun.path).state == "interrupted"
    assert not is_held(begun.lock)
    assert not any(map(is_alive, find_importing(tmp_path)))
