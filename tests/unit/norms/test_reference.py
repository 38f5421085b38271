"""The NumPy reference agrees with the numbers worked out by hand and with PyTorch's gradients."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from bnexp.norms.reference import compute_statistics, differentiate, normalize, update_running

# Channels last, over (2, 2, 2): channel 0 is 1 2 3 4 | 2 3 4 5, channel 1 is 4 more.
CHANNEL = np.array([1.0, 2, 3, 4, 2, 3, 4, 5]).reshape(2, 2, 2)
LAST = np.stack((CHANNEL, CHANNEL + 4), axis=-1)
FIRST = np.moveaxis(LAST, -1, 1)
STEP = 1 / math.sqrt(1.5 + 1e-5)
"""What a distance of 1 becomes: 0.816."""
EXPECTED = STEP * (CHANNEL - 3)
ONES, ZEROS = np.ones(2), np.zeros(2)

each_layout = pytest.mark.parametrize(
    ("x", "channel_axis"), [(FIRST, 1), (LAST, -1), (LAST, 3)], ids=["first", "last", "axis 3"]
)


def standardize(x, channel_axis):
    return normalize(x, *compute_statistics(x, channel_axis), ONES, ZEROS, 1e-5, channel_axis)


@each_layout
def test_the_worked_example_has_its_statistics(x, channel_axis):
    mean, variance = compute_statistics(x, channel_axis)

    assert mean.tolist() == [3, 7]
    assert variance.tolist() == [1.5, 1.5]


@each_layout
def test_the_worked_example_gives_its_numbers(x, channel_axis):
    y = np.moveaxis(standardize(x, channel_axis), channel_axis, -1)

    for channel in (0, 1):
        np.testing.assert_allclose(y[..., channel], EXPECTED)
        printed = [-1.633, -0.816, 0, 0.816, -0.816, 0, 0.816, 1.633]
        np.testing.assert_allclose(y[..., channel].ravel(), printed, atol=5e-4)


@each_layout
def test_the_running_variance_takes_the_unbiased_variance(x, channel_axis):
    mean, variance = update_running(ZEROS, ONES, x, momentum=0.1, channel_axis=channel_axis)

    np.testing.assert_allclose(mean, [0.3, 0.7])
    np.testing.assert_allclose(variance, [1.0714, 1.0714], atol=5e-5)  # 1.05 if it were biased


def test_gamma_and_beta_scale_and_shift_each_channel():
    gamma, beta = np.array([2.0, 3.0]), np.array([5.0, -1.0])

    y = normalize(LAST, *compute_statistics(LAST, -1), gamma, beta, 1e-5, -1)
    np.testing.assert_allclose(y, standardize(LAST, -1) * gamma + beta)


def test_features_have_mean_0_and_standard_deviation_1_in_training():
    x = np.random.default_rng(0).normal(3, 5, (64, 7))

    y = normalize(x, *compute_statistics(x), np.ones(7), np.zeros(7), eps=0)
    np.testing.assert_allclose(y.mean(0), 0, atol=1e-12)
    np.testing.assert_allclose(y.std(0), 1)


def test_evaluation_gives_a_row_the_same_whatever_rows_come_with_it():
    random = np.random.default_rng(0)
    running = np.zeros(7), np.ones(7)
    for _ in range(100):
        running = update_running(*running, random.normal(3, 5, (64, 7)), momentum=0.1)
    x = random.normal(3, 5, (10, 7))

    y = normalize(x, *running, np.ones(7), np.zeros(7))
    one = normalize(x[4:5], *running, np.ones(7), np.zeros(7))
    np.testing.assert_array_equal(y[4:5], one)
    assert abs(y.mean()) < 0.2
    assert y.std() == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize("shape", [(5, 3, 4, 2), (9, 3)], ids=["2d", "1d"])
@pytest.mark.parametrize("channel_axis", [1, -1], ids=["first", "last"])
def test_the_closed_form_gradients_are_those_of_autograd(shape, channel_axis):
    random = np.random.default_rng(0)
    x, dy = random.normal(2, 3, shape), random.normal(size=shape)
    gamma, beta = random.normal(size=3), random.normal(size=3)
    layer = (nn.BatchNorm2d if len(shape) == 4 else nn.BatchNorm1d)(3, dtype=torch.float64)
    layer.weight.data, layer.bias.data = torch.tensor(gamma), torch.tensor(beta)
    inputs = torch.tensor(x, requires_grad=True)
    outputs = layer(inputs)
    outputs.backward(torch.tensor(dy))

    def move(array):
        return np.moveaxis(array, 1, channel_axis)

    y = normalize(move(x), *compute_statistics(x), gamma, beta, channel_axis=channel_axis)
    np.testing.assert_allclose(y, move(outputs.detach().numpy()), rtol=1e-12, atol=1e-12)
    dx, d_gamma, d_beta = differentiate(move(dy), move(x), gamma, channel_axis=channel_axis)
    np.testing.assert_allclose(dx, move(inputs.grad.numpy()), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(d_gamma, layer.weight.grad.numpy(), rtol=1e-9)
    np.testing.assert_allclose(d_beta, layer.bias.grad.numpy(), rtol=1e-9)
