"""The pictures that all sides train on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.networks import BATCH_SIZE, Network
from bnexp.config.experiment import ExperimentConfig
from bnexp.data.batches import ChannelStatistics
from bnexp.data.dataset import DatasetConfig, LabelledImages
from bnexp.data.split import choose_images, choose_test_images


@dataclass(frozen=True)
class Pictures:
    """Training and test pictures, and the config with which bnexp takes the same ones."""

    config: dict[str, Any]
    data: DatasetConfig
    """The same, read."""
    train: LabelledImages
    test: LabelledImages
    statistics: ChannelStatistics

    @classmethod
    def load(cls, folder: Path | None, network: Network) -> Pictures:
        """Returns as many pictures as a network is trained on, from a folder or drawn."""
        config = {
            **name_data(folder),
            "train_size": network.images,
            "test_size": network.test_images,
            "val_size": 0,
            "batch_size": BATCH_SIZE,
            "augment": ("random_crop", "horizontal_flip"),
        }
        whole = {"name": "benchmark", "data": config, "model": network.config}
        data = ExperimentConfig.model_validate(whole).data
        dataset = data.load(lambda _: None)
        train = dataset.train.subset(choose_images(dataset, data.train_size, 0)[0])
        test = choose_test_images(dataset, data.test_size)
        return cls(config, data, train, test, ChannelStatistics.of(train))


def name_data(folder: Path | None) -> dict[str, Any]:
    """Returns the keys that name the dataset: `shapes`, or a folder of pictures of any size."""
    if folder is None:
        return {"name": "shapes"}
    return {"name": "image_folder", "root": str(folder.absolute()), "image_size": [32, 32]}
