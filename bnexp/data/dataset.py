"""The types that carry images: a labelled set, a dataset, and the config that loads one."""

from __future__ import annotations

import hashlib
import os
from abc import abstractmethod
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from bnexp.errors import DataError
from bnexp.parts import Part
from bnexp.wording import count, name_some

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Say = Callable[[str], None]
"""Takes one line that says what is going on."""


@dataclass(frozen=True)
class LabelledImages:
    """Images in memory: `images` uint8 `(N, H, W, C)`, `labels` int64 `(N,)`."""

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.labels)

    def subset(self, indices: NDArray[np.int64]) -> LabelledImages:
        """Returns the images at `indices`, in that order."""
        return LabelledImages(self.images[indices], self.labels[indices])


@dataclass(frozen=True)
class Dataset:
    """A dataset as its source holds it: all training images, all test images, maybe validation.

    Raises:
        DataError: Images or labels have another type or shape, or a label has no class.
    """

    name: str
    train: LabelledImages
    test: LabelledImages
    class_names: tuple[str, ...]
    val: LabelledImages | None = None
    """Validation images that the source keeps apart; None if they come from the training set."""

    def __post_init__(self) -> None:
        for split, part in self.parts.items():
            if problem := self._find_problem(part):
                raise DataError(f"the {split} images of dataset '{self.name}': {problem}")

    def _find_problem(self, part: LabelledImages) -> str | None:
        images, labels = part.images, part.labels
        if images.dtype.name != "uint8" or images.ndim != 4:
            found = f"{images.dtype} {images.shape}"
            return f"images are uint8 (N, height, width, channels), not {found}"
        if labels.dtype.name != "int64" or labels.shape != images.shape[:1]:
            return f"labels are int64 ({len(images)},), not {labels.dtype} {labels.shape}"
        if images.shape[1:] != self.train.images.shape[1:]:
            return f"{images.shape[1:]}, but training images are {self.train.images.shape[1:]}"
        if len(labels) and not 0 <= labels.min() <= labels.max() < len(self.class_names):
            last = len(self.class_names) - 1
            return f"labels go from {labels.min()} to {labels.max()}, classes from 0 to {last}"
        return None

    @property
    def parts(self) -> dict[str, LabelledImages]:
        """The images by split: `train`, `test`, and `val` if there is one."""
        parts = {"train": self.train, "test": self.test}
        return parts if self.val is None else {**parts, "val": self.val}

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of shapes, pixels, labels and class names: equal data, equal fingerprint."""
        parts = self.parts.values()
        shapes = (part.images.shape for part in parts)
        digest = hashlib.sha256(repr((self.class_names, *shapes)).encode())
        for part in parts:
            digest.update(part.images.tobytes())
            digest.update(part.labels.astype("<i8").tobytes())
        return digest.hexdigest()

    @cached_property
    def _digests(self) -> dict[str, list[bytes]]:
        """By split, the SHA-256 of each image's pixels."""
        return {
            split: [hashlib.sha256(image.tobytes()).digest() for image in part.images]
            for split, part in self.parts.items()
        }

    @cached_property
    def _training_digests(self) -> Counter[bytes]:
        return Counter(self._digests["train"])

    def find_warnings(self, taken: Iterable[int] = ()) -> list[str]:
        """Returns what makes scores doubtful: images known from training, classes without any.

        Args:
            taken: Indices of the training images that validate instead.
        """
        known = self._training_digests
        validating = Counter(self._digests["train"][index] for index in taken)
        repeated = {
            split: sum(digest in known for digest in digests)
            for split, digests in self._digests.items()
            if split != "train"
        }
        sizes = {split: len(self.parts[split]) for split in repeated}
        if validating:
            repeated["val"] = sum(n for digest, n in validating.items() if known[digest] > n)
            sizes["val"] = validating.total()
        nouns = {"test": "test image", "val": "validation image"}
        warnings = [
            f"{number:,} of {count(sizes[split], nouns[split])} are also training images, pixel "
            "by pixel, so scores on them are too good; remove them"
            for split, number in repeated.items()
            if number
        ]
        for split, noun in nouns.items():
            if split in self.parts and (lost := self._find_lost_classes(split)):
                warnings.append(f"no {noun} is of the class {lost}")
        return warnings

    def _find_lost_classes(self, split: str) -> str:
        labels = {*self.parts[split].labels.tolist()}
        return name_some(name for place, name in enumerate(self.class_names) if place not in labels)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Height, width and channels of every image."""
        height, width, channels = self.train.images.shape[1:]
        return int(height), int(width), int(channels)


@dataclass(frozen=True)
class DatasetFacts:
    """What is known about a dataset before it is loaded."""

    image_shape: tuple[int, int, int]
    """Height, width, channels."""
    num_classes: int
    train_count: int
    test_count: int
    val_count: int = 0
    """Validation images that the dataset keeps apart from the training images."""


class DatasetConfig(Part):
    """Fields that every dataset has; `load` brings the images into memory."""

    name: str
    root: str | None = None
    """Folder of the data; null means `$BNEXP_DATA`, else the user's cache folder."""
    train_size: int | None = Field(default=None, ge=1)
    """Training images to use, stratified: each class in proportion to its share of the training
    set; null: all that `val_size` leaves."""
    val_size: int = Field(default=0, ge=0)
    """Images taken out of the training set for validation, stratified: each class in proportion
    to its share of the training set."""
    test_size: int | None = Field(default=None, ge=1)
    """Test images to use, stratified: each class in proportion to its share of the test set;
    null: all. Fewer make evaluations quicker, and accuracies coarser: with n images, an accuracy
    near one half has a standard error of 0.5 / √n."""
    augment: tuple[Literal["random_crop", "horizontal_flip"], ...] = ()
    """Random changes of training images: crop after padding by 4 pixels; mirror half of them."""
    batch_size: int = Field(default=128, ge=1)
    """Images in one optimiser step."""
    classes_per_batch: int | None = Field(default=None, ge=1)
    """Classes in one training batch, whose images are then not independent; null mixes all
    classes. Batches keep their number and sizes and hold equally many images of each of their
    classes; a class stands in batches in proportion to its images, in random company and order. If
    those have more room than it has images, it repeats some; if they have less, some are left out
    of the epoch, others of the next."""
    drop_last: bool = False
    """Leave out an epoch's last batch if it is smaller than `batch_size`."""

    def count_training_images(self, facts: DatasetFacts) -> int:
        """Returns how many images an epoch has."""
        return self.train_size or facts.train_count - self.val_size

    def count_test_images(self, facts: DatasetFacts) -> int:
        """Returns how many images a run is tested on."""
        return self.test_size or facts.test_count

    def count_steps(self, images: int) -> int:
        """Returns the optimiser steps of an epoch of that many images."""
        return count_steps(images, self.batch_size, self.drop_last)

    @abstractmethod
    def load(self, say: Say) -> Dataset:
        """Returns the dataset, fetching or decoding it first if needed.

        Raises:
            DataError: The data is missing, damaged or cannot be fetched.
        """

    def facts(self) -> DatasetFacts | None:
        """Returns what is known without touching the disk, or None."""
        return None

    def find_image_shape(self) -> tuple[int, int, int] | None:
        """Returns height, width and channels if they are known without touching the disk."""
        facts = self.facts()
        return facts.image_shape if facts else None

    def signature(self) -> str | None:
        """Returns what changes if the files of the data do, found without reading them.

        Names and sizes are enough, not times or places: who copies or touches the files has
        not changed them. None if the data cannot change or is not here.
        """
        return None

    def stored_files(self) -> tuple[Path, ...]:
        """Returns where the data is; any of these files is enough to load it.

        It is empty if the data is generated.
        """
        return ()


def count_steps(images: int, batch_size: int, drop_last: bool) -> int:
    """Returns the optimiser steps of an epoch; with `drop_last`, of its whole batches."""
    return images // batch_size if drop_last else -(-images // batch_size)


def data_home(root: str | None = None) -> Path:
    """Returns the folder where datasets are kept: `root`, `$BNEXP_DATA`, or the user's cache."""
    if root is not None:
        return Path(root).expanduser()
    if home := os.environ.get("BNEXP_DATA"):
        return Path(home).expanduser()
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(cache).expanduser() / "bnexp"
