"""Batches against the same operations done image by image."""

from typing import Literal

import numpy as np
import pytest
import torch
from torchvision.transforms import functional

from bnexp.data.batches import ChannelStatistics, ResidentImages, TrainingBatches
from bnexp.data.dataset import DatasetConfig, LabelledImages

CPU = torch.device("cpu")


class AnyData(DatasetConfig):
    """A dataset whose images come from elsewhere."""

    name: Literal["any"] = "any"

    def load(self, say):
        raise NotImplementedError


@pytest.fixture
def images():
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (50, 12, 10, 3), dtype=np.uint8)
    return LabelledImages(pixels, rng.integers(0, 10, 50))


def build(images, **fields):
    seed = fields.pop("seed", 0)
    statistics = ChannelStatistics.of(images)
    return TrainingBatches(images, statistics, AnyData(**{"batch_size": 16, **fields}), seed, CPU)


def epoch_of(batches, epoch, first_step=0):
    inputs, targets = zip(*batches.epoch(epoch, first_step), strict=True)
    return torch.cat(inputs), torch.cat(targets)


def test_statistics_are_numpys_mean_and_standard_deviation(images):
    statistics = ChannelStatistics.of(images)

    pixels = images.images / 255
    assert statistics.mean == pytest.approx(pixels.mean((0, 1, 2)))
    assert statistics.std == pytest.approx(pixels.std((0, 1, 2)))


def test_the_statistics_of_many_bright_images_are_exact():
    pixels = np.full((1000, 4, 4, 1), 255, np.uint8)
    pixels[1::2] = 0
    pixels[0, 0, 0] = 254

    statistics = ChannelStatistics.of(LabelledImages(pixels, np.zeros(1000, np.int64)))

    total = 500 * 16 * 255 - 1
    squares = (500 * 16 - 1) * 255**2 + 254**2
    variance = (16_000 * squares - total**2) / (255 * 16_000) ** 2
    assert statistics == ChannelStatistics((total / (255 * 16_000),), (variance**0.5,))


def test_a_constant_channel_is_normalised_to_zero():
    constant = LabelledImages(np.full((4, 2, 2, 3), 7, np.uint8), np.zeros(4, np.int64))
    resident = ResidentImages(constant, ChannelStatistics.of(constant), CPU)

    inputs, _ = resident.gather(torch.arange(4))
    assert inputs.abs().max() < 1e-6


def test_inputs_are_normalised_images_in_channels_last_memory(images):
    statistics = ChannelStatistics.of(images)
    resident = ResidentImages(images, statistics, CPU)

    inputs, targets = resident.gather(torch.tensor([3, 1]))

    expected = torch.stack(
        [
            functional.normalize(
                functional.to_tensor(images.images[index]), statistics.mean, statistics.std
            )
            for index in (3, 1)
        ]
    )
    torch.testing.assert_close(inputs, expected, rtol=1e-5, atol=1e-5)
    assert inputs.is_contiguous(memory_format=torch.channels_last)
    assert targets.tolist() == images.labels[[3, 1]].tolist()


@pytest.mark.parametrize("is_mirrored", [False, True])
def test_crop_and_mirror_are_torchvisions(images, is_mirrored):
    statistics = ChannelStatistics.of(images)
    resident = ResidentImages(images, statistics, CPU, padding=4, can_mirror=True)
    offsets = torch.tensor([[0, 0], [8, 8], [3, 5]])

    inputs, _ = resident.gather(torch.arange(3), offsets, torch.tensor([is_mirrored] * 3))

    for index, (top, left) in enumerate(offsets.tolist()):
        image = functional.to_tensor(images.images[index])
        image = functional.crop(functional.pad(image, 4), top, left, 12, 10)
        image = functional.hflip(image) if is_mirrored else image
        expected = functional.normalize(image, statistics.mean, statistics.std)
        torch.testing.assert_close(inputs[index], expected, rtol=1e-5, atol=1e-5)


def gather_pixel_by_pixel(images, statistics, padding, indices, offsets, is_mirrored):
    """Does what `gather` does, with an index per pixel."""
    widths = ((0, 0), (padding, padding), (padding, padding), (0, 0))
    padded = torch.from_numpy(np.pad(images.images, widths))
    rows = offsets[:, :1] + torch.arange(images.images.shape[1])
    columns = torch.arange(images.images.shape[2]).expand(len(indices), -1)
    columns = torch.where(is_mirrored[:, None], columns.flip(1), columns) + offsets[:, 1:]
    pixels = padded[indices[:, None, None], rows[:, :, None], columns[:, None, :]]
    std = torch.tensor(statistics.std)
    shift = -torch.tensor(statistics.mean) / std
    return torch.addcmul(shift, pixels.to(torch.float32), 1 / (255 * std)).permute(0, 3, 1, 2)


