"""Whoever reads what training says can go away: a closed pipe, a closed terminal."""

import os
import pty

import pytest
from forks import wait_until

from bnexp.runs import read_run

CONFIG = """\
name: unread
data: {name: shapes, train_size: 100, val_size: 0, test_size: 50, batch_size: 50}
model: {name: cnn, layers: [{conv: 4}, {pool: max}]}
optim: {name: sgd, schedule: {name: constant}}
train: {epochs: 4, device: cpu, threads: 1}
sweep: {seeds: 2}
"""
CHANNELS = {"pipe": os.pipe, "terminal": pty.openpty}
"""What makes two ends: what is read, and what is written into."""
WRITE = """
import os, time
for stream in {streams}:
    os.dup2(os.open("/proc/{process}/fd/{writer}", os.O_WRONLY | os.O_NOCTTY), stream)
open("has-opened", "w").close()
while not os.path.exists("goes-on"):
    time.sleep(0.01)
"""
"""Code that a process runs first: it writes into a channel, whose reader may then go away."""


class Reader:
    """Reads what a command writes, until it goes away."""

    def __init__(self, forks, kind, folder):
        self._forks = forks
        self._folder = folder
        self._reader, self._writer = CHANNELS[kind]()

    def start(self, *arguments, streams):
        """Starts the training, whose streams of these numbers are read."""
        (self._folder / "c.yaml").write_text(CONFIG)
        before = WRITE.format(streams=streams, process=os.getpid(), writer=self._writer)
        process = self._forks.start(
            "train", "c.yaml", *arguments, cwd=self._folder, before=before, TERM="xterm"
        )
        wait_until((self._folder / "has-opened").exists)
        os.close(self._writer)
        return process

    def read(self):
        return os.read(self._reader, 1000)

    def leave(self):
        os.close(self._reader)

    def let_go_on(self):
        (self._folder / "goes-on").touch()


def check_all_is_trained(process, folder):
    assert process.wait() == 0
    for seed in range(2):
        run = folder / f"runs/unread/base/seed={seed}"
        assert read_run(run).state == "finished"
        assert "epoch 4/4" in (run / "log.txt").read_text()


@pytest.mark.parametrize(
    ("kind", "jobs"),
    [
        ("terminal", "1"),
        *(
            pytest.param(*both, marks=pytest.mark.slow)
            for both in [("pipe", "1"), ("terminal", "2"), ("pipe", "2")]
        ),
    ],
)
def test_a_reader_that_goes_away_ends_no_run(kind, jobs, forks, tmp_path):
    reader = Reader(forks, kind, tmp_path)

    process = reader.start("--jobs", jobs, streams=[2])
    reader.let_go_on()
    heard = b""
    while b"epoch" not in heard:
        heard += reader.read()
    reader.leave()

    check_all_is_trained(process, tmp_path)


@pytest.mark.parametrize("kind", ["pipe", pytest.param("terminal", marks=pytest.mark.slow)])
def test_what_is_asked_for_is_trained_though_nobody_reads_even_the_first_line(
    kind, forks, tmp_path
):
    reader = Reader(forks, kind, tmp_path)

    process = reader.start(streams=[1, 2])
    reader.leave()
    reader.let_go_on()

    check_all_is_trained(process, tmp_path)


@pytest.mark.parametrize("kind", CHANNELS)
def test_a_refusal_that_nobody_reads_keeps_its_exit_code(kind, forks, tmp_path):
    reader = Reader(forks, kind, tmp_path)

    process = reader.start("-s", "name=a/b", streams=[1, 2])
    reader.leave()
    reader.let_go_on()

    assert process.wait() == 2
