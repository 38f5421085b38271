"""Fashion-MNIST (Xiao et al., 2017): 70,000 grey pictures of clothes, laid out as MNIST is."""

from __future__ import annotations

from typing import ClassVar, Literal

from bnexp.data.dataset import DatasetFacts
from bnexp.data.published.base import PublishedConfig
from bnexp.data.published.idx import IdxSource, name_files

FASHION_MNIST = IdxSource(
    name="fashion_mnist",
    title="Fashion-MNIST",
    folders=("http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",),
    files=name_files(
        (26_421_880, "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84"),
        (29_515, "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845"),
        (4_422_102, "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073"),
        (5_148, "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5"),
    ),
    facts=DatasetFacts((28, 28, 1), 10, 60_000, 10_000),
    places=("fashion_mnist", "FashionMNIST/raw", ""),
    class_names=(
        "T-shirt or top",
        "trousers",
        "pullover",
        "dress",
        "coat",
        "sandal",
        "shirt",
        "sneaker",
        "bag",
        "ankle boot",
    ),
)


class FashionMnistConfig(PublishedConfig):
    """Fashion-MNIST, fetched once: 60,000 training and 10,000 test images of one channel.

    The four files are looked for in `fashion_mnist/` and `FashionMNIST/raw/` of the data folder
    and in `root`.
    """

    source: ClassVar[IdxSource] = FASHION_MNIST
    name: Literal["fashion_mnist"] = "fashion_mnist"
    """Selects this dataset."""