@pytest.mark.parametrize("way", ["cpu", "mps", pytest.param("cuda", marks=pytest.mark.gpu)])
@pytest.mark.parametrize("padding", [0, 1, 4])
@pytest.mark.parametrize("channels", [1, 3])
def test_a_gathered_batch_is_bitwise_that_of_an_index_per_pixel(channels, padding, way):
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (50, 12, 10, channels), dtype=np.uint8)
    images = LabelledImages(pixels, rng.integers(0, 10, 50))
    statistics = ChannelStatistics.of(images)
    device = torch.device("cuda" if way == "cuda" else "cpu")
    resident = ResidentImages(images, statistics, device, padding, can_mirror=True)
    resident.device = torch.device(way)  # MPS's way gives the same on a CPU
    # Every offset, of every image in turn, so also of the first and the last one.
    offsets = torch.cartesian_prod(*[torch.arange(2 * padding + 1)] * 2).repeat(100, 1)
    indices = torch.arange(len(offsets)) // (len(offsets) // 50)
    is_mirrored = torch.arange(len(offsets)) % 2 > 0

    choice = (indices, offsets, is_mirrored)
    inputs, targets = resident.gather(*(one.to(device) for one in choice))

    expected = gather_pixel_by_pixel(images, statistics, padding, *choice)
    assert torch.equal(inputs.cpu(), expected)
    assert inputs.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(targets.cpu(), torch.from_numpy(images.labels)[indices])
    assert torch.equal(resident.restore(inputs)[0].cpu(), resident.restore(inputs[:1])[0].cpu())


def test_an_epoch_holds_every_image_once(images):
    _, targets = epoch_of(build(images), 0)

    assert sorted(targets.tolist()) == sorted(images.labels.tolist())


def test_the_order_is_a_function_of_seed_and_epoch(images):
    inputs, _ = epoch_of(build(images), 1)

    again, _ = epoch_of(build(images), 1)
    other_epoch, _ = epoch_of(build(images), 2)
    other_seed, _ = epoch_of(build(images, seed=1), 1)
    assert torch.equal(inputs, again)
    assert not torch.equal(inputs, other_epoch)
    assert not torch.equal(inputs, other_seed)


def test_an_epoch_begun_in_the_middle_goes_on_as_the_whole_one(images):
    batches = build(images, augment=("random_crop", "horizontal_flip"))

    whole, _ = epoch_of(batches, 3)
    rest, _ = epoch_of(batches, 3, first_step=2)
    assert torch.equal(whole[32:], rest)


def test_the_batch_size_changes_neither_order_nor_augmentation(images):
    augment = ("random_crop", "horizontal_flip")

    small, _ = epoch_of(build(images, augment=augment, batch_size=7), 0)
    large, _ = epoch_of(build(images, augment=augment, batch_size=50), 0)
    assert torch.equal(small, large)


def test_augmentation_leaves_the_order_as_it_is(images):
    _, plain = epoch_of(build(images), 0)
    _, augmented = epoch_of(build(images, augment=("random_crop", "horizontal_flip")), 0)

    assert torch.equal(plain, augmented)


def one_bright_pixel(row, column, count=4000):
    """Dark images of 9×9 whose bright pixel shows what was done to them."""
    pixels = np.zeros((count, 9, 9, 1), np.uint8)
    pixels[:, row, column] = 200
    return LabelledImages(pixels, np.zeros(count, np.int64))


def test_the_offsets_of_crops_spread_evenly_in_both_directions():
    batches = build(one_bright_pixel(4, 4), augment=("random_crop",), batch_size=500)
    inputs, _ = epoch_of(batches, 0)

    places = inputs.flatten(1).argmax(1)
    # 81 places with probability 1/81 each: standard deviation 0.0017.
    shares = torch.bincount(places, minlength=81) / len(inputs)
    assert (shares - 1 / 81).abs().max() < 0.009
    # 9 offsets with probability 1/9 each: standard deviation 0.005.
    for lines in (places // 9, places % 9):
        shares = torch.bincount(lines, minlength=9) / len(inputs)
        assert (shares - 1 / 9).abs().max() < 0.025


def test_half_of_the_images_are_mirrored():
    batches = build(one_bright_pixel(2, 0), augment=("horizontal_flip",), batch_size=500)
    inputs, _ = epoch_of(batches, 0)

    rows, columns = divmod(inputs.flatten(1).argmax(1).numpy(), 9)
    assert set(rows) == {2}
    assert set(columns) == {0, 8}
    # Standard deviation 0.008.
    assert (columns == 8).mean() == pytest.approx(0.5, abs=0.04)


def test_crop_and_mirror_are_drawn_apart():
    augment = ("random_crop", "horizontal_flip")
    inputs, _ = epoch_of(build(one_bright_pixel(4, 0), augment=augment, batch_size=500), 0)

    # The bright pixel comes to rest at column 4 - left, or mirrored at 4 + left; outside: dark.
    bright = inputs.flatten(1).amax(1) > inputs.min() + 1
    columns = inputs.flatten(1).argmax(1)[bright] % 9
    middle = (columns == 4).float().mean().item()
    left = (columns < 4).float().mean().item()
    assert (middle, left) == (pytest.approx(1 / 5, abs=0.04), pytest.approx(2 / 5, abs=0.04))


@pytest.mark.parametrize(("drop_last", "steps"), [(False, 4), (True, 3)])
def test_the_last_batch_is_kept_or_dropped(images, drop_last, steps):
    batches = build(images, drop_last=drop_last)

    sizes = [len(targets) for _, targets in batches.epoch(0)]
    assert len(batches) == len(sizes) == steps
    assert sizes[:3] == [16, 16, 16]


def test_evaluation_batches_keep_the_order(images):
    resident = ResidentImages(images, ChannelStatistics.of(images), CPU)

    targets = torch.cat([targets for _, targets in resident.batches(20)])
    assert targets.tolist() == images.labels.tolist()
