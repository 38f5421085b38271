"""Datasets, one folder each, and the batch pipeline that keeps them on the device."""

from typing import TYPE_CHECKING

from bnexp.data.dataset import (
    Dataset,
    DatasetConfig,
    DatasetFacts,
    LabelledImages,
    Say,
    compute_fingerprint,
)
from bnexp.parts import find_parts, named_union

DATASETS = find_parts("bnexp.data", "bnexp.datasets", DatasetConfig)  # type: ignore[type-abstract]
"""Every dataset that a config can name, plug-ins last."""

if TYPE_CHECKING:
    AnyDataset = DatasetConfig
else:
    AnyDataset = named_union(DATASETS)

__all__ = [
    "DATASETS",
    "AnyDataset",
    "Dataset",
    "DatasetConfig",
    "DatasetFacts",
    "LabelledImages",
    "Say",
    "compute_fingerprint",
]
