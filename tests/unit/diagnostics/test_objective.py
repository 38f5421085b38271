"""A step's loss as a function of the parameters alone."""

import pytest
import torch
from toy_training import CPU, build_dataset, configure

from bnexp.diagnostics.objective import exploring
from bnexp.diagnostics.probe import Probe
from bnexp.norms.batch_renorm.config import BatchRenormConfig
from bnexp.norms.noisy_batch.config import NoisyBatchNormConfig
from bnexp.training.setup import build_parts


@pytest.fixture(scope="module")
def dataset():
    return build_dataset()


class Explorer(Probe):
    """Calls a function in the middle of a step."""

    def __init__(self, look):
        super().__init__(1)
        self.look = look

    def before_update(self, step):
        with exploring(step) as objective:
            self.found = self.look(step, objective)

    def after_update(self, step):
        return ()


def look(config, dataset, function, steps=1):
    parts = build_parts(config, dataset, CPU)
    batches, probe = parts.batches.epoch(0), Explorer(function)
    for number in range(1, steps + 1):
        parts.learner.step(number, next(batches), [probe] if number == steps else [])
    return probe.found


RENORM = BatchRenormConfig(warmup_steps=0, r_max_steps=1, d_max_steps=1)


@pytest.mark.parametrize(
    "config",
    [configure(dropout=0.5), configure(norm=NoisyBatchNormConfig()), configure(norm=RENORM)],
    ids=["dropout", "noise", "corrections by running statistics"],
)
def test_the_same_parameters_have_the_same_loss(config, dataset):
    def measure(step, objective):
        losses = [objective.compute_loss() for _ in range(3)]
        return [losses[0], losses[1], losses[2]]

    first, *others = look(config, dataset, measure, steps=4)
    assert others == [first, first]


def test_its_gradient_is_that_of_the_step(dataset):
    def measure(step, objective):
        _, gradients = objective.differentiate()
        return gradients, objective.parameters

    class Comparing(Explorer):
        def before_update(self, step):
            self.expected = [value.grad.clone() for value in step.model.parameters()]
            super().before_update(step)

    parts = build_parts(configure(dropout=0.5), dataset, CPU)
    probe = Comparing(measure)
    parts.learner.step(1, next(parts.batches.epoch(0)), [probe])

    gradients, _ = probe.found
    assert all(map(torch.equal, gradients, probe.expected))


def test_what_is_not_trained_is_no_parameter(dataset):
    found = look(configure(trainable="norms"), dataset, lambda _, objective: objective.parameters)
    assert [len(value.shape) for value in found] == [1] * 4


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_compiled_network_has_second_derivatives(dataset):
    parts = build_parts(configure(), dataset, CPU)
    parts.learner.model.compile(backend="aot_eager")

    def measure(step, objective):
        _, gradients = objective.differentiate(create_graph=True)
        total = sum(value.square().sum() for value in gradients)
        return torch.autograd.grad(total, objective.parameters, materialize_grads=True)

    probe = Explorer(measure)
    parts.learner.step(1, next(parts.batches.epoch(0)), [probe])
    assert sum(value.abs().sum() for value in probe.found) > 0
