"""Datasets, one folder each, and the batch pipeline that keeps them on the device."""

from typing import TYPE_CHECKING

from bnexp.data.dataset import Dataset, DatasetConfig, DatasetFacts, LabelledImages, Say
from bnexp.parts import find_late

if TYPE_CHECKING:
    DATASETS: tuple[type[DatasetConfig], ...]
    """Every dataset that a config can name, plug-ins last."""
    AnyDataset = DatasetConfig
else:
    __getattr__ = find_late("bnexp.data", "bnexp.datasets", DatasetConfig, "DATASETS", "AnyDataset")

__all__ = [
    "DATASETS",
    "AnyDataset",
    "Dataset",
    "DatasetConfig",
    "DatasetFacts",
    "LabelledImages",
    "Say",
]
