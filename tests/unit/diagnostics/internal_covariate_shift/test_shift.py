"""Shifts of linear networks, whose gradients are known."""

import pytest
import torch

from bnexp.diagnostics.internal_covariate_shift.probe import Shift, measure_shifts
from bnexp.diagnostics.objective import Objective


def build_chain(*weights):
    """Returns the loss ½ (w₁ w₂ … x − y)² of numbers at x = 1 and y = 0, and the weights."""
    parameters = [torch.tensor([weight], requires_grad=True) for weight in weights]

    def compute_loss(images):
        product = torch.stack(parameters).prod()
        return product.square() / 2

    layers = {f"layer{index}": [value] for index, value in enumerate(parameters, start=1)}
    return Objective(compute_loss, parameters), layers


def measure(weights, updated, measured=("layer1", "layer2", "layer3")):
    objective, layers = build_chain(*weights)
    values = [torch.tensor([weight]) for weight in updated]
    return dict(measure_shifts(objective, layers, values, measured))


def test_only_the_layers_before_a_layer_are_updated():
    # ∂L/∂wᵢ is the product of all wⱼ², divided by wᵢ.
    shifts = measure((1.0, 2.0, 3.0), (0.5, 1.0, 100.0))

    assert list(shifts) == ["layer2", "layer3"]
    assert shifts["layer2"].change.item() == pytest.approx(1 * 2 * 9 - 0.25 * 2 * 9)
    assert shifts["layer3"].change.item() == pytest.approx(1 * 4 * 3 - 0.25 * 1 * 3)
    assert shifts["layer3"].relative.item() == pytest.approx(1 - 0.25 * 0.25)


def test_a_gradient_that_turns_round_has_the_cosine_minus_one():
    first, second = (torch.tensor([value], requires_grad=True) for value in (1.0, 2.0))
    objective = Objective(lambda images: (first * second - 1).square().sum() / 2, [first, second])
    layers = {"first": [first], "second": [second]}
    ((_, shift),) = measure_shifts(objective, layers, [torch.tensor([0.25]), second], layers)

    # (w₁ w₂ − 1) w₁ is 1 before and (0.5 − 1) · 0.25 after.
    assert shift.change.item() == pytest.approx(1.125)
    assert shift.cosine.item() == pytest.approx(-1)


def test_without_an_update_nothing_shifts():
    shifts = measure((1.0, 2.0, 3.0), (1.0, 2.0, 3.0))
    for shift in shifts.values():
        assert (shift.change, shift.relative, shift.cosine) == (0, 0, 1)


def test_a_layer_that_is_not_measured_still_counts_as_updated():
    whole = measure((1.0, 2.0, 3.0), (0.5, 1.0, 4.0))
    ((name, alone),) = measure((1.0, 2.0, 3.0), (0.5, 1.0, 4.0), measured=["layer3"]).items()
    assert name == "layer3"
    assert alone == whole["layer3"]


def test_the_parameters_of_a_layer_count_together():
    shift = Shift.of(
        [torch.tensor([3.0]), torch.tensor([[4.0, 0.0]])],
        [torch.tensor([3.0]), torch.tensor([[0.0, 4.0]])],
    )
    assert shift.change.item() == pytest.approx(32**0.5)
    assert shift.relative.item() == pytest.approx(32**0.5 / 5)
    assert shift.cosine.item() == pytest.approx(9 / 25)
