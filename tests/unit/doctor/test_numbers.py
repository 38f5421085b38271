"""The numbers that the checks show, against known ones."""

from dataclasses import replace

import pytest
import torch
from doctor_cases import FACTS, setup, with_biased_variances
from torch import nn

from bnexp.doctor.registry import examine
from bnexp.doctor.setup.conv_bias import find_wasted
from bnexp.doctor.statistics.cold import describe_share
from bnexp.doctor.statistics.far_mean import find_farthest
from bnexp.doctor.statistics.gap import find_tolerance
from bnexp.doctor.statistics.momentum_convention import compute_horizon
from bnexp.doctor.statistics.non_finite import find_non_finite
from bnexp.doctor.statistics.recalibration import compute_ratio
from bnexp.doctor.statistics.unbiased_variance import compute_factor, judge
from bnexp.doctor.subjects.network import Network, PlainImages, measure
from bnexp.norms.batch_statistics import compute_share_left


@pytest.mark.parametrize(
    ("momentum", "steps", "percent"),
    [(0.1, 10, 35), (0.1, 22, 10), (0.1, 44, 1), (0.001, 391, 68), (1.0, 1, 0)],
)
def test_the_share_of_the_initial_statistics_that_is_left(momentum, steps, percent):
    norm = nn.BatchNorm1d(1, momentum=momentum)
    for _ in range(steps):
        norm(torch.tensor([[-1.0], [1.0]]))  # mean 0, unbiased variance 2: from 1 towards 2

    left = 2 - norm.running_var.item()
    assert compute_share_left(momentum, steps) == pytest.approx(left, abs=1e-5)
    assert describe_share(momentum, steps).startswith(
        f"{percent} % of the initial values is left after "
    )


def test_of_a_plain_average_nothing_is_left():
    assert compute_share_left(None, 1) == 0


@pytest.mark.parametrize(
    ("values", "shown"), [(2, "2.00"), (2 * 4 * 4, "1.032"), (128 * 4 * 4, "1.0005"), (8, "1.14")]
)
def test_the_unbiased_variance_over_the_biased_one(values, shown):
    inputs = torch.randn(values, dtype=torch.float64)

    assert compute_factor(values) == pytest.approx(float(inputs.var() / inputs.var(correction=0)))
    assert f"{shown} times" in judge(values).evidence


def test_averages_of_small_batches_variances_are_half_the_true_ones_if_biased():
    network = with_biased_variances()
    inputs, _ = network.images.gather(torch.arange(2000))
    true = inputs.var(0, correction=0)
    pairs = inputs.view(1000, 2, 8)

    assert compute_ratio(network.model[0].running_var, true) == pytest.approx(0.5, abs=0.03)
    assert compute_ratio(pairs.var(1).mean(0), true) == pytest.approx(1.0, abs=0.06)
    assert network.true_statistics["0"][1] == pytest.approx(true.numpy(), rel=1e-5)


@pytest.mark.parametrize(("momentum", "steps"), [(0.1, 29), (0.01, 299), (0.5, 5), (1.0, 1)])
def test_the_horizon_holds_95_percent_of_the_weight(momentum, steps):
    assert compute_horizon(momentum) == steps
    assert (1 - momentum) ** steps <= 0.05


def test_a_gap_must_exceed_what_chance_explains():
    assert find_tolerance(0.5, 10_000) == 0.01
    assert find_tolerance(0.5, 100) == pytest.approx(0.1)


def test_a_mean_is_measured_in_standard_deviations_of_its_channel():
    inputs = torch.tensor([[29.0, 5.0, 1.0], [31.0, 5.0, -1.0]])

    moments = measure(inputs)

    assert find_farthest(moments)[0] == 30
    assert moments.count == 2


@pytest.mark.parametrize(
    ("mean", "memory_format", "low", "high"),
    [
        (0, torch.channels_last, 0, 2e-5),
        (100, torch.channels_last, 2e-5, 1e-2),
        (100, torch.contiguous_format, 0, 2e-5),
    ],
)
def test_the_error_of_normalizing_depends_on_mean_and_memory_format(mean, memory_format, low, high):
    inputs = torch.randn(32, 16, 16, 16, generator=torch.Generator().manual_seed(0)) + mean
    inputs = inputs.contiguous(memory_format=memory_format)

    _, error = find_farthest(measure(inputs, nn.BatchNorm2d(16)))

    assert low <= error < high


def test_tensors_that_are_not_finite_are_named():
    state = nn.BatchNorm2d(2).state_dict() | {"weight": torch.tensor([1.0, float("nan")])}

    assert find_non_finite(state) == ["weight"]


def test_wasted_biases_are_counted_layer_by_layer():
    model = nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.Tanh(),
        nn.Conv2d(8, 16, 3), nn.AvgPool2d(2), nn.InstanceNorm2d(16),
        nn.Conv2d(16, 4, 1), nn.GroupNorm(2, 4), nn.Flatten(),
        nn.Linear(4 * 36, 6), nn.BatchNorm1d(6), nn.Linear(6, 3),
    )  # fmt: skip
    images = PlainImages(torch.randn(8, 3, 16, 16))
    before = {name: value.clone() for name, value in model.state_dict().items()}

    assert find_wasted(Network(model, images, 8)) == {"0": 8, "3": 16, "9": 6}
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(value.grad is None for value in model.parameters())


@pytest.mark.parametrize("batch_size", [1, 256])
def test_a_batch_of_one_image_is_not_said_to_raise_pytorchs_error(batch_size):
    norm = nn.BatchNorm2d(4)
    assert norm(torch.randn(1, 4, 8, 8)).isfinite().all()  # as PyTorch has it

    alone = setup(replace(FACTS, train_count=257), data={"batch_size": batch_size})
    (found,) = (one for one in examine("setup", alone) if one.severity == "error")

    assert found.check == "single_image"
    assert "without an error" in found.cause


def test_the_normalization_batch_is_reported_apart_from_the_optimisers():
    ghost = setup(norm={"name": "batch", "normalization_batch_size": 8})

    found = {one.check: one for one in examine("setup", ghost)}

    assert found["normalization_batch"].evidence == "8 images share statistics, 32 an update"
    assert found["normalization_batch"].severity == "note"
