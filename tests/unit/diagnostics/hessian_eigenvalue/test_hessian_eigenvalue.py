"""The largest eigenvalue of Hessians that are known."""

import math

import pytest
import torch
from probed_steps import probe_step
from torch import nn

from bnexp.diagnostics.hessian_eigenvalue.config import HessianEigenvalueConfig
from bnexp.norms import NORMS


class Point(nn.Module):
    """Two layers that hold the coordinates of a point."""

    def __init__(self, first, second):
        super().__init__()
        self.first, self.second = nn.Module(), nn.Module()
        self.first.weight = nn.Parameter(torch.tensor(first))
        self.second.weight = nn.Parameter(torch.tensor(second))

    def read(self):
        return torch.cat((self.first.weight, self.second.weight))


def measure(model, compute_loss, **fields):
    probe = HessianEigenvalueConfig(**{"tolerance": 1e-6, **fields}).build(model, 1)
    return probe_step(probe, model, compute_loss)


def test_a_quadratic_loss_has_the_eigenvalue_of_its_matrix():
    matrix = torch.tensor([[2.0, 1.0, 0.0], [1.0, 3.0, -1.0], [0.0, -1.0, -5.0]])
    model = Point([1.0, -2.0], [3.0])

    measured = measure(model, lambda _: model.read() @ matrix @ model.read() / 2)

    expected = torch.linalg.eigvalsh(matrix)[-1].item()
    assert measured["diag/hessian_eigenvalue/all"] == pytest.approx(expected, rel=1e-5)
    assert measured["diag/hessian_residual/all"] < 1e-4


def test_named_layers_have_the_eigenvalues_of_their_own_blocks():
    matrix = torch.tensor([[2.0, 1.0, 4.0], [1.0, 2.0, -1.0], [4.0, -1.0, 7.0]])
    model = Point([1.0, -2.0], [3.0])

    measured = measure(model, lambda _: model.read() @ matrix @ model.read() / 2, layers=("*",))

    assert measured["diag/hessian_eigenvalue/first"] == pytest.approx(3.0, rel=1e-5)
    assert measured["diag/hessian_eigenvalue/second"] == pytest.approx(7.0, rel=1e-5)
    assert measured["diag/hessian_eigenvalue/all"] > 7


def test_a_nonlinear_network_has_the_eigenvalue_of_its_whole_hessian():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.BatchNorm1d(4), nn.Linear(4, 2)).double()
    inputs, targets = torch.randn(8, 3).double(), torch.arange(8) % 2
    shapes = [value.shape for value in model.parameters()]
    names = [name for name, _ in model.named_parameters()]

    def compute_loss(flat):
        pieces = flat.split([shape.numel() for shape in shapes])
        values = {n: p.view(s) for n, p, s in zip(names, pieces, shapes, strict=True)}
        outputs = torch.func.functional_call(model, values, inputs)
        return nn.functional.cross_entropy(outputs, targets)

    flat = nn.utils.parameters_to_vector(model.parameters()).detach()
    hessian = torch.autograd.functional.hessian(compute_loss, flat)
    expected = torch.linalg.eigvalsh(hessian)[-1].item()

    measured = measure(
        model, lambda _: nn.functional.cross_entropy(model(inputs), targets), iterations=60
    )
    assert measured["diag/hessian_eigenvalue/all"] == pytest.approx(expected, rel=1e-6)


def test_a_linear_loss_has_the_eigenvalue_zero():
    model = Point([1.0, -2.0], [3.0])
    measured = measure(model, lambda _: model.read().sum())
    assert set(measured.values()) == {0}


def test_a_loss_that_is_not_finite_gives_no_number():
    model = Point([1.0, 0.0], [3.0])
    measured = measure(model, lambda _: (model.read() ** 2 * math.inf).sum())
    assert all(math.isnan(value) for value in measured.values())


def test_the_start_depends_on_the_steps_number_alone():
    model = Point([1.0, -2.0], [3.0])
    curvature = torch.tensor([3.0, 2.0, 1.0])

    def run(number):
        probe = HessianEigenvalueConfig(iterations=2).build(model, 1)
        torch.manual_seed(number * 7)
        loss = lambda _: (curvature * model.read() ** 2).sum()  # noqa: E731
        return probe_step(probe, model, loss, learning_rate=0.0, number=number)

    assert run(1) == run(1) != run(2)


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("memory_format", [torch.channels_last, torch.contiguous_format])
def test_every_norm_has_second_derivatives(norm, memory_format):
    torch.manual_seed(0)
    layer = norm(**({"num_groups": 2} if "num_groups" in norm.model_fields else {})).build(4)
    model = nn.Sequential(nn.Conv2d(3, 4, 3), layer, nn.Tanh(), nn.Flatten(), nn.Linear(64, 2))
    inputs = torch.randn(6, 3, 6, 6).contiguous(memory_format=memory_format)
    targets = torch.arange(6) % 2

    def compute_loss(_):
        torch.manual_seed(1)
        return nn.functional.cross_entropy(model(inputs), targets)

    probe = HessianEigenvalueConfig(iterations=40).build(model.train(), 1)
    measured = probe_step(probe, model, compute_loss)
    assert 0 < measured["diag/hessian_eigenvalue/all"] < 1e4
    assert measured["diag/hessian_residual/all"] <= 0.011 * measured["diag/hessian_eigenvalue/all"]
