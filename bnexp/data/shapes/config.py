"""The `shapes` dataset: ten classes of pictures that the program draws itself, in a second."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from bnexp.data.dataset import Dataset, DatasetConfig, DatasetFacts, Say

_FACTS = DatasetFacts(image_shape=(32, 32, 3), num_classes=10, train_count=10_000, test_count=2_000)


class ShapesConfig(DatasetConfig):
    """Five figures in two textures on busy grounds; needs no download and no folder.

    The classes are a striped and a checked disc, square, triangle, cross and ring. Colour,
    place, size and angle carry no class information, and a mirrored picture keeps its class.
    The same bytes come out on every machine.
    """

    name: Literal["shapes"] = "shapes"
    """Selects this dataset."""
    root: str | None = None
    """Not used: the pictures are drawn, not read, so that anything but null is an error."""
    val_size: int = Field(default=1000, ge=0)
    """Images taken out of the 10,000 training images for validation, equally of each class."""

    @field_validator("root")
    @classmethod
    def _refuse_root(cls, root: str | None) -> str | None:
        if root is not None:
            raise ValueError("must be null or left out: shapes are drawn and read from no folder")
        return root

    def load(self, say: Say) -> Dataset:
        """Returns the dataset, drawing it at the first call in a process."""
        from bnexp.data.shapes.drawing import draw_shapes

        dataset = draw_shapes(_FACTS.train_count, _FACTS.test_count)
        say(f"data: shapes, {len(dataset.train):,} training and {len(dataset.test):,} test images")
        return dataset

    def facts(self) -> DatasetFacts:
        """Returns the dataset's counts, which are fixed."""
        return _FACTS
