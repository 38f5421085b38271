"""Steps repeated from a CUDA graph, against the same steps one kernel after the other."""

import pytest
import torch
from toy_training import Notes, build_dataset, configure

from bnexp.config.optim import AdamWConfig, CosineScheduleConfig, SgdConfig
from bnexp.diagnostics.gradient_norm.config import GradientNormConfig
from bnexp.norms.batch.config import BatchNormConfig
from bnexp.training import learner
from bnexp.training.loop import Training
from bnexp.training.setup import build_parts

pytestmark = pytest.mark.gpu


def run(device, **changes):
    """Returns the parts of a run that has trained, its rows without times, and its weights."""
    parts, notes = build_parts(configure(**changes), build_dataset(), device), Notes()
    Training(configure(**changes), parts, notes, lambda: False).run()
    rows = [
        (step, epoch, {tag: value for tag, value in row.items() if "per_second" not in tag})
        for step, epoch, row in notes.rows
    ]
    return (
        parts,
        rows,
        {name: value.cpu() for name, value in parts.learner.model.state_dict().items()},
    )


def assert_same_as_eager(device, monkeypatch, **changes):
    graphed, rows, weights = run(device, **changes)
    monkeypatch.setattr(learner, "WARM_STEPS", 10**9)
    eager, eager_rows, eager_weights = run(device, **changes)

    assert graphed.learner.has_graph
    assert not eager.learner.has_graph
    assert rows == eager_rows
    assert all(torch.equal(value, eager_weights[name]) for name, value in weights.items())


SCHEDULE = CosineScheduleConfig(warmup_epochs=1)
OPTIMIZERS = {
    "sgd": SgdConfig(learning_rate=0.05, schedule=SCHEDULE),
    "plain sgd": SgdConfig(learning_rate=0.05, momentum=0.0, nesterov=False, schedule=SCHEDULE),
    "adamw": AdamWConfig(learning_rate=1e-3, schedule=SCHEDULE),
    "clipped": SgdConfig(learning_rate=0.05, clip_norm=0.5, schedule=SCHEDULE),
    "clipped by unit": SgdConfig(learning_rate=0.05, adaptive_clip=0.02, schedule=SCHEDULE),
}


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("optim", OPTIMIZERS)
def test_a_graph_ends_with_the_bits_of_eager_steps(optim, precision, cuda, monkeypatch):
    assert_same_as_eager(
        cuda, monkeypatch, optim=OPTIMIZERS[optim], precision=precision, epochs=4, log_every=1
    )


@pytest.mark.parametrize("memory_format", ["channels_last", "contiguous"])
def test_steps_that_probes_measure_come_between_repeated_ones(memory_format, cuda, monkeypatch):
    assert_same_as_eager(
        cuda,
        monkeypatch,
        memory_format=memory_format,
        epochs=4,
        diagnostics=[GradientNormConfig(every_steps=3)],
    )


@pytest.mark.parametrize("trainable", ["norms", "as_many_as_norms"])
def test_parts_of_a_network_are_trained_with_the_same_bits(trainable, cuda, monkeypatch):
    changes = {"trainable": trainable, "epochs": 4}
    graphed, rows, weights = run(cuda, **changes)
    monkeypatch.setattr(learner, "WARM_STEPS", 10**9)
    _, eager_rows, eager_weights = run(cuda, **changes)

    assert rows == eager_rows
    assert all(torch.equal(value, eager_weights[name]) for name, value in weights.items())
    assert graphed.learner.has_graph or trainable == "as_many_as_norms"


def test_an_average_over_all_batches_moves_on_in_a_graph(cuda, monkeypatch):
    assert_same_as_eager(cuda, monkeypatch, norm=BatchNormConfig(momentum=None), epochs=4)


@pytest.mark.parametrize("changes", [{"dropout": 0.2}, {"compile": True}], ids=str)
def test_what_no_graph_should_hold_is_trained_without(changes, cuda):
    parts, _, _ = run(cuda, **changes)

    assert not parts.learner.has_graph


def test_a_network_that_waits_for_the_device_is_trained_without_a_graph(cuda, monkeypatch):
    forward = torch.nn.BatchNorm2d.forward

    def wait(layer, inputs):
        assert inputs.sum().isfinite()  # reads it
        return forward(layer, inputs)

    _, _, expected = run(cuda, epochs=4)
    with monkeypatch.context() as patch:
        patch.setattr(torch.nn.BatchNorm2d, "forward", wait)
        waiting, _, weights = run(cuda, epochs=4)

    assert not waiting.learner.has_graph
    assert waiting.learner.graph_problem
    assert all(torch.equal(value, expected[name]) for name, value in weights.items())
    again, _, _ = run(cuda, epochs=4)
    assert again.learner.has_graph


def test_graphs_of_many_runs_leave_no_memory_behind(cuda):
    def held():
        torch.cuda.synchronize()
        torch.cuda.empty_cache()
        return torch.cuda.memory_reserved()

    run(cuda)
    before = held()
    for _ in range(3):
        run(cuda)

    assert held() <= before + 2**21
