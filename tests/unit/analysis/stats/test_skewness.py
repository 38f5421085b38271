"""Skewness, against SciPy's."""

import pytest
from scipy import stats

from bnexp.analysis.stats.skewness import skewness

VALUES = [0.1, 0.2, 0.15, 0.9, 0.3, 0.12]


@pytest.mark.parametrize("scale", [1.0, 1e-200, 1e200])
def test_it_is_scipys_at_any_scale(scale):
    found = skewness([scale * value for value in VALUES])

    assert found == pytest.approx(float(stats.skew(VALUES, bias=False)))
