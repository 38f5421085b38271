"""Statistics of activations that are set by hand."""

from collections import OrderedDict

import pytest
import torch
from observed_passes import observe
from torch import nn

from bnexp.diagnostics.activation_statistics.config import ActivationStatisticsConfig
from bnexp.diagnostics.activation_statistics.probe import EDGE


def measure(inputs, *, layers=None, **modules):
    model = nn.Sequential(OrderedDict(modules))
    found = observe(ActivationStatisticsConfig(layers=layers).build(model, 1), model, inputs)
    return {tag.removeprefix("diag/activation_"): float(value) for tag, value in found.items()}


def test_mean_spread_and_dead_share_of_features():
    inputs = torch.tensor([[-1.0, 2.0], [-3.0, 4.0]])  # after ReLU: 0 2 0 4

    assert measure(inputs, act=nn.ReLU()) == pytest.approx(
        {"mean/act": 1.5, "std/act": (11 / 4) ** 0.5, "dead/act": 0.5}
    )


def test_a_channel_is_dead_only_if_it_is_zero_everywhere():
    inputs = -torch.ones(2, 4, 3, 3)
    inputs[1, 0, 2, 2] = 0.1  # alive in one pixel of one image
    inputs[:, 1] = 0.0

    assert measure(inputs, act=nn.ReLU())["dead/act"] == 0.75


def test_the_channels_of_three_dimensions_are_the_last():
    inputs = -torch.ones(2, 5, 4)
    inputs[0, 3, 1] = 1.0

    assert measure(inputs, act=nn.ReLU())["dead/act"] == 0.75


@pytest.mark.parametrize("kind", [nn.LeakyReLU, nn.GELU, nn.ELU, nn.Tanh, nn.Sigmoid])
def test_only_rectifiers_have_dead_units(kind):
    assert "dead/act" not in measure(torch.randn(4, 3), act=kind())


@pytest.mark.parametrize("kind", [nn.Tanh, nn.Sigmoid])
def test_values_are_saturated_where_the_slope_is_below_a_twentieth_of_the_steepest(kind):
    inputs = torch.linspace(-8, 8, 4001, dtype=torch.float64, requires_grad=True)
    (slopes,) = torch.autograd.grad(kind()(inputs).sum(), inputs)
    expected = (slopes < 0.05 * slopes.max()).double().mean()

    found = measure(inputs.detach().float().view(1, -1), act=kind())["saturated/act"]

    assert 0.4 < found < 0.9
    assert found == pytest.approx(float(expected), abs=1e-3)
    assert pytest.approx(0.05) == 1 - EDGE**2


def test_outputs_are_measured_before_the_next_layer_overwrites_them():
    inputs = torch.tensor([[-1.0, 3.0]])
    modules = {"tanh": nn.Tanh(), "act": nn.ReLU(inplace=True)}

    found = measure(inputs, **modules)

    assert found["mean/tanh"] == pytest.approx(float(torch.tanh(inputs).mean()))
    assert found["mean/act"] == pytest.approx(float(torch.tanh(inputs)[0, 1] / 2))


def test_several_calls_count_as_one_layer():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.act = nn.ReLU()

        def forward(self, inputs):
            return self.act(inputs).sum() + self.act(inputs[:1] - 5).sum()

    model = Twice()
    inputs = torch.randn(6, 3, generator=torch.Generator().manual_seed(0))
    outputs = torch.cat([inputs, inputs[:1] - 5]).relu()

    found = observe(ActivationStatisticsConfig().build(model, 1), model, inputs)

    assert float(found["diag/activation_mean/act"]) == pytest.approx(float(outputs.mean()))
    expected = float(outputs.std(correction=0))
    assert float(found["diag/activation_std/act"]) == pytest.approx(expected)


def test_patterns_choose_any_module():
    modules = {"norm": nn.BatchNorm1d(2), "act": nn.ReLU()}
    inputs = torch.tensor([[1.0, 5.0], [3.0, 9.0]])

    found = measure(inputs, layers=("norm",), **modules)

    assert found == pytest.approx({"mean/norm": 0.0, "std/norm": 1.0}, abs=1e-4)


def test_bfloat16_is_measured_in_float32():
    inputs = torch.full((1000, 1), 1.0, dtype=torch.bfloat16)
    inputs[0] = 3.0

    found = measure(inputs, act=nn.ReLU())

    assert found["mean/act"] == pytest.approx(1.002, rel=1e-6)
