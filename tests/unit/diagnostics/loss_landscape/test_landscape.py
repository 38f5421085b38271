"""The landscape of a quadratic loss in closed form."""

import pytest
import torch

from bnexp.diagnostics.loss_landscape.probe import explore
from bnexp.diagnostics.objective import Objective

CURVATURE = torch.tensor([4.0, 1.0, 0.5], dtype=torch.float64)
SIZES = (0.05, 0.1, 0.4)


def build_quadratic(start):
    """Returns the loss ½ Σ hᵢ θᵢ², whose gradient at θ is h·θ."""
    theta = torch.tensor(start, dtype=torch.float64, requires_grad=True)
    return Objective(lambda images: (CURVATURE * theta.square()).sum() / 2, [theta])


def look(objective, sizes=SIZES):
    return explore(objective, sizes, objective.parameters)


def test_a_quadratic_loss_has_the_landscape_of_its_formula():
    start = torch.tensor([1.0, -2.0, 3.0], dtype=torch.float64)
    landscape = look(build_quadratic(start.tolist()))

    gradient = CURVATURE * start
    points = torch.stack([start - size * gradient for size in SIZES])
    assert torch.allclose(landscape.losses, (CURVATURE * points.square()).sum(1) / 2)
    # ∇L(θ − d·g) − ∇L(θ) = −d·h·g.
    changes = torch.stack([(size * CURVATURE * gradient).norm() for size in SIZES])
    assert torch.allclose(landscape.gradient_changes, changes)
    assert torch.allclose(landscape.distances, gradient.norm() * torch.tensor(SIZES).double())
    assert landscape.smoothness.item() == pytest.approx(changes[0] / landscape.distances[0])


@pytest.mark.parametrize("index", range(3))
def test_along_an_eigenvector_the_smoothness_is_the_curvature(index):
    start = [0.0, 0.0, 0.0]
    start[index] = 2.0
    landscape = look(build_quadratic(start))
    assert landscape.smoothness.item() == pytest.approx(CURVATURE[index].item())


def test_a_linear_loss_has_no_curvature():
    theta = torch.ones(2, requires_grad=True)
    landscape = look(Objective(lambda images: (3 * theta).sum(), [theta]))

    assert landscape.gradient_changes.tolist() == [0, 0, 0]
    assert landscape.smoothness == 0


def test_a_step_size_of_zero_has_no_smoothness():
    assert look(build_quadratic([1.0, 1.0, 1.0]), [0.0]).smoothness.isnan()


def test_a_kink_makes_the_smoothness_grow_as_the_distance_shrinks():
    def measure(size):
        theta = torch.tensor([1e-6], requires_grad=True)
        return look(Objective(lambda images: theta.relu().sum(), [theta]), [size]).smoothness

    assert [measure(size).item() for size in (0.1, 0.01)] == pytest.approx([10, 100])


def test_distances_are_those_that_float32_can_hold():
    theta = torch.tensor([1.0, 1e-6], requires_grad=True)
    landscape = look(Objective(lambda images: theta.sum(), [theta]), [2e-8])
    assert landscape.distances.item() == pytest.approx(2e-8)
