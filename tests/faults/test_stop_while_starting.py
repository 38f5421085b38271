"""While PyTorch and other packages are still imported: what is said, and a signal then."""

import os
import signal
import subprocess
import sys
import time

import pytest
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
            if (folder / "one-is-free").exists():
                (folder / "one-is-free").rename(folder / f"free-{os.getpid()}")
                return None
            (folder / f"waiting-{os.getpid()}").touch()
            time.sleep(3600)
        return None


if "ENDLESS" in os.environ or "--multiprocessing-fork" in sys.orig_argv:
    sys.meta_path.insert(0, EndlessImport())
"""
"""A sitecustomize.py: the workers' import of PyTorch takes an hour, except a free one's.

With ENDLESS, the command's own import of that module does."""

LONG = ("sweep.seeds=2", "train.epochs=2000", "train.checkpoint_every=20")


@pytest.fixture
def start(tmp_path):
    """Starts `bnexp train --jobs 2`, in a process group of its own, on two long runs."""
    (tmp_path / "sitecustomize.py").write_text(ENDLESS_IMPORT)
    processes = []

    def run(**environment):
        paths = [str(tmp_path), os.environ.get("PYTHONPATH", "")]
        settings = [word for setting in LONG for word in ("-s", setting)]
        process = subprocess.Popen(
            [sys.executable, "-m", "bnexp", "train", "c.yaml", "--jobs", "2", *settings],
            cwd=tmp_path,
            env={**os.environ, "IMPORTS": str(tmp_path), "PYTHONPATH": os.pathsep.join(paths)}
            | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        processes.append(process)
        return process

    yield run
    for process in processes:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()


def wait_until(is_true, process):
    deadline = time.monotonic() + 120
    while not is_true():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)


def find_importing(folder):
    return [int(path.name.partition("-")[2]) for path in folder.glob("waiting-*")]


def is_alive(process):
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize(
    ("number", "code", "send"),
    [(signal.SIGINT, 130, os.killpg), (signal.SIGTERM, 143, os.kill)],
    ids=["Ctrl-C", "SIGTERM"],
)
def test_row_03_a_signal_while_the_workers_import_pytorch_is_heeded_at_once(
    number, code, send, start, tmp_path
):
    plan(tmp_path)
    process = start()
    wait_until(lambda: len(find_importing(tmp_path)) == 2, process)

    send(process.pid, number)
    _, said = process.communicate(timeout=30)  # the import takes an hour

    assert process.returncode == code
    assert " not started\n" in said
    assert "the same command continues with the remaining runs" in said
    assert "saving" not in said
    assert "Traceback" not in said
    assert not (tmp_path / "runs").exists()
    assert not any(map(is_alive, find_importing(tmp_path)))


@pytest.mark.parametrize(("module", "said"), [("typer", ""), ("torch", "loading PyTorch…\n")])
def test_row_03_ctrl_c_while_the_command_imports_exits_without_a_traceback(
    module, said, start, tmp_path
):
    plan(tmp_path)
    process = start(ENDLESS=module)
    wait_until(lambda: find_importing(tmp_path), process)

    os.killpg(process.pid, signal.SIGINT)
    stdout, stderr = process.communicate(timeout=30)

    assert process.returncode == 130
    assert (stdout, stderr) == ("", said)
    assert not (tmp_path / "runs").exists()


def test_row_03_a_signal_saves_the_run_that_trains_beside_a_worker_that_still_starts(
    start, tmp_path
):
    runs = plan(tmp_path, *LONG)
    (tmp_path / "one-is-free").touch()
    process = start()
    folders = [run.folder for run in runs]
    wait_until(lambda: any(folder.checkpoints.find() for folder in folders), process)
    wait_until(lambda: find_importing(tmp_path), process)

    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)

    assert process.returncode == 130
    assert said.count("saving; press Ctrl-C again to exit at once") == 1
    assert "many: 1 interrupted" in said
    (begun,) = [folder for folder in folders if folder.path.exists()]
    assert read_run(begun.path).state == "interrupted"
    assert not is_held(begun.lock)
    assert not any(map(is_alive, find_importing(tmp_path)))


def test_that_processes_are_starting_is_said_before_they_have_imported_pytorch(start, tmp_path):
    plan(tmp_path)
    process = start()
    wait_until(lambda: len(find_importing(tmp_path)) == 2, process)

    os.killpg(process.pid, signal.SIGKILL)
    _, said = process.communicate()

    assert said.splitlines()[-1] == "starting 2 processes; loading PyTorch takes a few seconds"
