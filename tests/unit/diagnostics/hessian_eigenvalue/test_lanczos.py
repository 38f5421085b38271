"""Lanczos against matrices whose eigenvalues are known."""

import math

import numpy as np
import pytest
import torch

from bnexp.diagnostics.hessian_eigenvalue.lanczos import find_largest_eigenvalue


def draw_symmetric(size, seed):
    matrix = np.random.default_rng(seed).normal(size=(size, size))
    return torch.from_numpy(matrix + matrix.T)


def draw_start(size, dtype=torch.float64):
    generator = torch.Generator().manual_seed(0)
    return torch.randn(size, generator=generator, dtype=torch.float64).to(dtype)


@pytest.mark.parametrize("seed", range(5))
def test_it_is_the_largest_eigenvalue_of_a_matrix(seed):
    matrix = draw_symmetric(60, seed)
    found = find_largest_eigenvalue(lambda v: matrix @ v, draw_start(60), 60, 1e-9)

    expected = np.linalg.eigvalsh(matrix.numpy())[-1]
    assert found.value == pytest.approx(expected, rel=1e-8)
    assert found.residual <= 1e-9 * found.value


@pytest.mark.parametrize("iterations", [2, 5, 10])
def test_an_eigenvalue_lies_within_the_residual_before_it_has_converged(iterations):
    matrix = draw_symmetric(200, 1)
    found = find_largest_eigenvalue(lambda v: matrix @ v, draw_start(200), iterations, 0.0)

    eigenvalues = np.linalg.eigvalsh(matrix.numpy())
    assert found.products == iterations
    assert found.value <= eigenvalues[-1]
    assert np.abs(eigenvalues - found.value).min() <= found.residual


def test_a_larger_negative_eigenvalue_does_not_count():
    diagonal = torch.tensor([-9.0, 2.0, 1.0, 0.0])
    found = find_largest_eigenvalue(lambda v: diagonal * v, torch.ones(4), 10, 1e-6)
    assert found.value == pytest.approx(2.0, rel=1e-6)


def test_it_stops_as_soon_as_the_residual_is_small_enough():
    diagonal = torch.linspace(-1, 1, 1000)
    diagonal[0] = 10
    found = find_largest_eigenvalue(lambda v: diagonal * v, draw_start(1000), 100, 1e-3)
    assert found.products < 10
    assert found.value == pytest.approx(10, rel=1e-5)


def test_float32_converges_and_stays_there_without_reorthogonalization():
    diagonal = torch.linspace(-3, 1, 2000)
    diagonal[:2] = torch.tensor([5.0, -20.0])
    found = find_largest_eigenvalue(
        lambda v: diagonal * v, draw_start(2000, torch.float32), 100, 0.0
    )
    assert found.value == pytest.approx(5.0, rel=1e-5)


def test_a_matrix_of_zeros_has_the_eigenvalue_zero():
    found = find_largest_eigenvalue(torch.zeros_like, torch.ones(3), 10, 1e-3)
    assert (found.value, found.residual) == (0, 0)


def test_a_product_that_is_not_finite_gives_nan():
    found = find_largest_eigenvalue(lambda v: v * math.inf, torch.ones(3), 10, 1e-3)
    assert math.isnan(found.value)
    assert math.isnan(found.residual)
