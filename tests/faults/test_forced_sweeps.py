"""`--force` removes what is there once, at the beginning, and loses nothing where that fails."""

import pytest
from sweeps import plan, read_runs

from bnexp.runs import read_run

STOP_IN_SECOND_RUN = """
import os, signal
from bnexp.launch.engines import launcher
from bnexp.training import learner
launcher.measure_pace = lambda run: None  # its steps are no run's
steps = []
train_step = learner.train_step

def train_and_be_stopped(*arguments):
    steps.append(1)
    if len(steps) == {step}:
        os.kill(os.getpid(), signal.{name})
    return train_step(*arguments)

learner.train_step = train_and_be_stopped
"""
FILL_DISK_AT_FORCE = """
import resource, signal
from bnexp.runs import RunDir
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
start_over = RunDir.start_over

def start_over_on_a_full_disk(*arguments):
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))
    try:
        start_over(*arguments)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))

RunDir.start_over = start_over_on_a_full_disk
"""
SWEEP = ("train", "c.yaml", "-s", "sweep.seeds=3")
OTHER = ("-s", "optim.learning_rate=0.07")


@pytest.mark.parametrize(
    ("name", "code", "change"),
    [
        pytest.param("SIGTERM", 143, (), id="stopped, same config", marks=pytest.mark.slow),
        pytest.param("SIGKILL", -9, OTHER, id="killed, another config"),
    ],
)
def test_a_forced_sweep_that_is_cut_off_goes_on_without_force(name, code, change, forks, tmp_path):
    runs = plan(tmp_path, "sweep.seeds=3")
    assert forks.run(*SWEEP, cwd=tmp_path).code == 0
    steps = read_run(runs[0].folder.path).summary.steps
    assert forks.run(*SWEEP, *change, "--runs-dir", "fresh", cwd=tmp_path).code == 0

    before = STOP_IN_SECOND_RUN.format(step=steps + 2, name=name)
    cut = forks.run(*SWEEP, *change, "--force", cwd=tmp_path, before=before)
    states = [read_run(run.folder.path).state for run in runs]
    done = forks.run(*SWEEP, *change, cwd=tmp_path)

    assert cut.code == code
    assert states == ["finished", "interrupted" if name == "SIGTERM" else "running", "pending"]
    assert done.code == 0, done.said
    assert "1 done, 2 to do" in done.said
    assert read_runs(tmp_path / "runs") == read_runs(tmp_path / "fresh")


def test_row_06_a_full_disk_at_force_leaves_the_old_run_whole(forks, tmp_path):
    (run,) = plan(tmp_path)
    assert forks.run("train", "c.yaml", cwd=tmp_path).code == 0
    before = {path: path.read_bytes() for path in run.folder.path.iterdir()}

    done = forks.run("train", "c.yaml", "--force", cwd=tmp_path, before=FILL_DISK_AT_FORCE)

    assert done.code == 2
    assert "error: cannot write the run folder runs/many/base/seed=0: File too large" in done.said
    assert {path: path.read_bytes() for path in run.folder.path.iterdir()} == before
