"""Images kept on the device as uint8; a batch is cut, mirrored and normalised as whole tensors.

The order of the images is a function of (seed, epoch), the augmentation of
(seed, epoch, place in the order): any batch of any epoch can be made at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from bnexp.data.class_order import order_by_class
from bnexp.data.dataset import DatasetConfig, LabelledImages
from bnexp.seeding import derive_seed

CROP_PADDING = 4
PIXELS_AT_ONCE = 1_000_000


@dataclass(frozen=True)
class ChannelStatistics:
    """Mean and standard deviation of each channel, of pixels in [0, 1]."""

    mean: tuple[float, ...]
    std: tuple[float, ...]

    @classmethod
    def of(cls, images: LabelledImages) -> ChannelStatistics:
        """Computes them from exact sums, so that no order of summing changes a bit."""
        pixels = images.images.reshape(-1, images.images.shape[3])
        count = len(pixels)
        sums, squares = [0] * pixels.shape[1], [0] * pixels.shape[1]
        for start in range(0, count, PIXELS_AT_ONCE):
            part = pixels[start : start + PIXELS_AT_ONCE].astype(np.uint32)
            for channel, values in enumerate(part.T):
                sums[channel] += int(values.sum(dtype=np.int64))
                squares[channel] += int((values * values).sum(dtype=np.int64))
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
    standard deviation 1 per channel; targets are int64 `(N,)`.
    """

    def __init__(
        self,
        images: LabelledImages,
        statistics: ChannelStatistics,
        device: torch.device,
        padding: int = 0,
    ) -> None:
        self.device = device
        self.height, self.width = images.images.shape[1:3]
        widths = ((0, 0), (padding, padding), (padding, padding), (0, 0))
        padded = np.pad(images.images, widths) if padding else images.images
        self._row_length = padded.shape[2]
        self._pixels_per_image = padded.shape[1] * padded.shape[2]
        # One row per pixel, so that crop and mirror are a choice of rows.
        flat = np.ascontiguousarray(padded).reshape(-1, padded.shape[3])
        self._pixels = _to_device(flat, device)
        self._labels = _to_device(images.labels, device)
        std = torch.tensor(statistics.std, device=device)
        self._scale = 1 / (255 * std)
        self._shift = -torch.tensor(statistics.mean, device=device) / std
        self._rows = torch.arange(self.height, device=device)
        self._columns = torch.arange(self.width, device=device)

    def __len__(self) -> int:
        return len(self._labels)

    def gather(
        self, indices: Tensor, offsets: Tensor | None = None, is_mirrored: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Returns inputs and targets of the images at `indices` `(B,)`.

        `offsets` `(B, 2)` are the top and left pixel of each crop in the padded image,
        `is_mirrored` `(B,)` says which images are mirrored left to right.
        """
        columns = self._columns.expand(len(indices), -1)
        if is_mirrored is not None:
            columns = torch.where(is_mirrored[:, None], self.width - 1 - columns, columns)
        start = indices * self._pixels_per_image
        if offsets is not None:
            start = start + offsets[:, 0] * self._row_length + offsets[:, 1]
        places = start[:, None, None] + (self._rows * self._row_length)[:, None]
        places = places + columns[:, None, :]
        pixels = self._pixels.index_select(0, places.flatten())
        normalised = torch.addcmul(self._shift, pixels.to(torch.float32), self._scale)
        inputs = normalised.view(len(indices), self.height, self.width, -1).permute(0, 3, 1, 2)
        return inputs, self._labels[indices]

    def restore(self, inputs: Tensor) -> Tensor:
        """Returns inputs as the pixels that they were: uint8 `(N, H, W, C)`."""
        pixels = (inputs.permute(0, 2, 3, 1) - self._shift) / self._scale
        return pixels.round().clamp(0, 255).to(torch.uint8)

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
        self._images = ResidentImages(images, statistics, device, padding)
        self._labels = torch.from_numpy(images.labels.copy())
        self._classes_per_batch = config.classes_per_batch
        self._batch_size = config.batch_size
        self._steps = config.count_steps(len(images))
        self._seed = seed
        self._device = device

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
        offsets = mirrored = None
        if self._is_cropped:
            offsets = self._draw("crop", epoch, 2 * CROP_PADDING + 1, (count, 2))
        if self._is_mirrored:
            mirrored = self._draw("flip", epoch, 2, (count,)).bool()
        for step in range(first_step, len(self)):
            part = slice(step * self._batch_size, (step + 1) * self._batch_size)
            yield self._images.gather(
                order[part],
                None if offsets is None else offsets[part],
                None if mirrored is None else mirrored[part],
            )

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


def _to_device(
    array: np.ndarray[tuple[int, ...], np.dtype[np.generic]], device: torch.device
) -> Tensor:
    # torch warns of read-only arrays, which shared datasets are; nothing writes to them here.
    writable = array if array.flags.writeable else array.copy()
    return torch.from_numpy(writable).to(device)
