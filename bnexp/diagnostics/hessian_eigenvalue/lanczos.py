"""The largest eigenvalue of a matrix that is known only by its products with vectors."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Eigenvalue:
    """An approximate eigenvalue."""

    value: float
    residual: float
    """‖A·v − value·v‖ of its unit vector v: an eigenvalue of A lies within this of `value`."""
    products: int
    """How many products with A it took."""


def find_largest_eigenvalue(
    multiply: Callable[[Tensor], Tensor], start: Tensor, iterations: int, tolerance: float
) -> Eigenvalue:
    """Returns the (algebraically) largest eigenvalue of a symmetric matrix A.

    Lanczos iterations from the vector `start` `(K,)`, with one product `multiply(v)` = A·v each,
    until the residual is at most `tolerance` times the value, or the iterations are used up. NaN
    if a product is not finite.

    Without reorthogonalization: the vectors lose their orthogonality only once an eigenvalue at
    either end has converged, which repeats that one and leaves the other end's as they are.

    Source: Lanczos 1950; Paige 1971 for the residual, the last off-diagonal entry times the last
    entry of the eigenvector of the tridiagonal matrix.
    """
    previous, vector = torch.zeros_like(start), start / torch.linalg.vector_norm(start)
    diagonal: list[float] = []
    beside: list[float] = []
    value = residual = math.nan
    for _ in range(min(iterations, len(start))):
        product = multiply(vector)
        if beside:
            product = product - beside[-1] * previous
        diagonal.append(float(product @ vector))
        product = product - diagonal[-1] * vector
        beside.append(float(torch.linalg.vector_norm(product)))
        if not math.isfinite(diagonal[-1]) or not math.isfinite(beside[-1]):
            return Eigenvalue(math.nan, math.nan, len(diagonal))
        value, residual = _solve(diagonal, beside)
        if residual <= tolerance * abs(value):
            break
        previous, vector = vector, product / beside[-1]
    return Eigenvalue(value, residual, len(diagonal))


def _solve(diagonal: list[float], beside: list[float]) -> tuple[float, float]:
    """Returns the largest eigenvalue of the tridiagonal matrix, and its residual for A."""
    entries, off = (torch.tensor(values, dtype=torch.float64) for values in (diagonal, beside))
    matrix = torch.diag(entries) + torch.diag(off[:-1], 1) + torch.diag(off[:-1], -1)
    values, vectors = torch.linalg.eigh(matrix)
    return float(values[-1]), float(off[-1] * vectors[-1, -1].abs())
