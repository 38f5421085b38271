"""A convolution with standardised filters."""

import numpy as np
import pytest
import torch
from scipy import integrate, special, stats
from torch import nn

from bnexp.models.layers import (
    ScaledWSConv2d,
    WSConv2d,
    compute_variance_gain,
    standardize_weight,
)


def make_weight(dtype=torch.float32):
    torch.manual_seed(0)
    return torch.randn(6, 4, 3, 3, dtype=dtype) * 5 + 2


def test_each_filter_is_standardised_with_its_biased_variance():
    weight = make_weight().double()

    w = weight.numpy().reshape(6, -1)
    mean = w.mean(1, keepdims=True)
    variance = ((w - mean) ** 2).mean(1, keepdims=True)
    expected = ((w - mean) / np.sqrt(variance + 1e-5)).reshape(6, 4, 3, 3)
    np.testing.assert_allclose(standardize_weight(weight), expected, rtol=1e-10)


@pytest.mark.parametrize(
    "options",
    [
        {"padding": 1},
        {"stride": 2, "bias": False},
        {"groups": 2, "dilation": 2},
        {"padding": 1, "padding_mode": "reflect"},
    ],
    ids=str,
)
def test_the_convolution_is_pytorchs_with_those_filters(options):
    torch.manual_seed(0)
    ours, plain = WSConv2d(4, 6, 3, **options), nn.Conv2d(4, 6, 3, **options)
    plain.load_state_dict(ours.state_dict())
    plain.weight.data = standardize_weight(ours.weight.data)
    inputs = torch.randn(2, 4, 9, 7)

    torch.testing.assert_close(ours(inputs), plain(inputs))
    assert torch.equal(ours.eval()(inputs), ours.train()(inputs))


def test_scale_and_shift_of_the_filters_do_not_change_the_output():
    layer = WSConv2d(4, 6, 3)
    inputs = torch.randn(2, 4, 9, 7)
    before = layer(inputs)

    layer.weight.data = 10 * layer.weight.data + 3
    torch.testing.assert_close(layer(inputs), before, rtol=1e-2, atol=1e-2)


def test_its_parameters_and_memory_format_are_the_convolutions():
    layer = WSConv2d(4, 6, 3).to(memory_format=torch.channels_last)

    names = [name for name, _ in nn.Conv2d(4, 6, 3).named_parameters()]
    assert [name for name, _ in layer.named_parameters()] == names
    inputs = torch.randn(2, 4, 9, 7).to(memory_format=torch.channels_last)
    assert layer(inputs).is_contiguous(memory_format=torch.channels_last)


def test_its_gradient_is_right():
    weight = make_weight(torch.float64)[:2, :2].requires_grad_()

    assert torch.autograd.gradcheck(standardize_weight, (weight,))


def test_a_filter_of_equal_values_becomes_0():
    assert not standardize_weight(torch.ones(2, 3, 3, 3)).any()


def test_filters_are_standardised_in_fp32_under_autocast():
    layer = WSConv2d(4, 6, 3)
    inputs = torch.randn(2, 4, 9, 7)

    with torch.autocast("cpu", torch.bfloat16):
        outputs = layer(inputs)
    assert outputs.dtype == torch.bfloat16
    torch.testing.assert_close(outputs.float(), layer(inputs), rtol=0.05, atol=0.1)


# What NF-nets multiply activations by (Brock et al. 2021); the exact values are up to 0.1 % off.
PUBLISHED_GAINS = {
    "Identity": 1.0,
    "ReLU": 1.713959,
    "LeakyReLU": 1.705903,
    "ELU": 1.271600,
    "GELU": 1.701504,
    "SiLU": 1.788129,
    "Tanh": 1.593911,
    "Sigmoid": 4.803835,
}


@pytest.mark.parametrize("activation", PUBLISHED_GAINS)
def test_the_gain_of_an_activation_is_the_published_one(activation):
    assert compute_variance_gain(activation) == pytest.approx(PUBLISHED_GAINS[activation], rel=1e-3)


def test_the_gain_is_the_inverse_deviation_of_an_activated_normal():
    assert compute_variance_gain("ReLU") == pytest.approx(np.sqrt(2 / (1 - 1 / np.pi)), rel=1e-6)
    density, swish = stats.norm.pdf, lambda z: z * special.expit(z)
    mean, square = (
        integrate.quad(lambda z, p=power: swish(z) ** p * density(z), -10, 10)[0]
        for power in (1, 2)
    )
    assert compute_variance_gain("SiLU") == pytest.approx((square - mean**2) ** -0.5, rel=1e-6)


@pytest.mark.parametrize("groups", [1, 2])
def test_scaled_filters_are_those_of_the_papers_formula(groups):
    torch.manual_seed(0)
    ours = ScaledWSConv2d(4, 6, 3, padding=1, groups=groups, activation="ReLU").double()
    ours.gain.data = torch.rand(6, dtype=torch.float64)
    inputs = torch.randn(2, 4, 5, 5, dtype=torch.float64)

    filters = np.empty(ours.weight.shape)
    for channel, w in enumerate(ours.weight.detach().numpy()):
        mean = sum(w.flat) / w.size
        variance = sum((value - mean) ** 2 for value in w.flat) / w.size
        scale = np.sqrt(2 / (1 - 1 / np.pi)) / np.sqrt(w.size * variance)
        filters[channel] = ours.gain[channel].item() * scale * (w - mean)
    expected = nn.functional.conv2d(
        inputs, torch.tensor(filters), ours.bias, padding=1, groups=groups
    )
    torch.testing.assert_close(ours(inputs), expected, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("shrunken", [1.0, 0.1])
@pytest.mark.parametrize("activation", ["ReLU", "SiLU", "Identity"])
def test_scaled_filters_keep_the_variance_of_activated_normal_inputs(activation, shrunken):
    torch.manual_seed(0)
    layer = ScaledWSConv2d(512, 256, 1, bias=False, activation=activation)
    layer.weight.data *= shrunken
    inputs = getattr(nn, activation)()(torch.randn(64, 512, 2, 2))

    variance, mean = torch.var_mean(layer(inputs))
    assert variance.item() == pytest.approx(1, abs=0.1)
    assert mean.item() == pytest.approx(0, abs=0.01)


def test_a_scaled_filter_of_equal_values_becomes_0_and_has_finite_gradients():
    layer = ScaledWSConv2d(2, 3, 3, bias=False, activation="ReLU")
    nn.init.ones_(layer.weight)
    outputs = layer(torch.randn(1, 2, 4, 4))
    outputs.sum().backward()

    assert not outputs.any()
    assert layer.weight.grad.isfinite().all()


def test_a_gain_is_learned_per_channel_from_1_and_its_gradient_is_right():
    layer = ScaledWSConv2d(2, 3, 3, activation="ReLU").double()

    assert layer.gain.tolist() == [1, 1, 1]
    inputs = torch.randn(2, 2, 4, 4, dtype=torch.float64)

    def forward(*values):
        state = dict(zip(dict(layer.named_parameters()), values, strict=True))
        return torch.func.functional_call(layer, state, (inputs,))

    assert torch.autograd.gradcheck(forward, tuple(layer.parameters()))
