"""MNIST (LeCun et al., 1998): 70,000 grey handwritten digits of 28x28 pixels."""

from __future__ import annotations

from typing import ClassVar, Literal

from bnexp.data.dataset import DatasetFacts
from bnexp.data.published.base import PublishedConfig
from bnexp.data.published.idx import IdxSource, name_files

MNIST = IdxSource(
    name="mnist",
    title="MNIST",
    folders=(
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
    ),
    files=name_files(
        (9_912_422, "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609"),
        (28_881, "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c"),
        (1_648_877, "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6"),
        (4_542, "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"),
    ),
    facts=DatasetFacts((28, 28, 1), 10, 60_000, 10_000),
    places=("mnist", "MNIST/raw", ""),
    class_names=tuple("0123456789"),
)


class MnistConfig(PublishedConfig):
    """MNIST, fetched once: 60,000 training and 10,000 test images of one channel.

    The four files are looked for in `mnist/` and `MNIST/raw/` of the data folder and in `root`.
    """

    source: ClassVar[IdxSource] = MNIST
    name: Literal["mnist"] = "mnist"
    """Selects this dataset."""
    augment: tuple[Literal["random_crop", "horizontal_flip"], ...] = ()
    """Random changes of training images: crop after padding by 4 pixels; mirror half of them,
    which makes other signs of most digits."""
