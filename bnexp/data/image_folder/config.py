"""Images of your own: a folder of JPEG or PNG files, one folder per class."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator

from bnexp.data.dataset import Dataset, DatasetConfig, Say
from bnexp.errors import DataError

_Pixels = Annotated[int, Field(ge=1, le=4096)]


class ImageFolderConfig(DatasetConfig):
    """Images in `train/<class>/`, `test/<class>/` and, if there is one, `val/<class>/`.

    JPEG and PNG files, turned as their EXIF orientation says and converted to sRGB if they have
    a colour profile. Palettes, black and white, and an alpha channel without transparent pixels
    are converted; transparent pixels, 16 bits per channel, CMYK, another gamma than that of sRGB,
    and animations are refused.
    """

    name: Literal["image_folder"] = "image_folder"
    """Selects this dataset."""
    root: str | None = None
    """The folder that holds train/ and test/; required. A relative one starts at the current
    directory."""
    val_size: int = Field(default=0, ge=0)
    """Images taken out of the training set for validation, stratified; must be 0 with a `val/`
    folder, whose images are the validation set."""
    image_size: tuple[_Pixels, _Pixels] | None = None
    """Width and height to resize every image to, bilinear and antialiased, without keeping its
    proportions; null: all must have one size."""
    channels: Literal[1, 3, "auto"] = 3
    """3 widens grey images to RGB, 1 turns colours into grey; auto is 1 if no image has a colour,
    even if it is stored as RGB."""

    @field_validator("root")
    @classmethod
    def _require_root(cls, root: str | None) -> str:
        if root is None or not root.strip():
            raise ValueError("must name the folder that holds train/<class>/ and test/<class>/")
        return root

    def load(self, say: Say) -> Dataset:
        """Returns the images, decoded once and then kept in the data folder.

        Raises:
            DataError: The folder is not laid out as it should be, or holds files that are
                damaged, foreign or of another size.
        """
        from bnexp.data.image_folder.decoding import load_image_folder

        return load_image_folder(self._folder, say, self.image_size, self.channels)

    def find_image_shape(self) -> tuple[int, int, int] | None:
        """Returns the height, width and channels that the images are brought to, if given."""
        if self.image_size is None or self.channels == "auto":
            return None
        width, height = self.image_size
        return height, width, self.channels

    def signature(self) -> str | None:
        """Returns a digest of the files' names and sizes; None if they cannot be listed."""
        from bnexp.data.image_folder.layout import scan_image_folder

        try:
            return scan_image_folder(self._folder).signature
        except DataError:
            return None

    @property
    def _folder(self) -> Path:
        return Path(self.root or "").expanduser()
