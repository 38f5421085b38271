"""CIFAR-100 (Krizhevsky, 2009): 60,000 colour photographs of 32x32 pixels in a hundred classes."""

from __future__ import annotations

from typing import ClassVar, Literal

from bnexp.data.dataset import DatasetFacts
from bnexp.data.published.cifar import CifarConfig, CifarSource
from bnexp.data.published.source import PublishedFile

CIFAR100 = CifarSource(
    name="cifar100",
    title="CIFAR-100",
    folders=("https://www.cs.toronto.edu/~kriz/",),
    files=(
        PublishedFile(
            "cifar-100-python.tar.gz",
            169_001_437,
            "85cd44d02ba6437773c5bbd22e183051d648de2e7d6b014e1ef29b855ba677a7",
        ),
    ),
    facts=DatasetFacts((32, 32, 3), 100, 50_000, 10_000),
    member_folder="cifar-100-python",
    train_members=("train",),
    test_member="test",
    meta_member="meta",
    md5={
        "train": "16019d7e3df5f24257cddd939b257f8d",
        "test": "f0ef6b0ae62326f3e7ffdfab6717acfc",
        "meta": "7973b15100ade9c7d40fb424638fde48",
    },
    labels_key="fine_labels",
    names_key="fine_label_names",
)


class Cifar100Config(CifarConfig):
    """CIFAR-100 with its fine labels, fetched once: 50,000 training and 10,000 test images.

    An unpacked `cifar-100-python` in the data folder, or as `root`, is read as well.
    """

    source: ClassVar[CifarSource] = CIFAR100
    name: Literal["cifar100"] = "cifar100"
    """Selects this dataset."""
