"""Runs on a GPU from the command to their files: the same bits again, and CPU's within rounding."""

import json
import os
import signal
import subprocess
import sys

import pytest
import torch
from forks import wait_until
from run_results import read_results, read_rows
from sweeps import plan, read_runs, train
from toy_training import CPU, Notes, build_dataset, configure

from bnexp.training.loop import Training
from bnexp.training.setup import build_parts

pytestmark = pytest.mark.gpu

CONFIG = """\
name: many
data: {name: shapes, train_size: 200, val_size: 0, test_size: 40, batch_size: 20}
model: {name: cnn, layers: [{conv: 8}, {pool: max}, {conv: 16}], dropout: 0.2}
optim: {name: sgd, learning_rate: 0.05}
train: {epochs: 4, device: cuda, log_every: 5}
"""


def read_environment(run):
    return json.loads((run / "environment.json").read_text())


@pytest.mark.parametrize("dropout", [0.2, 0.0], ids=["eager", "graph"])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_run_killed_in_mid_epoch_ends_with_the_bits_of_one_that_never_stopped(
    precision, dropout, started_bnexp, tmp_path
):
    plan(tmp_path, config=CONFIG)
    command = ["train", "c.yaml", "-s", f"train.precision={precision}", "-s", "train.epochs=20"]
    command += ["-s", f"model.dropout={dropout}"]
    assert started_bnexp(*command, "--runs-dir", "whole", cwd=tmp_path).returncode == 0

    command += ["-s", "train.checkpoint_every=7"]
    run = tmp_path / "runs/many/base/seed=0"
    process = subprocess.Popen(
        [sys.executable, "-m", "bnexp", *command], cwd=tmp_path, stderr=subprocess.DEVNULL
    )
    wait_until(lambda: (run / "checkpoint.pt").exists() or process.poll() is not None)
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    done = started_bnexp(*command, cwd=tmp_path)

    assert done.returncode == 0, done.stderr
    [resume] = read_environment(run)["resumes"]
    assert 0 < resume["step"] < 200
    assert resume["step"] % 10 != 0
    assert read_results(run) == read_results(tmp_path / "whole/many/base/seed=0")


