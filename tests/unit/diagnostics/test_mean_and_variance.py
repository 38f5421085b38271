"""Mean and variance against PyTorch's own in float64."""

import pytest
import torch

from bnexp.diagnostics.moments import compute_moments


@pytest.mark.parametrize("axes", [None, (0, 2, 3), (1,)])
@pytest.mark.parametrize("memory_format", [torch.channels_last, torch.contiguous_format])
@pytest.mark.parametrize("correction", [0, 1])
def test_they_are_exact_even_if_the_mean_is_far_from_zero(axes, memory_format, correction):
    generator = torch.Generator().manual_seed(0)
    values = (torch.randn(32, 6, 9, 9, generator=generator) + 100).to(memory_format=memory_format)
    variance, mean = torch.var_mean(values.double(), axes, correction=correction)

    found_mean, found_variance = compute_moments(values, axes, correction)

    torch.testing.assert_close(found_mean.double(), mean, rtol=1e-6, atol=0)
    torch.testing.assert_close(found_variance.double(), variance, rtol=1e-5, atol=0)


def test_bfloat16_is_widened_first():
    values = torch.full((1000,), 1.0, dtype=torch.bfloat16)
    values[0] = 3.0

    mean, variance = compute_moments(values)

    assert mean.dtype == torch.float32
    assert float(mean) == pytest.approx(1.002, rel=1e-6)
    assert float(variance) == pytest.approx(4 * 0.001 * 0.999, rel=1e-5)
