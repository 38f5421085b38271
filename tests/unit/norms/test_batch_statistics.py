"""What all norms promise whose statistics span a batch: their averages, and doing without them."""

import numpy as np
import pytest
import torch

from bnexp.norms import NORMS
from bnexp.norms.batch.config import BatchNormConfig
from bnexp.norms.batch_statistics import BatchStatisticsConfig
from bnexp.norms.reference import compute_statistics, normalize, update_running

CONFIGS = [
    config
    for config in (norm() for norm in NORMS if issubclass(norm, BatchStatisticsConfig))
    if config.tracks_population
]
C = 5


def make_inputs(images=6):
    generator = torch.Generator().manual_seed(images)
    return torch.randn(images, C, 4, 3, generator=generator) * 3 + 2


def name_of(config):
    return config.name


@pytest.mark.parametrize("config", CONFIGS, ids=name_of)
def test_the_running_mean_is_the_moving_average_of_the_batches_means(config):
    layer = config.build(C)
    mean, variance = np.zeros(C), np.ones(C)

    for images in (4, 6, 8):
        inputs = make_inputs(images)
        layer(inputs)
        mean, variance = update_running(mean, variance, inputs.double().numpy(), momentum=0.1)
    np.testing.assert_allclose(layer.running_mean, mean, rtol=1e-5)
    if config.name != "batch_renorm":  # which averages standard deviations, as its test says
        np.testing.assert_allclose(layer.running_var, variance, rtol=1e-5)
    assert layer.num_batches_tracked == 3


@pytest.mark.parametrize("config", CONFIGS, ids=name_of)
def test_evaluation_is_batch_norm_with_the_running_statistics(config):
    layer = config.build(C)
    layer(make_inputs())
    layer.weight.data, layer.bias.data = torch.rand(C), torch.randn(C)
    inputs = make_inputs(3)

    values = (layer.running_mean, layer.running_var, layer.weight.data, layer.bias.data)
    expected = normalize(inputs.double().numpy(), *(value.double().numpy() for value in values))
    outputs = layer.eval()(inputs).detach()
    np.testing.assert_allclose(outputs, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    "config", [*CONFIGS, BatchNormConfig(normalization_batch_size=2)], ids=repr
)
def test_evaluation_without_running_statistics_uses_the_batchs_and_nothing_else(config):
    layer = config.build(C)
    layer(make_inputs())
    layer.running_mean = layer.running_var = None
    inputs = make_inputs()

    parts = [
        normalize(part, *compute_statistics(part), np.ones(C), np.zeros(C))
        for part in np.split(inputs.double().numpy(), 6 // config.statistics_batch(6))
    ]
    outputs = layer.eval()(inputs).detach()
    np.testing.assert_allclose(outputs, np.concatenate(parts), rtol=1e-5, atol=1e-5)
    assert layer.num_batches_tracked == 1


@pytest.mark.parametrize("config", CONFIGS, ids=name_of)
def test_one_value_a_channel_is_told_before_training(config):
    assert "one value per channel (batch of 1" in config.find_problem((C, 1, 1), 1)
    assert config.find_problem((C, 1, 1), 2) is None
    assert config.find_problem((C, 1, 2), 1) is None


@pytest.mark.parametrize(
    ("momentum", "steps", "share"),
    [(0.1, 10, "35 %"), (0.1, 22, "10 %"), (0.1, 44, None), (0.001, 391, "68 %"), (None, 1, None)],
)
def test_cold_statistics_are_told_with_the_share_of_their_initial_value(momentum, steps, share):
    config = BatchNormConfig(momentum=momentum)

    warnings = list(config.find_warnings(batch_size=8, steps=steps))
    assert [key for key, _ in warnings] == (["momentum"] if share else [])
    if share:
        assert f"at BN momentum {momentum:g}, {share} of the running" in warnings[0][1]


@pytest.mark.parametrize(
    ("momentum", "said"),
    [(0.5, None), (0.9, "write 0.1)"), (0.99, "write 0.01)"), (1.0, "see little but the last")],
)
def test_a_momentum_that_looks_like_the_other_convention_is_told(momentum, said):
    warnings = list(BatchNormConfig(momentum=momentum).find_warnings(batch_size=8, steps=1000))

    assert len(warnings) == (1 if said else 0)
    assert all(said in reason for _, reason in warnings)


@pytest.mark.parametrize(
    ("options", "key", "said"),
    [
        ({"frozen": True}, "frozen", "stay at 0 and 1"),
        ({"track_running_stats": False}, "track_running_stats", "depends on the others"),
        ({"normalization_batch_size": 16}, "normalization_batch_size", "16 has no effect"),
        ({"normalization_batch_size": 3}, "normalization_batch_size", "each batch has 2"),
    ],
    ids=str,
)
def test_odd_statistics_are_told(options, key, said):
    warnings = list(BatchNormConfig(**options).find_warnings(batch_size=8, steps=1000))

    assert [found for found, _ in warnings] == [key]
    assert said in warnings[0][1]


def test_ordinary_settings_are_not_warned_of():
    for config in (*CONFIGS, BatchNormConfig(normalization_batch_size=4)):
        warnings = config.find_warnings(batch_size=8, steps=1000)
        assert [key for key, _ in warnings if key != "name"] == []
