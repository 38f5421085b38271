"""Norms of gradients and updates of a quadratic loss, whose gradient is the weight itself."""

import math
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from bnexp.diagnostics.gradient_norm.config import GradientNormConfig
from bnexp.diagnostics.update_ratio.config import UpdateRatioConfig


def build_model(frozen=False):
    """Returns two linear layers, of weights 3 and 4, and 0 and 12."""
    model = nn.Sequential(nn.Linear(2, 1, bias=False), nn.Linear(1, 2, bias=False))
    with torch.no_grad():
        model[0].weight.copy_(torch.tensor([[3.0, 4.0]]))
        model[1].weight.copy_(torch.tensor([[0.0], [12.0]]))
    model[1].weight.requires_grad_(not frozen)
    return model


def step(config, model, optimizer):
    """Does a step of ½‖w‖², and returns what was measured."""
    probe, probed = config.build(model, 1), SimpleNamespace(model=model)
    optimizer.zero_grad()
    sum(value.square().sum() for value in model.parameters()).div(2).backward()
    probe.before_update(probed)
    optimizer.step()
    return {tag: float(value) for tag, value in probe.after_update(probed)}


def test_the_norm_of_each_gradient_and_of_all():
    model = build_model()

    found = step(GradientNormConfig(), model, torch.optim.SGD(model.parameters(), lr=0.1))

    assert found == {
        "diag/gradient_norm/0": 5.0,
        "diag/gradient_norm/1": 12.0,
        "diag/gradient_norm/all": 13.0,
    }


def test_all_is_the_whole_network_whatever_layers_are_chosen():
    model = build_model()

    found = step(GradientNormConfig(layers=("0",)), model, torch.optim.SGD(model.parameters(), 0.1))

    assert found == {"diag/gradient_norm/0": 5.0, "diag/gradient_norm/all": 13.0}


def test_what_is_not_trained_is_left_out():
    model = build_model(frozen=True)
    optimizer = torch.optim.SGD([model[0].weight], lr=0.1)

    found = step(GradientNormConfig(), model, optimizer)

    assert found == {"diag/gradient_norm/0": 5.0, "diag/gradient_norm/all": 5.0}
    assert list(step(UpdateRatioConfig(), model, optimizer)) == [
        "diag/update_ratio/0",
        "diag/update_ratio/all",
    ]


def test_plain_sgd_moves_by_the_learning_rate():
    model = build_model()

    found = step(UpdateRatioConfig(), model, torch.optim.SGD(model.parameters(), lr=0.125))

    assert found == {f"diag/update_ratio/{name}": 0.125 for name in ("0", "1", "all")}


def test_momentum_and_weight_decay_count():
    model = build_model()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=0.5)
    step(UpdateRatioConfig(), model, optimizer)

    found = step(UpdateRatioConfig(), model, optimizer)

    # The first step leaves w₁ = 0.85 w₀ with momentum 1.5 w₀; then 0.9 · 1.5 w₀ + 1.5 w₁ is taken.
    assert found["diag/update_ratio/0"] == pytest.approx(0.1 * (0.9 * 1.5 / 0.85 + 1.5))


def test_an_update_of_nothing_is_not_a_number():
    model = build_model()
    nn.init.zeros_(model[0].weight)

    found = step(UpdateRatioConfig(), model, torch.optim.SGD(model.parameters(), lr=0.1))

    assert math.isnan(found["diag/update_ratio/0"])
    assert found["diag/update_ratio/1"] == pytest.approx(0.1)
