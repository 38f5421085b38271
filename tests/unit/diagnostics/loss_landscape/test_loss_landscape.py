"""What the probe of the landscape yields of a quadratic loss."""

import pytest
import torch
from probed_steps import probe_step
from pydantic import ValidationError
from torch import nn

from bnexp.diagnostics.loss_landscape.config import LossLandscapeConfig


class Two(nn.Module):
    def __init__(self):
        super().__init__()
        self.left, self.right = nn.Linear(1, 1, bias=False), nn.Linear(1, 1, bias=False)
        for layer, value in ((self.left, 1.0), (self.right, 2.0)):
            nn.init.constant_(layer.weight, value)

    def compute_loss(self, _):
        # Gradients (4, 2) at the start, curvatures 4 and 1.
        return 2 * self.left.weight.square().sum() + self.right.weight.square().sum() / 2


def measure(learning_rate=0.1, **fields):
    model = Two()
    probe = LossLandscapeConfig(**fields).build(model, 1)
    return probe_step(probe, model, model.compute_loss, learning_rate=learning_rate)


def test_figures_of_a_quadratic_loss_are_those_of_its_formula():
    measured = measure(multiples=(1.0, 2.0))

    # Points (0.6, 1.8) and (0.2, 1.6); gradients change by -d (16, 2), over d |(4, 2)|.
    assert measured == {
        "diag/landscape_loss_lowest/all": pytest.approx(2 * 0.04 + 2.56 / 2),
        "diag/landscape_loss_highest/all": pytest.approx(2 * 0.36 + 3.24 / 2),
        "diag/landscape_loss_range/all": pytest.approx(2.34 - 1.36, rel=1e-5),
        "diag/gradient_change_lowest/all": pytest.approx(0.1 * 260**0.5, rel=1e-5),
        "diag/gradient_change_highest/all": pytest.approx(0.2 * 260**0.5, rel=1e-5),
        "diag/effective_smoothness/all": pytest.approx((260 / 20) ** 0.5, rel=1e-5),
    }


def test_a_named_layer_moves_alone():
    measured = measure(multiples=(1.0,), layers=("right",))

    assert measured["diag/effective_smoothness/right"] == pytest.approx(1, rel=1e-5)
    assert measured["diag/landscape_loss_lowest/right"] == pytest.approx(2 + 3.24 / 2)
    assert measured["diag/effective_smoothness/all"] == pytest.approx((260 / 20) ** 0.5, rel=1e-5)


def test_a_step_size_of_ones_own_does_not_depend_on_the_learning_rate():
    assert measure(0.3, step_size=0.1) == measure(0.7, step_size=0.1) == measure(0.1)


def test_a_learning_rate_of_zero_has_no_smoothness():
    measured = measure(0.0)
    assert torch.tensor(measured["diag/effective_smoothness/all"]).isnan()
    assert measured["diag/landscape_loss_range/all"] == 0


@pytest.mark.parametrize("multiples", [(), (0.0, 1.0), (-1.0,)])
def test_multiples_that_do_not_lie_ahead_are_refused(multiples):
    with pytest.raises(ValidationError, match="must be numbers above 0"):
        LossLandscapeConfig(multiples=multiples)
