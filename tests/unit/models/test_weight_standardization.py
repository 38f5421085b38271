"""A convolution with standardised filters."""

import numpy as np
import pytest
import torch
from torch import nn

from bnexp.models.layers import WSConv2d, standardize_weight


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
