"""Whoever reads what training says can go away: a closed pipe, a closed terminal."""

import os
import pty
import subprocess
import sys

import pytest

from bnexp.runs import read_run

CONFIG = """\
name: unread
data: {name: shapes, train_size: 100, val_size: 0, test_size: 50, batch_size: 50}
model: {name: cnn, layers: [{conv: 4}, {pool: max}]}
optim: {name: sgd, schedule: {name: constant}}
train: {epochs: 4, device: cpu, threads: 1}
sweep: {seeds: 2}
"""
CODE = "import sys; sys.argv[0] = 'bnexp'; from bnexp.cli.app import main; main()"


CHANNELS = {"pipe": os.pipe, "terminal": pty.openpty}
"""What makes two ends: what is read, and what is written into."""


def start(folder, *arguments, **streams):
    (folder / "c.yaml").write_text(CONFIG)
    environment = {key: value for key, value in os.environ.items() if key != "NO_COLOR"}
    command = [sys.executable, "-c", CODE, "train", "c.yaml", *arguments]
    return subprocess.Popen(command, cwd=folder, env={**environment, "TERM": "xterm"}, **streams)


def check_all_is_trained(process, folder):
    assert process.wait(timeout=120) == 0
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
def test_a_reader_that_goes_away_ends_no_run(kind, jobs, tmp_path):
    reader, writer = CHANNELS[kind]()

    process = start(tmp_path, "--jobs", jobs, stdout=subprocess.DEVNULL, stderr=writer)
    os.close(writer)
    heard = b""
    while b"epoch" not in heard:
        heard += os.read(reader, 1000)
    os.close(reader)

    check_all_is_trained(process, tmp_path)


@pytest.mark.parametrize("kind", ["pipe", pytest.param("terminal", marks=pytest.mark.slow)])
def test_what_is_asked_for_is_trained_though_nobody_reads_even_the_first_line(kind, tmp_path):
    reader, writer = CHANNELS[kind]()
    os.close(reader)

    process = start(tmp_path, stdout=writer, stderr=writer)
    os.close(writer)

    check_all_is_trained(process, tmp_path)


@pytest.mark.parametrize("kind", CHANNELS)
def test_a_refusal_that_nobody_reads_keeps_its_exit_code(kind, tmp_path):
    reader, writer = CHANNELS[kind]()
    os.close(reader)

    process = start(tmp_path, "-s", "name=a/b", stdout=writer, stderr=writer)
    os.close(writer)

    assert process.wait(timeout=120) == 2
