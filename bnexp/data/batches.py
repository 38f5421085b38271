"""Images kept on the device as uint8; a batch is cut, mirrored and normalised as whole tensors.

The order of the images is a function of (seed, epoch), the augmentation of
(seed, epoch, place in the order): any batch of any epoch can be made at once.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from copy import copy as copy_shallowly
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from bnexp.data.class_order import order_by_class
from bnexp.data.dataset import DatasetConfig, LabelledImages
from bnexp.seeding import derive_seed

if TYPE_CHECKING:
    from numpy.typing import NDArray

CROP_PADDING = 4
PIXELS_AT_ONCE = 1_000_000
IMAGES_AT_ONCE = 256
"""A float32 holds the sum of so many squares of 255 exactly."""


@dataclass(frozen=True)
class ChannelStatistics:
    """Mean and standard deviation of each channel, of pixels in [0, 1]."""

    mean: tuple[float, ...]
    std: tuple[float, ...]

    @classmethod
    def of(cls, images: LabelledImages) -> ChannelStatistics:
        """Computes them from exact sums, so that no order of summing changes a bit."""
        count, height, width, channels = images.images.shape
        values = images.images.reshape(count, -1)
        sums, squares = np.zeros((2, values.shape[1]), np.int64)
        size = max(1, min(IMAGES_AT_ONCE, PIXELS_AT_ONCE // (height * width)))
        for start in range(0, count, size):
            part = values[start : start + size].astype(np.float32)
            sums += part.sum(0).astype(np.int64)
            squares += np.square(part, out=part).sum(0).astype(np.int64)
        count *= height * width
        sums, squares = (one.reshape(-1, channels).sum(0).tolist() for one in (sums, squares))
        means = [total / (255 * count) for total in sums]
        variances = [
            (count * square - total * total) / (255 * count) ** 2
            for total, square in zip(sums, squares, strict=True)
        ]
        # A constant channel carries nothing; 1 keeps it at zero instead of dividing by zero.
        return cls(tuple(means), tuple(variance**0.5 or 1.0 for variance in variances))


class ResidentImages:
    """A labelled set on the device, from which batches are gathered.

    Inputs are float32 `(N, C, H, W)` in channels-last memory, normalised to mean 0 and
    standard deviation 1 per channel; targets are int64 `(N,)`. Crops reach up to `padding` black
    pixels beyond an image. Images that can be mirrored take twice the memory.
    """

    def __init__(
        self,
        images: LabelledImages,
        statistics: ChannelStatistics,
        device: torch.device,
        padding: int = 0,
        *,
        can_mirror: bool = False,
    ) -> None:
        self.device = device
        count, self.height, self.width, channels = images.images.shape
        self._padding = padding
        self._row_length = self.width + padding
        self._pixels_per_image = (self.height + padding) * self._row_length
        self._pixels_before_mirrored = count * self._pixels_per_image
        self._pixels = _to_device(_lay_out(images.images, padding, can_mirror), device)
        self._labels = _to_device(images.labels, device)
        # A crop begins at every pixel, so that taking one copies whole lines.
        begun = len(self._pixels) - (self.height - 1) * self._row_length - self.width + 1
        self._crops = self._pixels.as_strided(
            (begun, self.height, self.width * channels), (channels, self._row_length * channels, 1)
        )
        # One value per value of an image, although they repeat: short rows add slowly.
        std = torch.tensor(statistics.std, device=device)
        mean = torch.tensor(statistics.mean, device=device)
        self._scale = (1 / (255 * std)).repeat(self.height, self.width)
        self._shift = (-mean / std).repeat(self.height, self.width)

    def __len__(self) -> int:
        return len(self._labels)

    def gather(
        self, indices: Tensor, offsets: Tensor | None = None, is_mirrored: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Returns inputs and targets of the images at `indices` `(B,)`; the rest as in `locate`."""
        return self.cut(indices, self.locate(indices, offsets, is_mirrored))

    def locate(
        self, indices: Tensor, offsets: Tensor | None = None, is_mirrored: Tensor | None = None
    ) -> Tensor:
        """Returns the places `(B,)` where the images at `indices` `(B,)` are to be cut out.

        `offsets` `(B, 2)` are the top and left pixel of each crop in the padded image,
        `is_mirrored` `(B,)` says which images are mirrored left to right.
        """
        places = indices * self._pixels_per_image
        if offsets is None:
            offsets = torch.full((1, 2), self._padding, device=indices.device)
        top, left = offsets.unbind(1)
        if is_mirrored is not None:
            places = places + is_mirrored * self._pixels_before_mirrored
            left = torch.where(is_mirrored, 2 * self._padding - left, left)
        found: Tensor = places + top * self._row_length + left
        return found

    def cut(self, indices: Tensor, places: Tensor) -> tuple[Tensor, Tensor]:
        """Returns inputs and targets of the images at `indices`, for which `locate` gave `places`.

        To locate all images of an epoch at once takes less time than batch by batch.
        """
        values = self._take(places).to(torch.float32)
        # In place: fresh memory for the result would take longer than computing it.
        torch.addcmul(self._shift, values, self._scale, out=values)
        inputs = values.view(len(places), self.height, self.width, -1).permute(0, 3, 1, 2)
        return inputs, self._labels.index_select(0, indices)

    def _take(self, places: Tensor) -> Tensor:
        """Returns the crops as lines: uint8 `(B, H, W·C)`."""
        if self.device.type != "mps":
            return self._crops.index_select(0, places)
        # It would copy all crops before it takes some.
        rows = torch.arange(self.height, device=places.device) * self._row_length
        columns = torch.arange(self.width, device=places.device)
        every = places[:, None, None] + rows[:, None] + columns
        pixels = self._pixels.index_select(0, every.flatten())
        return pixels.view(len(places), self.height, -1)

    def restore(self, inputs: Tensor) -> Tensor:
        """Returns inputs as the pixels that they were: uint8 `(N, H, W, C)`."""
        values = inputs.permute(0, 2, 3, 1)
        pixels = (values.flatten(2) - self._shift) / self._scale
        return pixels.round().clamp(0, 255).to(torch.uint8).view(values.shape)

    def batches(self, batch_size: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Yields all images once, in their own order, for evaluation."""
        everything = torch.arange(len(self), device=self.device)
        for start in range(0, len(self), batch_size):
            yield self.gather(everything[start : start + batch_size])


class TrainingBatches:
    """The training set as batches of an epoch: shuffled and augmented as the config says."""

    def __init__(
        self,
        images: LabelledImages,
        statistics: ChannelStatistics,
        config: DatasetConfig,
        seed: int,
        device: torch.device,
    ) -> None:
        self._is_cropped = "random_crop" in config.augment
        self._is_mirrored = "horizontal_flip" in config.augment
        padding = CROP_PADDING if self._is_cropped else 0
        self._images = ResidentImages(
            images, statistics, device, padding, can_mirror=self._is_mirrored
        )
        self._labels = torch.from_numpy(images.labels.copy())
        self._classes_per_batch = config.classes_per_batch
        self._batch_size = config.batch_size
        self._steps = config.count_steps(len(images))
        self._seed = seed
        self._device = device

    def with_seed(self, seed: int) -> TrainingBatches:
        """Returns the batches of another seed, made from the same images in memory."""
        other = copy_shallowly(self)
        other._seed = seed
        return other

    def __len__(self) -> int:
        """Steps of an epoch."""
        return self._steps

    def restore(self, inputs: Tensor) -> Tensor:
        """Returns inputs of a batch as pixels, augmented: uint8 `(N, H, W, C)`."""
        return self._images.restore(inputs)

    def epoch(self, epoch: int, first_step: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
        """Yields the batches of an epoch (counted from 0), from step `first_step` on."""
        count = len(self._images)
        order = self._draw_order(epoch).to(self._device)
        taken = len(order)  # without what ordering by class leaves for no batch
        offsets = mirrored = None
        if self._is_cropped:
            offsets = self._draw("crop", epoch, 2 * CROP_PADDING + 1, (count, 2))[:taken]
        if self._is_mirrored:
            mirrored = self._draw("flip", epoch, 2, (count,))[:taken].bool()
        places = torch.split(self._images.locate(order, offsets, mirrored), self._batch_size)
        indices = torch.split(order, self._batch_size)
        for step in range(first_step, len(self)):
            yield self._images.cut(indices[step], places[step])

    def _draw_order(self, epoch: int) -> Tensor:
        """Returns the indices of an epoch's images, batch after batch."""
        count, generator = len(self._images), self._generator("order", epoch)
        if self._classes_per_batch is None:
            return torch.randperm(count, generator=generator)
        starts = range(0, len(self) * self._batch_size, self._batch_size)
        sizes = [min(self._batch_size, count - start) for start in starts]
        return order_by_class(self._labels, sizes, self._classes_per_batch, generator)

    def _draw(self, purpose: str, epoch: int, high: int, size: tuple[int, ...]) -> Tensor:
        drawn = torch.randint(high, size, generator=self._generator(purpose, epoch))
        return drawn.to(self._device)

    def _generator(self, purpose: str, epoch: int) -> torch.Generator:
        return torch.Generator().manual_seed(derive_seed(self._seed, purpose, epoch))


def _lay_out(
    images: NDArray[np.uint8], padding: int, can_mirror: bool
) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """Returns the pixels `(P, C)` of all images, then of the mirrored ones, with black between.

    The black at the left of a line is also that at the right of the line before, and the black
    above an image also that below the image before.
    """
    count, height, width, channels = images.shape
    if not padding and not can_mirror:
        return np.ascontiguousarray(images).reshape(-1, channels)
    shape = ((1 + can_mirror) * count, height + padding, width + padding)
    number = math.prod(shape)
    pixels = np.zeros((number + padding * (shape[2] + 1), channels), np.uint8)
    inside = pixels[:number].reshape(*shape[:2], -1)[:, padding:, padding * channels :]
    lines = images.reshape(count, height, -1)
    inside[:count] = lines
    if can_mirror:
        places = np.arange(lines.shape[2]).reshape(width, channels)
        inside[count:] = lines.take(places[::-1].ravel(), axis=2)
    return pixels


def _to_device(
    array: np.ndarray[tuple[int, ...], np.dtype[np.generic]], device: torch.device
) -> Tensor:
    # torch warns of read-only arrays, which shared datasets are; nothing writes to them here.
    writable = array if array.flags.writeable else array.copy()
    return torch.from_numpy(writable).to(device)
