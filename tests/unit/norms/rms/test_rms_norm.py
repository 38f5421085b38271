"""RMS norm over the channels of each pixel against PyTorch's and the paper's formula."""

import numpy as np
import pytest
import torch
from torch import nn

from bnexp.norms.rms.config import RmsNormConfig

C = 12


def make_inputs(*size):
    torch.manual_seed(0)
    return torch.randn(5, C, *size) * 3 + 2


def randomize(layer):
    torch.manual_seed(1)
    for parameter in layer.parameters():
        parameter.data = torch.randn(C)
    return layer


@pytest.mark.parametrize("eps", [1e-6, 0.5])
@pytest.mark.parametrize(
    "memory_format", [torch.contiguous_format, torch.channels_last], ids=["first", "last"]
)
def test_it_is_pytorchs_rms_norm_of_each_pixel_plus_a_bias(memory_format, eps):
    layer = randomize(RmsNormConfig(eps=eps).build(C))
    inputs = make_inputs(4, 3).contiguous(memory_format=memory_format)

    pixels = nn.functional.rms_norm(inputs.permute(0, 2, 3, 1), (C,), layer.weight, eps)
    torch.testing.assert_close(layer(inputs), (pixels + layer.bias).permute(0, 3, 1, 2))


@pytest.mark.parametrize("size", [(4, 3), (1, 1), ()], ids=str)
def test_the_output_is_that_of_the_papers_formula(size):
    layer = randomize(RmsNormConfig().build(C, 2 if size else 1))
    inputs = make_inputs(*size)
    gain, bias = layer.weight.detach().numpy(), layer.bias.detach().numpy()

    rows = np.moveaxis(inputs.double().numpy(), 1, -1).reshape(-1, C)
    expected = [gain * row / np.sqrt(np.dot(row, row) / C) + bias for row in rows]
    outputs = np.moveaxis(layer(inputs).detach().numpy(), 1, -1).reshape(-1, C)
    np.testing.assert_allclose(outputs, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("options", "names"),
    [({}, ["weight", "bias"]), ({"bias": False}, ["weight"]), ({"affine": False}, [])],
    ids=str,
)
def test_what_is_learned_has_a_value_per_channel(options, names):
    parameters = dict(RmsNormConfig(**options).build(C).named_parameters())

    assert [*parameters] == names
    assert all(parameter.shape == (C,) for parameter in parameters.values())


def test_without_bias_it_is_pytorchs_layer():
    ours, torchs = RmsNormConfig(bias=False).build(C, 1), nn.RMSNorm(C, eps=1e-6)
    torchs.load_state_dict(randomize(ours).state_dict())

    assert torch.equal(ours(make_inputs()), torchs(make_inputs()))


def test_the_scale_of_the_input_does_not_matter_but_its_mean_does():
    layer = RmsNormConfig().build(C)
    inputs = make_inputs(4, 3)

    torch.testing.assert_close(layer(inputs), layer(inputs * 100))
    assert not torch.allclose(layer(inputs), layer(inputs + 5), atol=0.1)


def test_of_one_channel_only_the_sign_would_be_left():
    assert "only signs (1 channel)" in RmsNormConfig().find_problem((1, 8, 8), 8)
    assert RmsNormConfig().find_problem((2, 1, 1), 1) is None
