"""The seam for diagnostics: probes measure due steps, and leave no trace in the run."""

import pytest
import torch
from diagnosed_runs import read_bits, rows_with, train
from toy_training import CPU, build_dataset, configure

from bnexp.diagnostics.probe import Probe, leaving_no_trace
from bnexp.norms.batch.config import BatchNormConfig
from bnexp.norms.noisy_batch.config import NoisyBatchNormConfig
from bnexp.training.saving.progress import CheckpointMetadata
from bnexp.training.setup import build_parts


class UpdateSize(Probe):
    """A cheap one: the gradient before the update, and how far the update moves a weight."""

    def before_update(self, step):
        (weight, *_) = step.model.parameters()
        self.before = weight.detach().clone()
        self.gradient = weight.grad.norm()

    def after_update(self, step):
        (weight, *_) = step.model.parameters()
        yield "diag/toy/gradient", self.gradient
        yield "diag/toy/update", (weight.detach() - self.before).norm()


class Activations(Probe):
    """One with hooks in both directions, extra passes on the batch, and draws of its own."""

    def __init__(self, every=3):
        super().__init__(range(every, 10**9, every))
        self.forwards = self.backwards = 0

    def hook(self, model):
        def look(module, inputs, outputs):
            self.forwards += 1
            self.mean = outputs.detach().mean()

        def look_back(module, before, after):
            self.backwards += 1

        yield model.layers[1].register_forward_hook(look)
        yield model.layers[1].register_full_backward_hook(look_back)

    def after_update(self, step):
        torch.rand(7)
        with leaving_no_trace(step.model):
            loss = step.compute_loss()
            loss.backward()
            with torch.no_grad():
                for value in step.model.parameters():
                    value.sub_(0.1 * value.grad)
            moved = step.compute_loss().item()
            step.model.eval()
        yield "diag/toy/mean", self.mean
        yield "diag/toy/loss", step.loss
        yield "diag/toy/loss_moved", moved


@pytest.fixture(scope="module")
def dataset():
    return build_dataset()


CONFIGS = {
    "batch": configure(dropout=0.5),
    "noisy, bf16": configure(norm=NoisyBatchNormConfig(), precision="bf16"),
    "cumulative statistics": configure(norm=BatchNormConfig(momentum=None)),
}


@pytest.mark.parametrize("name", CONFIGS)
def test_probes_change_no_bit_of_a_run(name, dataset):
    plain, plain_rows, _ = train(CONFIGS[name], dataset)
    probed, rows, _ = train(
        CONFIGS[name], dataset, probes=[UpdateSize(range(5, 10**9, 5)), Activations()]
    )

    for part in ("model", "optimizer"):
        (before, after) = (getattr(parts.learner, part).state_dict() for parts in (plain, probed))
        assert read_bits(before) == read_bits(after)
    assert rows_with(plain_rows, "train/loss") == rows_with(rows, "train/loss")
    assert rows_with(plain_rows, "test/loss") == rows_with(rows, "test/loss")


def test_what_probes_measure_stands_in_rows_at_their_steps(dataset):
    probe = Activations()
    _, rows, _ = train(configure(), dataset, probes=[UpdateSize(range(5, 10**9, 5)), probe])

    assert list(rows_with(rows, "diag/toy/update")) == [5, 10]
    assert min(rows_with(rows, "diag/toy/update").values()) > 0
    assert list(rows_with(rows, "diag/toy/mean")) == [3, 6, 9, 12]
    losses, moved = rows_with(rows, "diag/toy/loss"), rows_with(rows, "diag/toy/loss_moved")
    assert losses.keys() == moved.keys()
    assert all(moved[step] < losses[step] for step in losses)


def test_hooks_see_one_pass_per_due_step_and_no_other(dataset):
    probe = Activations()
    parts, _, _ = train(configure(), dataset, probes=[probe])

    assert (probe.forwards, probe.backwards) == (4, 4)
    layer = parts.learner.model.layers[1]
    assert not layer._forward_hooks
    assert not layer._backward_hooks


def test_a_probe_that_is_never_due_is_asked_only_that(dataset):
    class Idle(Probe):
        def is_due(self, step):
            return False

        hook = before_update = after_update = None

    train(configure(), dataset, probes=[Idle(range(1, 10**9, 1))])


def test_a_run_with_probes_that_is_stopped_measures_the_same(dataset):
    config = configure(dropout=0.5)
    probes = [UpdateSize(range(5, 10**9, 5)), Activations()]
    whole, whole_rows, _ = train(config, dataset, probes=probes)

    for boundaries in range(1, 14, 3):
        _, _, saved = train(config, dataset, boundaries, probes=probes)
        done = CheckpointMetadata.read(saved[1]).progress.rows
        parts, rows, _ = train(config, dataset, saved=saved, probes=probes)
        for tag in ("diag/toy/gradient", "diag/toy/loss_moved", "train/loss"):
            assert rows_with([*whole_rows[:done], *rows], tag) == rows_with(whole_rows, tag)
        expected = read_bits(whole.learner.model.state_dict())
        assert read_bits(parts.learner.model.state_dict()) == expected


@pytest.mark.parametrize("name", CONFIGS)
def test_the_loss_can_be_computed_again_with_the_draws_of_the_step(name, dataset):
    losses = []

    class Again(Probe):
        def before_update(self, step):
            torch.rand(3)
            with leaving_no_trace(step.model):
                losses.append((step.loss, step.compute_loss()))
                parts = (slice(0, 16), slice(16, 32), slice(0, 16))
                losses.append([step.compute_loss(part) for part in parts])

        def after_update(self, step):
            yield "diag/toy/learning_rate", step.learning_rate

    learner = (parts := build_parts(CONFIGS[name], dataset, CPU)).learner
    measured = learner.step(1, next(parts.batches.epoch(0)), [Again(range(1, 10**9, 1))]).measured

    (loss, again), (first, second, first_again) = losses
    assert loss == again
    assert first == first_again != second
    assert measured == {"diag/toy/learning_rate": learner.learning_rate(1)}


def test_no_generator_moves(dataset):
    model = build_parts(CONFIGS["batch"], dataset, CPU).learner.model
    before = torch.get_rng_state()
    with leaving_no_trace(model):
        torch.rand(3)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("first", [1, 2], ids=["at the first step", "later"])
def test_the_hooks_of_a_compiled_network_see_the_same_pass_uncompiled(first, dataset):
    def build():
        parts = build_parts(configure(norm=BatchNormConfig()), dataset, CPU)
        parts.learner.model.compile(backend="eager")
        return parts

    seen = {}
    for name, probes in {"off": [], "on": [Activations(1)]}.items():
        parts, losses = build(), []
        for number, batch in zip(range(1, 4), parts.batches.epoch(0), strict=False):
            result = parts.learner.step(number, batch, probes if number >= first else ())
            losses.append(result.loss)
        seen[name] = losses, read_bits(parts.learner.model.state_dict())
        for probe in probes:
            assert (probe.forwards, probe.backwards) == (4 - first, 4 - first)

    assert seen["on"] == seen["off"]