@pytest.fixture(scope="module")
def trained(started_bnexp, tmp_path_factory):
    """A folder with two seeds, trained on the GPU one after the other."""
    folder = tmp_path_factory.mktemp("trained")
    plan(folder, config=CONFIG)
    done = started_bnexp("train", "c.yaml", "-s", "sweep.seeds=2", "--jobs", "1", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert "on cuda" in done.stderr
    return folder


def test_two_processes_that_share_the_gpu_train_the_same_bits(trained, started_bnexp, tmp_path):
    plan(tmp_path, config=CONFIG)

    done = started_bnexp("train", "c.yaml", "-s", "sweep.seeds=2", "--jobs", "2", cwd=tmp_path)

    assert done.returncode == 0, done.stderr
    assert read_runs(tmp_path / "runs") == read_runs(trained / "runs")
    runs = [tmp_path / f"runs/many/base/seed={seed}" for seed in range(2)]
    assert {read_environment(run)["device"]["type"] for run in runs} == {"cuda"}


def test_a_run_says_what_it_was_trained_on_and_how_much_memory_it_took(trained):
    run = trained / "runs/many/base/seed=0"
    summary = json.loads((run / "summary.json").read_text())

    assert read_environment(run)["device"]["name"] == torch.cuda.get_device_name()
    assert 4 * summary["parameters"] < summary["training_memory_bytes"]
    assert summary["training_memory_bytes"] <= summary["peak_memory_bytes"] < 2**30
    tensors = torch.load(run / "checkpoint.pt", weights_only=True)
    assert {value.device for value in tensors["model"].values()} == {CPU}


@pytest.mark.parametrize("statistics", ["ema", "precise", "batch"])
def test_a_network_trained_on_the_gpu_is_evaluated_on_the_cpu(statistics, trained, started_bnexp):
    done = started_bnexp(
        *("evaluate", "many/base/seed=0", "--population-statistics", statistics, "--json"),
        cwd=trained,
        CUDA_VISIBLE_DEVICES="",
    )

    assert done.returncode == 0, done.stderr
    [found] = json.loads(done.stdout)
    summary = json.loads((trained / "runs/many/base/seed=0/summary.json").read_text())
    if statistics == "ema":
        assert found["accuracy"] == summary["final"]["test/accuracy"]
        assert found["loss"] == pytest.approx(summary["final"]["test/loss"], rel=1e-4)


def test_what_was_trained_on_the_gpu_is_examined_and_shown(trained, started_bnexp):
    for command in (
        ("doctor", "many/base/seed=0"),
        ("show", "many/base/seed=0"),
        ("check",),
        ("compare", "many"),
    ):
        done = started_bnexp(*command, cwd=trained)
        assert done.returncode == 0, (command, done.stdout, done.stderr)


def test_the_doctor_names_the_gpu(started_bnexp, tmp_path):
    done = started_bnexp("doctor", cwd=tmp_path)

    assert torch.cuda.get_device_name() in done.stdout, done.stderr


def train_toy(device, **changes):
    """Returns the rows of a run of the toy there, and its final weights on the CPU."""
    config = configure(**{"log_every": 1, "data": {"batch_size": 30}, **changes})
    parts, notes = build_parts(config, build_dataset(), device), Notes()
    Training(config, parts, notes, lambda: False).run()
    state = parts.learner.model.state_dict()
    return notes.rows, {name: value.cpu() for name, value in state.items()}


def losses(rows):
    return [scalars["train/loss"] for _, _, scalars in rows if "train/loss" in scalars]


@pytest.mark.parametrize("memory_format", ["channels_last", "contiguous"])
def test_the_gpu_trains_what_the_cpu_does_within_rounding(memory_format, cuda):
    on_gpu, on_cpu = (train_toy(device, memory_format=memory_format) for device in (cuda, CPU))

    assert losses(on_gpu[0]) == pytest.approx(losses(on_cpu[0]), rel=1e-3)
    torch.testing.assert_close(on_gpu[1], on_cpu[1], rtol=1e-2, atol=1e-3)


def test_both_memory_formats_and_precisions_train_the_same_within_rounding(cuda):
    reference = losses(train_toy(cuda)[0])

    assert losses(train_toy(cuda, memory_format="contiguous")[0]) == pytest.approx(
        reference, rel=1e-3
    )
    assert losses(train_toy(cuda, precision="bf16")[0]) == pytest.approx(reference, rel=0.05)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_compiled_network_repeats_its_bits_and_trains_what_a_plain_one_does(precision, cuda):
    first, second, plain = (
        train_toy(cuda, precision=precision, compile=is_compiled)
        for is_compiled in (True, True, False)
    )

    assert losses(first[0]) == losses(second[0])
    assert all(torch.equal(value, second[1][name]) for name, value in first[1].items())
    tolerance = 1e-3 if precision == "fp32" else 0.05
    assert losses(first[0]) == pytest.approx(losses(plain[0]), rel=tolerance)


def test_all_statistics_are_evaluated_during_a_run(tmp_path, cuda):
    statistics = "evaluate.population_statistics=[ema,precise,batch]"

    ended = train(plan(tmp_path, statistics, config=CONFIG))

    assert ended == {"finished": 1}
    rows = read_rows(tmp_path / "runs/many/base/seed=0")
    assert {"test/accuracy", "test_precise/accuracy", "test_batch/accuracy"} <= {*rows[-2]}


def test_a_run_that_finds_too_little_memory_says_so(tmp_path, cuda):
    torch.cuda.empty_cache()
    torch.cuda.set_per_process_memory_fraction(2e-3)
    try:
        ended = train(plan(tmp_path, "model.layers=[{conv: 512}]", config=CONFIG))
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)

    assert ended == {"failed": 1}
    assert "out of memory" in (tmp_path / "runs/many/base/seed=0/status.json").read_text()
