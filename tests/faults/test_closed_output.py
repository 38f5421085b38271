"""Whoever reads what training says can go away: a closed pipe, a closed terminal."""

import os
import pty
import subprocess
import sys

import pytest

from bnexp.runs import read_run

CONFIG = """\
name: unread
data: {name: shapes, train_size: 100, val_size: 0, batch_size: 50}
model: {name: cnn, layers: [{conv: 4}, {pool: max}]}
optim: {name: sgd, schedule: {name: constant}}
train: {epochs: 10, device: cpu, threads: 1}
sweep: {seeds: 2}
"""
CODE = "import sys; sys.argv[0] = 'bnexp'; from bnexp.cli.app import main; main()"


@pytest.mark.parametrize("open_channel", [os.pipe, pty.openpty], ids=["pipe", "terminal"])
@pytest.mark.parametrize("jobs", [1, 2])
def test_a_reader_that_goes_away_ends_no_run(open_channel, jobs, tmp_path):
    (tmp_path / "c.yaml").write_text(CONFIG)
    environment = {key: value for key, value in os.environ.items() if key != "NO_COLOR"}
    reader, writer = open_channel()

    process = subprocess.Popen(
        [sys.executable, "-c", CODE, "train", "c.yaml", "--jobs", str(jobs)],
        cwd=tmp_path,
        env={**environment, "TERM": "xterm"},
        stdout=subprocess.DEVNULL,
        stderr=writer,
    )
    os.close(writer)
    heard = b""
    while b"epoch" not in heard:
        heard += os.read(reader, 1000)
    os.close(reader)

    assert process.wait(timeout=120) == 0
    for seed in range(2):
        run = tmp_path / f"runs/unread/base/seed={seed}"
        assert read_run(run).state == "finished"
        assert "epoch 10/10" in (run / "log.txt").read_text()
