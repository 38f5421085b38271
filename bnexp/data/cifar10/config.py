"""CIFAR-10 (Krizhevsky, 2009): 60,000 colour photographs of 32x32 pixels in ten classes."""

from __future__ import annotations

from typing import ClassVar, Literal

from bnexp.data.dataset import DatasetFacts
from bnexp.data.published.cifar import CifarConfig, CifarSource
from bnexp.data.published.source import PublishedFile

CIFAR10 = CifarSource(
    name="cifar10",
    title="CIFAR-10",
    folders=("https://www.cs.toronto.edu/~kriz/",),
    files=(
        PublishedFile(
            "cifar-10-python.tar.gz",
            170_498_071,
            "6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce",
        ),
    ),
    facts=DatasetFacts((32, 32, 3), 10, 50_000, 10_000),
    member_folder="cifar-10-batches-py",
    train_members=tuple(f"data_batch_{number}" for number in range(1, 6)),
    test_member="test_batch",
    meta_member="batches.meta",
    md5={
        "data_batch_1": "c99cafc152244af753f735de768cd75f",
        "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
        "data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
        "data_batch_4": "634d18415352ddfa80567beed471001a",
        "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
        "test_batch": "40351d587109b95175f43aff81a1287e",
        "batches.meta": "5ff9c542aee3614f3951f8cda6e48888",
    },
)


class Cifar10Config(CifarConfig):
    """CIFAR-10, fetched from its home page once: 50,000 training and 10,000 test images.

    An unpacked `cifar-10-batches-py` in the data folder, or as `root`, is read as well.
    """

    source: ClassVar[CifarSource] = CIFAR10
    name: Literal["cifar10"] = "cifar10"
    """Selects this dataset."""
