"""One notch below the smallest value of an axis."""

import pytest

from bnexp.analysis.claims.sides import below_axis


@pytest.mark.parametrize(
    ("places", "below"),
    [
        ([0.01, 0.1, 1.0], 0.001),
        ([32, 8, 16], 4),
        ([0, 1, 3], -1),
        ([-2, 3], -7),
    ],
    ids=["by a factor", "in any order", "from 0 by a difference", "from a negative value"],
)
def test_below_the_axis_is_as_far_as_its_second_value_is_above(places, below):
    assert below_axis(places) == pytest.approx(below)
