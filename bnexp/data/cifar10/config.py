"""CIFAR-10 (Krizhevsky, 2009): 60,000 colour photographs of 32x32 pixels in ten classes."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from bnexp.data.dataset import Dataset, DatasetConfig, DatasetFacts, Say, data_home


class Cifar10Config(DatasetConfig):
    """CIFAR-10, fetched from its home page once: 50,000 training and 10,000 test images."""

    name: Literal["cifar10"] = "cifar10"
    """Selects this dataset."""
    val_size: int = Field(default=5000, ge=0)
    """Images taken out of the training set for validation, equally of each class."""
    augment: tuple[Literal["random_crop", "horizontal_flip"], ...] = (
        "random_crop",
        "horizontal_flip",
    )
    """Random changes of training images; crop and mirror are He et al. (2015), section 4.2."""

    def load(self, say: Say) -> Dataset:
        """Returns the dataset, downloaded, verified and decoded first if needed.

        Raises:
            DataError: It cannot be downloaded, or what arrived is not CIFAR-10.
        """
        from bnexp.data.cifar10.store import load_cifar10

        return load_cifar10(data_home(self.root), say)

    def facts(self) -> DatasetFacts:
        """Returns the published sizes."""
        return DatasetFacts((32, 32, 3), 10, 50_000, 10_000)

    def stored_files(self) -> tuple[Path, ...]:
        """Returns where the archive and the decoded images are; either is enough to load it."""
        from bnexp.data.cifar10.store import archive_path, cache_path

        home = data_home(self.root)
        return archive_path(home), cache_path(home)
