"""Rows 1 and 14 of the fault matrix: SIGKILL at any moment, and the same command again."""

import random
import shutil
from pathlib import Path

import pytest
from file_operations import MAKE_SHORT
from run_results import read_points, read_results, read_steps

from bnexp.locks import is_held

CONFIG = """\
name: tiny
data: {name: shapes, train_size: 160, val_size: 40, test_size: 20, batch_size: 20,
  augment: [random_crop], classes_per_batch: 4}
model:
  name: cnn
  layers: [{conv: 4}, {pool: max, size: 4}]
  norm: {name: noisy_batch, normalization_batch_size: 10}
  dropout: 0.3
optim: {name: sgd, learning_rate: 0.05, clip_norm: 1.0}
evaluate: {every_steps: 3}
train: {epochs: 4, device: cpu, threads: 1, log_every: 3, checkpoint_every: 1}
"""
RUN = Path("runs/tiny/base/seed=0")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("killed")
    (folder / "c.yaml").write_text(CONFIG)
    return folder


@pytest.fixture(scope="module")
def whole(forks, folder):
    """The run as it is without an interruption, in `whole/`, and how long it takes."""
    forks.run("train", "c.yaml", "--runs-dir", "warm-up", cwd=folder, before=MAKE_SHORT)
    done = forks.run("train", "c.yaml", cwd=folder, before=MAKE_SHORT)
    assert done.code == 0, done.said
    shutil.move(folder / "runs", folder / "whole")
    return read_results(folder / "whole/tiny/base/seed=0"), done.seconds


def kill_until_done(forks, folder, seconds, chance):
    """Repeats the command, killed at random moments, until it ends; returns the kills."""
    shutil.rmtree(folder / "runs", ignore_errors=True)
    for kills in range(100):
        # The patience rises, so that an end comes.
        patience = chance.uniform(0.2, 0.8) * seconds * (1 + kills / 12)
        done = forks.run("train", "c.yaml", cwd=folder, before=MAKE_SHORT, kill_after=patience)
        if done.code == 0:
            return kills
        assert done.code == -9, done.said
    raise AssertionError(done.said)


def check_a_killed_run(forks, folder, whole, chance):
    expected, seconds = whole
    kills = kill_until_done(forks, folder, seconds, chance)

    run = folder / RUN
    found = read_results(run)
    for part, value in expected.items():
        assert found[part] == value, (part, (run / "log.txt").read_text())
    assert read_points(run) == read_steps(run)
    # One that was killed after its summary leaves a lock behind, which holds nobody up.
    assert not is_held(run / ".lock")
    return kills


def test_row_01_a_run_that_is_killed_at_random_moments_ends_with_the_same_bits(
    forks, folder, whole
):
    chance, kills = random.Random(1), 0
    while kills < 5:  # `test_every_operation.py` kills where it matters
        kills += check_a_killed_run(forks, folder, whole, chance)


@pytest.mark.slow
def test_row_01_two_hundred_kills(forks, folder, whole):
    chance, kills = random.Random(2), 0
    while kills < 200:
        kills += check_a_killed_run(forks, folder, whole, chance)
