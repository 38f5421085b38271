"""Datasets and the batch pipeline that keeps them on the device."""

from typing import TYPE_CHECKING

from bnexp.data.cifar10.config import Cifar10Config
from bnexp.data.dataset import Dataset, DatasetConfig, LabelledImages
from bnexp.data.image_folder.config import ImageFolderConfig
from bnexp.data.shapes.config import ShapesConfig
from bnexp.parts import load_plugins, named_union

DATASETS: tuple[type[DatasetConfig], ...] = (
    Cifar10Config,
    ImageFolderConfig,
    ShapesConfig,
    *load_plugins("bnexp.datasets", DatasetConfig),
)
"""Every dataset that a config can name; a new one adds its line here."""

if TYPE_CHECKING:
    AnyDataset = DatasetConfig
else:
    AnyDataset = named_union(DATASETS)

__all__ = ["DATASETS", "AnyDataset", "Dataset", "DatasetConfig", "LabelledImages"]
