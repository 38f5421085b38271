"""The split into training and validation images."""

from itertools import pairwise

import numpy as np
import pytest

from bnexp.data.dataset import Dataset, LabelledImages
from bnexp.data.split import choose_test_images, stratified_split
from bnexp.errors import DataError

TEN_EQUAL = np.repeat(np.arange(10), 100)
SKEWED = np.repeat(np.arange(4), [600, 300, 97, 3])


def counts(labels, indices):
    return np.bincount(labels[indices], minlength=labels.max() + 1)


def test_sizes_that_divide_give_every_class_the_same_number():
    train, val = stratified_split(TEN_EQUAL, 500, 200)
    assert counts(TEN_EQUAL, train).tolist() == [50] * 10
    assert counts(TEN_EQUAL, val).tolist() == [20] * 10


def test_sizes_that_do_not_divide_differ_by_at_most_one_image_a_class():
    train, val = stratified_split(TEN_EQUAL, 123, 57)
    assert np.ptp(counts(TEN_EQUAL, train)) <= 1
    assert np.ptp(counts(TEN_EQUAL, val)) <= 1
    assert (len(train), len(val)) == (123, 57)


@pytest.mark.parametrize("val_size", [1, 10, 99, 250, 500])
def test_shares_follow_the_frequency_of_the_classes_to_within_one_image(val_size):
    _, val = stratified_split(SKEWED, None, val_size)
    quotas = np.array([600, 300, 97, 3]) * val_size / 1000
    assert np.abs(counts(SKEWED, val) - quotas).max() < 1


def test_a_training_size_of_none_takes_all_that_validation_leaves():
    train, val = stratified_split(TEN_EQUAL, None, 300)
    assert sorted([*train, *val]) == list(range(1000))


def test_without_validation_all_images_train():
    train, val = stratified_split(TEN_EQUAL, None, 0)
    assert train.tolist() == list(range(1000))
    assert val.tolist() == []


def test_training_and_validation_share_no_image():
    train, val = stratified_split(SKEWED, 400, 400)
    assert not set(train) & set(val)


@pytest.mark.parametrize("labels", [TEN_EQUAL, SKEWED], ids=["equal", "skewed"])
def test_a_smaller_training_set_is_part_of_every_larger_one(labels):
    sizes = [*range(1, 60), 100, 333, 700]
    sets = [set(stratified_split(labels, size, 250)[0]) for size in sizes]
    assert all(small < large for small, large in pairwise(sets))


def test_validation_does_not_depend_on_the_training_size():
    _, with_few = stratified_split(TEN_EQUAL, 10, 100)
    _, with_all = stratified_split(TEN_EQUAL, None, 100)
    assert with_few.tolist() == with_all.tolist()


def test_indices_are_ascending_int64():
    train, val = stratified_split(np.random.default_rng(0).permutation(TEN_EQUAL), 200, 100)
    for indices in (train, val):
        assert indices.dtype == np.int64
        assert (np.diff(indices) > 0).all()


def test_images_are_drawn_from_all_over_a_class():
    _, val = stratified_split(np.zeros(1000, np.int64), None, 100)
    assert val.min() < 100
    assert val.max() >= 900


def test_the_split_stays_what_it_was_in_earlier_releases():
    train, val = stratified_split(np.repeat(np.arange(2), 10), 6, 4)
    assert val.tolist() == [1, 2, 13, 18]
    assert train.tolist() == [3, 7, 9, 15, 17, 19]


def test_labels_in_any_order_are_stratified():
    labels = np.random.default_rng(1).permutation(TEN_EQUAL)
    train, val = stratified_split(labels, 500, 200)
    assert counts(labels, train).tolist() == [50] * 10
    assert counts(labels, val).tolist() == [20] * 10


@pytest.mark.parametrize("val_size", [1000, 2000])
def test_a_validation_set_that_leaves_nothing_is_refused(val_size):
    message = f"val_size {val_size:,} leaves no image .* the training set holds 1,000"
    with pytest.raises(DataError, match=message):
        stratified_split(TEN_EQUAL, None, val_size)


def test_a_validation_set_may_leave_a_single_image():
    train, val = stratified_split(TEN_EQUAL, None, 999)
    assert (len(train), len(val)) == (1, 999)


def test_a_training_size_beyond_what_is_left_is_refused():
    message = "train_size 901 is more than the 900 of 1,000 .* after val_size takes 100"
    with pytest.raises(DataError, match=message):
        stratified_split(TEN_EQUAL, 901, 100)


@pytest.mark.parametrize("size", [10, 30, 57, 400])
def test_a_test_size_takes_that_many_images_of_all_classes_in_proportion(size):
    dataset = build(TEN_EQUAL)
    part = choose_test_images(dataset, size)

    assert len(part) == size
    assert np.ptp(np.bincount(part.labels, minlength=10)) <= 1
    numbers = part.images[:, 0, 0, 0].astype(int) * 256 + part.images[:, 0, 0, 1]
    assert (np.diff(numbers) > 0).all()
    assert part.labels.tolist() == TEN_EQUAL[numbers].tolist()
    larger = choose_test_images(dataset, 500).images
    assert {*map(bytes, part.images)} < {*map(bytes, larger)}


def test_without_a_test_size_all_images_test():
    dataset = build(TEN_EQUAL)
    assert choose_test_images(dataset, None) is dataset.test


@pytest.mark.parametrize(
    ("size", "problem"),
    [(1001, "more than the 1,000 test images"), (50, "none of d: each class")],
)
def test_a_test_size_that_cannot_be_had_is_refused(size, problem):
    with pytest.raises(DataError, match=problem):
        choose_test_images(build(SKEWED), size)


def build(labels):
    """Returns a dataset whose test images hold their number in their first two values."""
    images = np.zeros((len(labels), 1, 1, 3), np.uint8)
    images[:, 0, 0, 0], images[:, 0, 0, 1] = np.divmod(np.arange(len(labels)), 256)
    part = LabelledImages(images, labels)
    return Dataset("made up", part, part, tuple("abcdefghij"[: labels.max() + 1]))
