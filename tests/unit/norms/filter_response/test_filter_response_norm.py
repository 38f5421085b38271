"""Filter response normalization against its formula."""

import numpy as np
import pytest
import torch

from bnexp.norms.filter_response.config import FilterResponseNormConfig


def make_inputs(*size):
    torch.manual_seed(0)
    return torch.randn(6, 5, *size) * 3 + 2


def compute(x, layer, eps):
    """The paper's formula in NumPy; `eps` is the sum of the fixed and the learned one."""
    along = (-1, *[1] * (x.ndim - 2))
    gamma, beta = (
        parameter.detach().numpy().reshape(along) for parameter in (layer.weight, layer.bias)
    )
    power = (x**2).mean(axis=(2, 3), keepdims=True) if x.ndim == 4 else x**2
    y = gamma * x / np.sqrt(power + np.reshape(eps, along)) + beta
    if layer.threshold is None:
        return y
    return np.maximum(y, layer.threshold.detach().numpy().reshape(along))


def randomize(layer):
    torch.manual_seed(1)
    for parameter in layer.parameters():
        parameter.data = torch.randn(5)
    return layer


@pytest.mark.parametrize("threshold", [True, False])
@pytest.mark.parametrize(
    ("size", "learn_eps"),
    [
        ((4, 3), False),
        ((1, 2), False),
        *((size, True) for size in [(4, 3), (1, 2), (1, 1), ()]),
    ],
    ids=str,
)
def test_the_output_is_that_of_the_formula(size, learn_eps, threshold):
    config = FilterResponseNormConfig(eps=0.01, learn_eps=learn_eps, threshold=threshold)
    layer = randomize(config.build(5, 2 if size else 1))
    eps = 0.01 + (layer.learned_eps.abs().detach().numpy() if learn_eps else np.zeros(5))

    outputs = layer(make_inputs(*size)).detach().numpy()
    expected = compute(make_inputs(*size).numpy(), layer, eps)
    np.testing.assert_allclose(outputs, expected, rtol=1e-5, atol=1e-5)


def test_it_starts_as_x_over_its_root_mean_square_cut_at_0():
    layer = FilterResponseNormConfig().build(5)
    x = make_inputs(4, 3)

    expected = (x / x.square().mean((2, 3), keepdim=True).sqrt()).relu()
    torch.testing.assert_close(layer(x), expected)


@pytest.mark.parametrize(
    ("options", "names"),
    [
        ({}, {"weight", "bias", "threshold"}),
        ({"threshold": False}, {"weight", "bias"}),
        ({"learn_eps": True}, {"weight", "bias", "threshold", "learned_eps"}),
    ],
)
def test_what_is_learned_has_a_value_a_channel(options, names):
    parameters = dict(FilterResponseNormConfig(**options).build(5).named_parameters())

    assert set(parameters) == names
    assert all(parameter.shape == (5,) for parameter in parameters.values())


def test_the_learned_eps_starts_at_the_papers_value():
    layer = FilterResponseNormConfig(learn_eps=True).build(5)

    assert layer.learned_eps.tolist() == pytest.approx([1e-4] * 5)


def test_the_scale_of_the_input_does_not_matter():
    layer = FilterResponseNormConfig().build(5)

    torch.testing.assert_close(layer(make_inputs(4, 3)), layer(make_inputs(4, 3) * 100))


@pytest.mark.parametrize("shape", [(6, 5, 1, 1), (6, 5)], ids=["2d", "1d"])
def test_one_value_a_channel_needs_a_learned_eps(shape):
    config = FilterResponseNormConfig()

    assert config.find_problem((5, 1, 1), 8).endswith("set learn_eps: true")
    with pytest.raises(ValueError, match="one value per channel needs learn_eps"):
        config.build(5, 2 if len(shape) == 4 else 1)(torch.randn(shape))
    assert config.find_problem((5, 1, 2), 8) is None
    assert FilterResponseNormConfig(learn_eps=True).find_problem((5, 1, 1), 8) is None
