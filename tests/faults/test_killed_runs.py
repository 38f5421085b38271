"""Rows 1 and 14 of the fault matrix: SIGKILL at any moment, and the same command again."""

import json
import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from run_results import read_points, read_results, read_steps

from bnexp.exclusive_folder import is_held

CONFIG = """\
name: tiny
data: {name: shapes, train_size: 160, val_size: 40, batch_size: 20, augment: [random_crop]}
model: {name: cnn, layers: [{conv: 4}, {pool: max, size: 4}], norm: noisy_batch, dropout: 0.3}
optim: {name: sgd, learning_rate: 0.05}
train: {epochs: 4, device: cpu, threads: 1, log_every: 3, checkpoint_every: 1}
"""
RUN = Path("runs/tiny/base/seed=0")


class Server:
    """Runs commands in forks, each killed after some seconds where so asked."""

    def __init__(self, folder):
        self._log = folder / "said.txt"
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("fork_server.py"))],
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(self, *words, kill_after=None):
        job = {"words": words, "log": str(self._log), "kill_after": kill_after}
        self._process.stdin.write(json.dumps(job) + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        return answer["code"], answer["seconds"]

    def said(self):
        return self._log.read_text()

    def forget_what_was_said(self):
        self._log.unlink(missing_ok=True)

    def close(self):
        self._process.communicate(timeout=30)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("killed")
    server = Server(folder)
    server.folder = folder
    yield server
    server.close()


@pytest.fixture(scope="module")
def whole(server):
    """The run as it is without an interruption, in `whole/`, and how long it takes."""
    (server.folder / "c.yaml").write_text(CONFIG)
    server.run("train", "c.yaml", "--runs-dir", "warm-up")
    code, seconds = server.run("train", "c.yaml")
    assert code == 0, server.said()
    shutil.move(server.folder / "runs", server.folder / "whole")
    return read_results(server.folder / "whole/tiny/base/seed=0"), seconds


def kill_until_done(server, seconds, chance):
    """Repeats the command, killed at random moments, until it ends; returns the kills."""
    shutil.rmtree(server.folder / "runs", ignore_errors=True)
    for kills in range(100):
        # The patience rises, so that an end comes.
        patience = chance.uniform(0.2, 0.8) * seconds * (1 + kills / 12)
        code, _ = server.run("train", "c.yaml", kill_after=patience)
        if code == 0:
            return kills
        assert code == -9, server.said()
    raise AssertionError(server.said())


def check_a_killed_run(server, whole, chance):
    expected, seconds = whole
    server.forget_what_was_said()
    kills = kill_until_done(server, seconds, chance)

    run = server.folder / RUN
    found = read_results(run)
    for part, value in expected.items():
        assert found[part] == value, (part, server.said())
    assert read_points(run) == read_steps(run)
    # One that was killed after its summary leaves a lock behind, which holds nobody up.
    assert not is_held(run / ".lock")
    return kills


def test_row_01_a_run_that_is_killed_at_random_moments_ends_with_the_same_bits(server, whole):
    chance, kills = random.Random(1), 0
    while kills < 20:
        kills += check_a_killed_run(server, whole, chance)


@pytest.mark.slow
def test_row_01_two_hundred_kills(server, whole):
    chance, kills = random.Random(2), 0
    while kills < 200:
        kills += check_a_killed_run(server, whole, chance)
