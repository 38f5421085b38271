"""Which datasets there are, which of them are on this machine, and what they hold."""

from __future__ import annotations

import os
from dataclasses import dataclass

from pydantic import ValidationError

from bnexp.data import DATASETS
from bnexp.data.dataset import Dataset, DatasetConfig, DatasetFacts
from bnexp.data.published.base import PublishedConfig
from bnexp.data.published.source import Source
from bnexp.errors import UsageError, did_you_mean
from bnexp.parts import part_name


@dataclass(frozen=True)
class DatasetEntry:
    """A dataset as `bnexp data list` shows it."""

    name: str
    location: str
    is_present: bool | None
    """None if that depends on the folder that a config names."""
    size_bytes: int
    facts: DatasetFacts | None
    """None if that depends on the folder that a config names."""


@dataclass(frozen=True)
class DatasetSummary:
    """A loaded dataset as `bnexp data info` shows it."""

    name: str
    image_shape: tuple[int, int, int]
    """Height, width, channels."""
    train_counts: dict[str, int]
    """Training images of each class."""
    test_counts: dict[str, int]
    """Test images of each class."""
    val_counts: dict[str, int]
    """Images of each class that are kept apart for validation; empty if there are none."""
    channel_means: tuple[float, ...]
    """Of the training images, of pixels in [0, 1]."""
    channel_stds: tuple[float, ...]
    """Of the training images, of pixels in [0, 1]."""
    fingerprint: str


def list_datasets() -> list[DatasetEntry]:
    """Returns an entry for each known dataset, in the order of the union."""
    return [_describe(member) for member in DATASETS]


def list_sources() -> list[Source]:
    """Returns the sources of all published datasets."""
    members = (member for member in DATASETS if issubclass(member, PublishedConfig))
    return [member.model_validate({}).source for member in members]


def open_dataset(name: str, root: str | None = None) -> DatasetConfig:
    """Returns the config of the dataset `name`, or of the image folder at the path `name`.

    Raises:
        UsageError: `name` is neither, or the dataset needs a folder and `root` is None.
    """
    members = {str(part_name(member)): member for member in DATASETS}
    if name not in members and root is None and _is_folder(name):
        name, root = "image_folder", name
    if name not in members:
        raise UsageError(
            f"'{name}' is neither a dataset{did_you_mean(name, list(members))} nor a folder; "
            f"the datasets are {', '.join(members)}"
        )
    return _configure(members[name], root)


def summarise(dataset: Dataset) -> DatasetSummary:
    """Counts and measures a loaded dataset."""
    import numpy as np

    from bnexp.data.batches import ChannelStatistics

    statistics = ChannelStatistics.of(dataset.train)
    names = dataset.class_names
    counts = {
        split: dict(
            zip(names, np.bincount(part.labels, minlength=len(names)).tolist(), strict=True)
        )
        for split, part in dataset.parts.items()
    }
    return DatasetSummary(
        name=dataset.name,
        image_shape=dataset.image_shape,
        train_counts=counts["train"],
        test_counts=counts["test"],
        val_counts=counts.get("val", {}),
        channel_means=statistics.mean,
        channel_stds=statistics.std,
        fingerprint=dataset.fingerprint,
    )


def _is_folder(name: str) -> bool:
    path = os.path.expanduser(name)  # noqa: PTH111 - it leaves ~nobody as it is
    return os.path.isdir(path)  # noqa: PTH112 - False too if the name is too long


def _configure(member: type[DatasetConfig], root: str | None) -> DatasetConfig:
    try:
        return member.model_validate({"root": root})
    except ValidationError as error:
        reasons = "; ".join(
            f"{'.'.join(map(str, detail['loc']))} {detail['msg'].removeprefix('Value error, ')}"
            for detail in error.errors()
        )
        raise UsageError(f"dataset {part_name(member)}: {reasons}") from error


def _describe(member: type[DatasetConfig]) -> DatasetEntry:
    name = str(part_name(member))
    try:
        config = _configure(member, None)
    except UsageError:
        return DatasetEntry(name, "the folder in `root`", None, 0, None)
    files = config.stored_files()
    if not files:
        return DatasetEntry(name, "generated", True, 0, config.facts())
    sizes = [path.stat().st_size for path in files if path.exists()]
    return DatasetEntry(name, str(files[0].parent), bool(sizes), sum(sizes), config.facts())
