"""The pictures of the first batch show the pixels that were loaded."""

import io

import numpy as np
import pytest
import torch
from PIL import Image

from bnexp.data.batches import ChannelStatistics, TrainingBatches
from bnexp.data.dataset import LabelledImages
from bnexp.data.shapes.config import ShapesConfig
from bnexp.launch.run.first_look import draw_first_batch

NAMES = tuple("abcdefghij")


def build_batches(*, count=40, side=32, channels=3, batch_size=40, augment=(), seed=0):
    """Returns batches of images that differ in every pixel, with their pixels."""
    generator = np.random.default_rng(1)
    pixels = generator.integers(0, 256, (count, side, side, channels), dtype=np.uint8)
    images = LabelledImages(pixels, np.arange(count) % 10)
    config = ShapesConfig(augment=augment, batch_size=batch_size)
    statistics = ChannelStatistics.of(images)
    return TrainingBatches(images, statistics, config, seed, torch.device("cpu")), pixels


def read_pictures(image, *, side=32, factor=3, columns=8):
    """Cuts the sheet into its pictures, row by row, at their own size."""
    sheet = np.asarray(Image.open(io.BytesIO(image.png)))
    step = side * factor + 2
    for top in range(0, sheet.shape[0], step):
        for left in range(0, columns * step - 2, step):
            yield sheet[top : top + side * factor : factor, left : left + side * factor : factor]


def test_the_pictures_are_the_batchs_images_to_the_last_bit():
    batches, pixels = build_batches()

    image, _ = draw_first_batch(batches, NAMES)

    shown = list(read_pictures(image))
    _, targets = next(batches.epoch(0))
    originals = {picture.tobytes(): index for index, picture in enumerate(pixels)}
    order = [originals[picture.tobytes()] for picture in shown]
    assert len(set(order)) == 32
    assert [index % 10 for index in order] == targets[:32].tolist()


def test_augmentation_is_shown():
    batches, pixels = build_batches(augment=("random_crop", "horizontal_flip"))

    image, _ = draw_first_batch(batches, NAMES)

    originals = {picture.tobytes() for picture in pixels}
    assert sum(picture.tobytes() in originals for picture in read_pictures(image)) < 16


def test_the_classes_are_named_by_row():
    batches, _ = build_batches(batch_size=11)

    _, description = draw_first_batch(batches, NAMES)

    _, targets = next(batches.epoch(0))
    names = [NAMES[target] for target in targets]
    assert f"- row 1: {', '.join(names[:8])}\n- row 2: {', '.join(names[8:])}" in description


def test_no_random_state_is_touched():
    batches, _ = build_batches(augment=("random_crop", "horizontal_flip"))
    before = torch.get_rng_state(), next(batches.epoch(0))[0]

    draw_first_batch(batches, NAMES)

    assert torch.equal(torch.get_rng_state(), before[0])
    assert torch.equal(next(batches.epoch(0))[0], before[1])


def test_grey_images_are_drawn_grey():
    batches, pixels = build_batches(channels=1)

    image, _ = draw_first_batch(batches, NAMES)

    originals = {picture.tobytes() for picture in pixels}
    assert {picture.tobytes() for picture in read_pictures(image)} <= originals


def test_large_images_are_fewer_and_not_enlarged():
    batches, _ = build_batches(count=8, side=300, batch_size=8)

    image, _ = draw_first_batch(batches, NAMES)

    assert image.size == (3 * 302 - 2, 3 * 302 - 2)


def test_images_that_are_neither_grey_nor_rgb_are_refused():
    batches, _ = build_batches(channels=4)

    with pytest.raises(ValueError, match="4 channels"):
        draw_first_batch(batches, NAMES)
