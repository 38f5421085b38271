"""A finished sweep on shapes, made once by the real command and looked at by many tests."""

import os

import pytest
from filelock import FileLock

SWEEP = """\
name: sweep
data: {name: shapes, train_size: 500, val_size: 100, test_size: 500, batch_size: 50}
model:
  name: cnn
  layers: [{conv: 8}, {pool: max}, {conv: 8}, {pool: max}]
optim: {name: sgd, learning_rate: 0.05}
train: {epochs: 2, device: cpu, threads: 1, log_every: 5}
sweep:
  seeds: 3
  grid: {model.norm: [none, batch, {name: batch, eps: 0.001}]}
"""


@pytest.fixture(scope="session")
def sweep(tmp_path_factory, bnexp):
    """A folder with `sweep.yaml` and `runs/sweep`: three cells with three seeds each.

    The processes of pytest-xdist share it; whoever comes first trains.
    """
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "sweep"
    with FileLock(f"{folder}.lock"):
        if not (folder / "stderr.txt").exists():
            folder.mkdir(exist_ok=True)
            (folder / "sweep.yaml").write_text(SWEEP)
            done = bnexp("train", "sweep.yaml", cwd=folder)
            assert done.returncode == 0, done.stderr
            (folder / "stdout.txt").write_text(done.stdout)
            (folder / "stderr.txt").write_text(done.stderr)
    return folder
