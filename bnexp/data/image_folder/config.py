"""Images of your own: a folder of JPEG or PNG files, one folder per class."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import field_validator
from pydantic_core import PydanticCustomError

from bnexp.data.dataset import Dataset, DatasetConfig, Say


class ImageFolderConfig(DatasetConfig):
    """Images in `train/<class>/` and `test/<class>/`, all of one size, 8-bit RGB or grey."""

    name: Literal["image_folder"] = "image_folder"
    """Selects this dataset."""
    root: str | None = None
    """The folder that holds train/ and test/; required. A relative one starts at the current
    directory."""

    @field_validator("root")
    @classmethod
    def _require_root(cls, root: str | None) -> str:
        if root is None or not root.strip():
            raise PydanticCustomError(
                "root", "must name the folder that holds train/<class>/ and test/<class>/"
            )
        return root

    def load(self, say: Say) -> Dataset:
        """Returns the images, decoded once and then kept in the data folder.

        Grey images are widened to RGB.

        Raises:
            DataError: The folder is not laid out as it should be, or holds files that are
                damaged, foreign or of another size.
        """
        from bnexp.data.image_folder.decoding import load_image_folder

        return load_image_folder(Path(self.root or "").expanduser(), say)
