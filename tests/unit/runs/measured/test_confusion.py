"""Figures of classes, against examples worked out by hand."""

import pytest

from bnexp.runs.measured.confusion import ClassScore, Confusion

# 4 cats, of which 3 were recognised; 1 dog, taken for a cat; 5 frogs, all recognised; no bird.
FOUND = Confusion(
    ("cat", "dog", "frog", "bird"),
    ((3, 0, 1, 0), (1, 0, 0, 0), (0, 0, 5, 0), (0, 0, 0, 0)),
)


def test_each_class_has_the_accuracy_of_its_own_pictures():
    assert FOUND.classes == [
        ClassScore("cat", 3, 4), ClassScore("dog", 0, 1), ClassScore("frog", 5, 5),
        ClassScore("bird", 0, 0),
    ]  # fmt: skip
    assert [one.accuracy for one in FOUND.classes] == [0.75, 0.0, 1.0, None]


def test_the_balanced_accuracy_counts_each_class_once_and_the_accuracy_each_picture():
    assert FOUND.count == 10
    assert FOUND.accuracy == 0.8
    assert FOUND.balanced_accuracy == pytest.approx((0.75 + 0 + 1) / 3)


def test_confusions_come_with_the_most_frequent_first():
    counts = ((0, 1, 3), (2, 5, 0), (0, 0, 9))

    assert Confusion(("a", "b", "c"), counts).find_confusions() == [
        (3, "a", "c"), (2, "b", "a"), (1, "a", "b"),
    ]  # fmt: skip
