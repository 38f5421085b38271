from itertools import pairwise

import pytest

from bnexp.reports.html.marks import wrap
from bnexp.reports.html.scale import Scale, spread, tick_labels, ticks


def test_a_scale_maps_ends_to_ends_and_back():
    scale = Scale(-2.0, 6.0, 100.0, 20.0)
    assert (scale(-2), scale(2), scale(6)) == (100, 60, 20)
    assert scale.invert(60) == 2
    assert (scale.clamp(-9), scale.clamp(9)) == (100, 20)


def test_ticks_are_round_and_within_the_range():
    assert ticks(13.1, 21.9, 7) == (14, 16, 18, 20)
    assert ticks(0.0012, 0.0047, 5) == pytest.approx((0.002, 0.003, 0.004))
    assert ticks(1, 10, 11, is_whole=True) == tuple(range(1, 11))
    assert ticks(0.5, 1.5, 6, is_whole=True) == (1,)
    assert ticks(1, 200, 6, is_whole=True) == (50, 100, 150, 200)


def test_tick_labels_have_the_decimals_of_their_step():
    assert tick_labels((-0.5, 0.0, 0.5)) == ("-0.5", "0.0", "0.5")
    assert tick_labels((0.0, 20_000.0)) == ("0", "20,000")


def test_labels_are_moved_apart_in_their_order():
    places = spread([50, 52, 51, 10], [10, 10, 10, 10], 0, 100)
    assert places[3] == 10
    assert places[0] < places[2] < places[1]
    ordered = sorted(places)
    assert all(after - before >= 10 for before, after in pairwise(ordered))


def test_labels_at_the_lower_edge_are_moved_up():
    assert spread([100, 100], [10, 10], 0, 100) == [85, 95]


@pytest.mark.parametrize("label", ["a, b", "batch(warmup_steps=50, r_max_steps=150)", "x" * 90, ""])
def test_a_wrapped_label_loses_nothing_but_blanks(label):
    lines = wrap(label, 20)
    assert "".join(lines).replace(" ", "") == label.replace(" ", "")
    assert all(len(line) <= 21 for line in lines)
