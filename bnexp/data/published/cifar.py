"""The archives of the CIFAR datasets, whole or unpacked, and what their configs share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

from bnexp.data.dataset import Dataset
from bnexp.data.published.base import PublishedConfig
from bnexp.data.published.cifar_files import CifarFiles
from bnexp.errors import DataError


@dataclass(frozen=True, kw_only=True)
class CifarSource(CifarFiles):
    """An archive of a CIFAR dataset, and how it is read."""

    def read(self, contents: Mapping[str, bytes], where: Path) -> Dataset:
        """Returns the images of the archive, which is read in memory and never unpacked to disk.

        Raises:
            DataError: It cannot be read, or holds something else than images.
        """
        from bnexp.data.published.pickled_batches import build_dataset, unpickle_archive

        return build_dataset(unpickle_archive(contents, self, where), self, where)

    def find_extracted(self, home: Path) -> Path | None:
        """Returns the folder that the archive was unpacked to."""
        folders = (home / self.member_folder, home)
        return next((one for one in folders if (one / self.meta_member).is_file()), None)

    def read_extracted(self, folder: Path) -> Dataset:
        """Returns the images of the unpacked archive, each file verified by its MD5.

        Raises:
            DataError: A file is missing, or not the published one.
        """
        from bnexp.data.published.pickled_batches import build_dataset, unpickle_file

        try:
            members = {name: unpickle_file(folder / name, self.md5[name]) for name in self.members}
        except OSError as error:
            raise DataError(
                f"{folder} is not {self.title}, unpacked: {error.strerror}: {error.filename}; "
                f"unpack {self.files[0].filename} again, or remove the folder to download it"
            ) from error
        return build_dataset(members, self, folder)


class CifarConfig(PublishedConfig):
    """What CIFAR-10 and CIFAR-100 share."""

    source: ClassVar[CifarSource]
    augment: tuple[Literal["random_crop", "horizontal_flip"], ...] = (
        "random_crop",
        "horizontal_flip",
    )
    """Random changes of training images; crop and mirror are He et al. (2015), section 4.2."""
