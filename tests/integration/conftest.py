"""A finished sweep on shapes, made once by the real command and looked at by many tests."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

SWEEP = """\
name: sweep
data: {name: shapes, train_size: 500, val_size: 100, batch_size: 50}
model:
  name: cnn
  layers: [{conv: 8}, {pool: max}, {conv: 8}, {pool: max}]
optim: {name: sgd, learning_rate: 0.05}
train: {epochs: 2, device: cpu, threads: 1, log_every: 5}
sweep:
  seeds: 3
  grid: {model.norm: [none, batch, {name: batch, eps: 0.001}]}
"""


def run_bnexp(*arguments, cwd, **environment):
    """Runs the command as a user would, in another process."""
    return subprocess.run(
        [sys.executable, "-m", "bnexp", *map(str, arguments)],
        cwd=cwd,
        env={**os.environ, "COLUMNS": "200", **environment},
        capture_output=True,
        text=True,
        timeout=300,
    )


@pytest.fixture(scope="session")
def bnexp():
    return run_bnexp


@pytest.fixture(scope="session")
def sweep(tmp_path_factory):
    """A folder with `sweep.yaml` and `runs/sweep`: three cells with three seeds each."""
    folder = tmp_path_factory.mktemp("sweep")
    (folder / "sweep.yaml").write_text(SWEEP)
    done = run_bnexp("train", "sweep.yaml", cwd=folder)
    assert done.returncode == 0, done.stderr
    (folder / "stdout.txt").write_text(done.stdout)
    (folder / "stderr.txt").write_text(done.stderr)
    return Path(folder)
