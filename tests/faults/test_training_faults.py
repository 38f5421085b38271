"""What must not go wrong, made to go wrong: signals, full disks, two at once, a broken part."""

import json
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
from PIL import Image

from bnexp.runs import read_run

CONFIG = """\
name: diverging
data: {name: shapes, train_size: 200, val_size: 0, batch_size: 50}
model: {name: cnn, layers: [{conv: 8}, {pool: max}]}
optim: {name: sgd, schedule: {name: constant}}
train: {epochs: 2, device: cpu, threads: 1}
sweep: {grid: {model.norm.name: [none, batch], optim.learning_rate: [1.0e+20, 0.01]}}
"""


def start(cwd, *arguments):
    command = [sys.executable, "-m", "bnexp", "train", *arguments]
    return subprocess.Popen(
        command, cwd=cwd, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def wait_for_metrics(folder):
    deadline = time.monotonic() + 60
    while not any(path.stat().st_size for path in folder.rglob("metrics.jsonl")):
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_row_03_a_signal_saves_the_run_and_the_same_command_goes_on(number, code, bnexp, tmp_path):
    (tmp_path / "c.yaml").write_text(
        CONFIG.replace("epochs: 2", "epochs: 400, log_every: 2").partition("sweep:")[0]
    )

    process = start(tmp_path, "c.yaml", "-s", "optim.learning_rate=0.01")
    wait_for_metrics(tmp_path)
    process.send_signal(number)
    _, said = process.communicate(timeout=30)

    assert process.returncode == code
    assert "the same command goes on with the runs that are left:" in said
    assert "\n  bnexp train c.yaml -s optim.learning_rate=0.01\n" in said
    run = tmp_path / "runs" / "diverging" / "base" / "seed=0"
    assert read_run(run).state == "interrupted"
    assert not (run / "summary.json").exists()
    assert not (run / ".lock").exists()
    step = torch.load(run / "checkpoint.pt", weights_only=True)["progress"]["step"]
    assert json.loads((run / "status.json").read_text())["step"] == step > 0
    assert f"interrupted after step {step}, saved: " in said
    planned = bnexp("plan", "c.yaml", "-s", "optim.learning_rate=0.01", cwd=tmp_path)
    assert planned.returncode == 0
    content = (tmp_path / "c.yaml").read_text().replace("epochs: 400", "epochs: 2")
    (tmp_path / "c.yaml").write_text(content)
    again = bnexp("train", "c.yaml", "-s", "optim.learning_rate=0.01", cwd=tmp_path)
    assert again.returncode == 2
    assert "train.epochs is 400 there and 2 here" in again.stderr
    again = bnexp("train", "c.yaml", "-s", "optim.learning_rate=0.01", "--force", cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    assert read_run(run).state == "finished"


BUSY = """
import time
from bnexp.launch.stop import StopSignal
with StopSignal() as stop:
    print("ready", flush=True)
    while True:  # a step that never ends
        time.sleep(0.01)
"""


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_row_03_the_second_signal_leaves_at_once(number, code):
    process = subprocess.Popen([sys.executable, "-c", BUSY], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "ready\n"

    process.send_signal(number)
    with pytest.raises(subprocess.TimeoutExpired):
        process.communicate(timeout=0.5)
    process.send_signal(number)

    process.communicate(timeout=30)
    assert process.returncode == code


def test_of_two_processes_with_the_same_command_one_trains_a_run(bnexp, tmp_path):
    (tmp_path / "c.yaml").write_text(
        CONFIG.replace("epochs: 2", "epochs: 60").partition("sweep:")[0]
    )
    arguments = ("c.yaml", "-s", "optim.learning_rate=0.01")

    processes = [start(tmp_path, *arguments) for _ in range(2)]
    said = [process.communicate(timeout=120)[1] for process in processes]

    run = tmp_path / "runs" / "diverging" / "base" / "seed=0"
    assert read_run(run).state == "finished"
    assert len(list(run.glob("events.out.tfevents.*"))) == 1
    rows = (run / "metrics.jsonl").read_text().splitlines()
    steps = [json.loads(row)["step"] for row in rows]
    assert steps == sorted(steps)
    # The second either came while the first held the run, or found it done.
    words = ("trained by another process", "another process", "done already")
    assert any(word in text for text in said for word in words)


@pytest.mark.skipif(sys.platform != "linux", reason="sets the size limit of a file")
def test_row_06_a_disk_that_is_full_fails_the_run_with_its_path_and_ends_nothing_else(
    bnexp, tmp_path
):
    settings = ("-s", "sweep.grid=null", "-s", "optim.learning_rate=0.01")
    (tmp_path / "c.yaml").write_text(CONFIG)
    assert bnexp("train", "c.yaml", *settings, "-s", "name=old", cwd=tmp_path).returncode == 0
    old = tmp_path / "runs/old/base/seed=0"
    before = {path.name: path.read_bytes() for path in old.iterdir()}
    (tmp_path / "c.yaml").write_text(CONFIG.replace("epochs: 2", "epochs: 30, log_every: 1"))
    code = (
        "import resource, signal, sys\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (9000, 9000))\n"
        "sys.argv = ['bnexp', 'train', 'c.yaml', '-s', 'sweep.grid=null', "
        "'-s', 'sweep.seeds=2', '-s', 'optim.learning_rate=0.01']\n"
        "from bnexp.cli.app import main\nmain()\n"
    )

    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True
    )

    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    assert "unexpected" not in done.stderr
    for seed in range(2):
        run = f"runs/diverging/base/seed={seed}"
        assert f"failed: base seed={seed}: File too large: {run}" in done.stderr
        assert read_run(tmp_path / run).state == "failed"
    assert "2 failed" in done.stderr
    assert {path.name: path.read_bytes() for path in old.iterdir()} == before
    assert read_run(old).state == "finished"


BROKEN_NORM = '''
from typing import Literal
from bnexp.norms import NormConfig

class BrokenConfig(NormConfig):
    """Fails in the forward pass."""
    name: Literal["broken"] = "broken"

    def build(self, num_features):
        import torch
        class Broken(torch.nn.Module):
            def forward(self, inputs):
                raise RuntimeError("the norm is broken")
        return Broken()
'''


def test_a_run_that_fails_is_told_logged_and_does_not_stop_the_others(bnexp, tmp_path):
    (tmp_path / "broken_norm.py").write_text(BROKEN_NORM)
    info = tmp_path / "broken_norm-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: broken-norm\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[bnexp.norms]\nbroken = broken_norm:BrokenConfig\n")
    (tmp_path / "c.yaml").write_text(
        CONFIG.partition("sweep:")[0] + "sweep: {grid: {model.norm.name: [broken, none, batch]}}\n"
    )

    done = bnexp("train", "c.yaml", "-s", "optim.learning_rate=0.01", cwd=tmp_path,
                 PYTHONPATH=str(tmp_path))  # fmt: skip

    assert done.returncode == 1
    log = tmp_path / "runs/diverging/norm=broken/seed=0/log.txt"
    assert "failed: norm=broken seed=0: RuntimeError: the norm is broken" in done.stderr
    assert str(log.relative_to(tmp_path)) in done.stderr
    assert "Traceback" not in done.stderr
    assert "Traceback" in log.read_text()
    assert "1 failed, 2 finished" in done.stderr
    compared = bnexp("compare", cwd=tmp_path)
    assert "1 failed" in compared.stdout


def test_row_17_a_picture_that_is_cut_short_is_named_before_anything_is_trained(bnexp, tmp_path):
    noise = np.random.default_rng(0).integers(0, 255, (8, 16, 16, 3), dtype=np.uint8)
    places = [(split, name) for split in ("train", "test") for name in ("cat", "dog")]
    for number, (split, name) in enumerate(places):
        (tmp_path / "pics" / split / name).mkdir(parents=True)
        Image.fromarray(noise[number]).save(tmp_path / "pics" / split / name / "0.png")
    cut = tmp_path / "pics/train/dog/0.png"
    cut.write_bytes(cut.read_bytes()[:400])
    (tmp_path / "c.yaml").write_text(
        CONFIG.partition("sweep:")[0].replace(
            "{name: shapes, train_size: 200, val_size: 0, batch_size: 50}",
            "{name: image_folder, root: pics, val_size: 0, batch_size: 2}",
        )
    )

    done = bnexp("train", "c.yaml", cwd=tmp_path)

    assert done.returncode in (1, 2), done.stderr
    assert "train/dog/0.png is damaged: " in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "runs").exists()
