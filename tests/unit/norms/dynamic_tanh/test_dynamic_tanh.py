"""Dynamic tanh against its formula."""

import math

import pytest
import torch
from pydantic import ValidationError

from bnexp.norms.dynamic_tanh.config import DynamicTanhConfig

C = 3


@pytest.mark.parametrize("size", [(2, 4), (1, 1), ()], ids=str)
def test_the_output_is_that_of_the_formula(size):
    torch.manual_seed(0)
    layer = DynamicTanhConfig().build(C, 2 if size else 1)
    for parameter in layer.parameters():
        parameter.data = torch.randn(parameter.shape)
    inputs = torch.randn(2, C, *size) * 2
    outputs = layer(inputs).flatten(2) if size else layer(inputs)[..., None]
    values = inputs.flatten(2) if size else inputs[..., None]

    alpha, gamma, beta = layer.alpha.item(), layer.weight.tolist(), layer.bias.tolist()
    expected = [
        [
            [gamma[c] * math.tanh(alpha * x) + beta[c] for x in channel]
            for c, channel in enumerate(image)
        ]
        for image in values.tolist()
    ]
    torch.testing.assert_close(outputs, torch.tensor(expected))


@pytest.mark.parametrize(("options", "alpha"), [({}, 0.5), ({"initial_alpha": 0.8}, 0.8)])
def test_it_starts_as_tanh_of_half_the_input_and_learns_one_alpha(options, alpha):
    layer = DynamicTanhConfig(**options).build(C)
    inputs = torch.linspace(-5, 5, 2 * C).view(2, C, 1, 1)

    torch.testing.assert_close(layer(inputs), torch.tanh(alpha * inputs))
    shapes = {name: tuple(value.shape) for name, value in layer.named_parameters()}
    assert shapes == {"alpha": (1,), "weight": (C,), "bias": (C,)}


def test_one_channel_of_one_pixel_is_no_problem():
    assert DynamicTanhConfig().find_problem((1, 1, 1), 1) is None


@pytest.mark.parametrize("alpha", [0, -1])
def test_an_alpha_that_would_pass_nothing_on_is_refused(alpha):
    with pytest.raises(ValidationError):
        DynamicTanhConfig(initial_alpha=alpha)
