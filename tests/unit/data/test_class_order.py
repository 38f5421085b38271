"""Batches of few classes: what each holds, and which images an epoch shows."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from toy_training import CPU, Toy, build_dataset

from bnexp.data.batches import ChannelStatistics, TrainingBatches
from bnexp.data.class_order import order_by_class
from bnexp.data.dataset import LabelledImages


def draw(labels, sizes, classes, seed=0):
    generator = torch.Generator().manual_seed(seed)
    order = order_by_class(torch.tensor(labels), sizes, classes, generator)
    return [part.numpy() for part in order.split(list(sizes))]


def build_batches(batch_size=32, seed=0, **options):
    train = build_dataset().train
    config = Toy(batch_size=batch_size, augment=("random_crop", "horizontal_flip"), **options)
    return TrainingBatches(train, ChannelStatistics.of(train), config, seed, CPU)


@pytest.mark.parametrize(("size", "classes"), [(20, 1), (20, 2), (20, 5), (50, 5), (20, 10)])
def test_if_sizes_divide_every_image_is_shown_once(size, classes):
    labels = np.arange(200) % 10
    batches = draw(labels, [size] * (200 // size), classes)

    assert sorted(np.concatenate(batches).tolist()) == list(range(200))
    for batch in batches:
        counts = np.bincount(labels[batch])
        assert sorted(counts[counts > 0]) == [size // classes] * classes


def test_which_classes_stand_together_and_follow_each_other_is_random():
    labels = np.arange(2000) % 10
    batches = draw(labels, [10] * 200, 2)
    present = [set(labels[batch].tolist()) for batch in batches]

    # Each of the 45 pairs is expected 4.4 times.
    assert len({frozenset(pair) for pair in present}) > 35
    followed = sum(len(one & other) for one, other in itertools.pairwise(present))
    # A batch shares 2 · 2 / 10 classes with the next on average: 80 of 199 batches, ± 7.
    assert 55 < followed < 105


@settings(max_examples=100)
@given(
    counts=st.lists(st.integers(1, 60), min_size=1, max_size=7),
    batch_size=st.integers(1, 40),
    data=st.data(),
)
def test_whatever_the_sizes_batches_are_full_and_images_are_shown_evenly(counts, batch_size, data):
    classes = data.draw(st.integers(1, len(counts)))
    labels = np.repeat(np.arange(len(counts)), counts)
    total = len(labels)
    sizes = [min(batch_size, total - start) for start in range(0, total, batch_size)]
    batches = draw(labels, sizes, classes)

    assert [len(batch) for batch in batches] == sizes
    for batch in batches:
        found = np.bincount(labels[batch], minlength=len(counts))
        present = found[found > 0]
        assert len(present) <= classes
        assert len(present) == min(classes, len(batch))
        assert present.max() - present.min() <= 1
    shown = np.bincount(np.concatenate(batches), minlength=total)
    for label in range(len(counts)):
        own = shown[labels == label]
        assert own.max() - own.min() <= 1


def test_turns_are_in_proportion_to_the_images_of_a_class():
    labels = np.repeat([0, 1, 2, 3], [100, 50, 25, 25])
    shown = np.concatenate(draw(labels, [10] * 20, 2))

    assert np.bincount(labels[shown]).tolist() == [100, 50, 25, 25]


def test_a_class_too_large_for_its_turns_stands_in_every_batch():
    labels = np.repeat([0, 1, 2], [80, 10, 10])
    batches = draw(labels, [10] * 10, 2)

    assert all((labels[batch] == 0).sum() == 5 for batch in batches)
    assert np.bincount(labels[np.concatenate(batches)]).tolist() == [50, 25, 25]


def test_what_an_epoch_leaves_out_the_next_ones_show():
    labels = np.arange(210) % 10
    seen = {
        int(index)
        for seed in range(6)
        for index in np.concatenate(draw(labels, [20] * 10, 2, seed))
    }

    assert seen == set(range(210))


@pytest.mark.parametrize("drop_last", [False, True])
def test_batches_have_the_sizes_of_mixed_ones_and_few_classes(drop_last):
    batches = build_batches(classes_per_batch=3, drop_last=drop_last)
    mixed = build_batches(drop_last=drop_last)

    targets = [targets for _, targets in batches.epoch(0)]
    assert [len(labels) for labels in targets] == [len(labels) for _, labels in mixed.epoch(0)]
    assert len(targets) == len(batches) == (6 if drop_last else 7)
    assert all(len(set(labels.tolist())) == 3 for labels in targets)


def test_an_epoch_is_a_function_of_seed_and_epoch_from_any_step_on():
    def read(epoch, first_step=0, seed=0):
        batches = build_batches(classes_per_batch=2, seed=seed)
        return list(batches.epoch(epoch, first_step))

    whole, later = read(3), read(3, first_step=4)
    for (inputs, targets), (others, labels) in zip(whole[4:], later, strict=True):
        assert torch.equal(inputs, others)
        assert torch.equal(targets, labels)
    assert not torch.equal(whole[0][0], read(4)[0][0])
    assert not torch.equal(whole[0][0], read(3, seed=1)[0][0])


def test_the_images_are_those_of_the_labels():
    labels = np.arange(40) % 4
    pixels = np.broadcast_to((labels * 50).astype(np.uint8)[:, None, None, None], (40, 4, 4, 3))
    images = LabelledImages(pixels.copy(), labels)
    config = Toy(batch_size=8, classes_per_batch=2)
    batches = TrainingBatches(images, ChannelStatistics.of(images), config, 0, CPU)

    for inputs, targets in batches.epoch(0):
        assert torch.equal(batches.restore(inputs)[:, 0, 0, 0].long(), targets * 50)
