"""The probe of covariate shift on linear networks, against the definition written out."""

import pytest
import torch
from probed_steps import probe_step
from torch import nn

from bnexp.diagnostics.internal_covariate_shift.config import InternalCovariateShiftConfig
from bnexp.diagnostics.internal_covariate_shift.probe import find_order


def build_linear_network():
    torch.manual_seed(0)
    # Registered against the order in which an image passes them.
    layers = {"third": nn.Linear(3, 2), "second": nn.Linear(4, 3), "first": nn.Linear(5, 4)}
    model = nn.ModuleDict(layers)
    inputs, targets = torch.randn(8, 5), torch.randn(8, 2)

    def compute_loss(part=slice(None)):
        outputs = model["third"](model["second"](model["first"](inputs[part])))
        return (outputs - targets[part]).square().mean()

    return model, compute_loss


def read_gradient(model, compute_loss, name):
    model.zero_grad()
    compute_loss().backward()
    return torch.cat([value.grad.flatten() for value in model[name].parameters()])


def measure(**fields):
    model, compute_loss = build_linear_network()
    probe = InternalCovariateShiftConfig(**fields).build(model, 1)
    return probe_step(probe, model, compute_loss)


def test_it_is_the_definition_of_santurkar_and_others():
    measured = measure()

    model, compute_loss = build_linear_network()
    old = [read_gradient(model, compute_loss, name) for name in ("second", "third")]
    steps = {name: value.grad * 0.1 for name, value in model.named_parameters()}
    new = []
    for updated, name in (("first", "second"), ("second", "third")):
        with torch.no_grad():
            model[updated].weight -= steps[f"{updated}.weight"]
            model[updated].bias -= steps[f"{updated}.bias"]
        new.append(read_gradient(model, compute_loss, name))

    assert {tag.rpartition("/")[2] for tag in measured} == {"second", "third"}
    for name, before, after in zip(("second", "third"), old, new, strict=True):
        change = (after - before).norm().item()
        cosine = torch.cosine_similarity(before, after, dim=0).item()
        assert measured[f"diag/covariate_shift_l2/{name}"] == pytest.approx(change, rel=1e-4)
        relative = change / before.norm().item()
        assert measured[f"diag/covariate_shift_relative/{name}"] == pytest.approx(
            relative, rel=1e-4
        )
        assert measured[f"diag/covariate_shift_cosine/{name}"] == pytest.approx(cosine, rel=1e-5)


def test_only_named_layers_are_measured_with_the_same_figures():
    chosen, whole = measure(layers=("third",)), measure()
    assert chosen == {tag: value for tag, value in whole.items() if tag.endswith("third")}
    assert len(chosen) == 3


def test_without_an_update_nothing_shifts():
    model, compute_loss = build_linear_network()
    probe = InternalCovariateShiftConfig().build(model, 1)
    measured = probe_step(probe, model, compute_loss, update=lambda parameter: None)
    for tag, value in measured.items():
        assert value == pytest.approx(1 if "cosine" in tag else 0)


def test_norms_count_as_layers_before_but_are_measured_only_if_named():
    model = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3), nn.Linear(3, 2))
    inputs, targets = torch.randn(8, 2), torch.arange(8) % 2

    def compute_loss(part):
        return nn.functional.cross_entropy(model(inputs[part]), targets[part])

    def run(update=None, **fields):
        probe = InternalCovariateShiftConfig(**fields).build(model, 1)
        return probe_step(probe, model, compute_loss, learning_rate=0.0, update=update)

    norm = {id(value) for value in model[1].parameters()}
    shifted = run(lambda value: value.add_(0.5 * (id(value) in norm)))
    assert {tag.rpartition("/")[2] for tag in shifted} == {"2"}
    assert shifted["diag/covariate_shift_l2/2"] > 0.01
    assert {tag.rpartition("/")[2] for tag in run(layers=("*",))} == {"1", "2"}


def test_a_parameter_of_two_layers_belongs_to_the_first():
    first, second = nn.Linear(3, 3), nn.Linear(3, 3)
    second.weight = first.weight
    model = nn.Sequential(first, second)

    order = find_order(model, lambda: model(torch.ones(2, 3)))
    assert list(order) == ["0", "1"]
    assert order["1"] == [second.bias]
