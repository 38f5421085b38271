"""What is known of a published dataset: where its files are, and how they are recognised."""

from __future__ import annotations

import hashlib
import os
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bnexp.data.dataset import Dataset, DatasetFacts


@dataclass(frozen=True)
class PublishedFile:
    """A file as it is published."""

    filename: str
    size: int
    """Bytes."""
    sha256: str
    """Hexadecimal; nothing in the file is read before this is verified."""


@dataclass(frozen=True, kw_only=True)
class Source(ABC):
    """A dataset that consists of published files."""

    name: str
    title: str
    """Its name in a sentence."""
    folders: tuple[str, ...]
    """Addresses of folders that hold the files, each with its slash, in the order to try them."""
    files: tuple[PublishedFile, ...]
    facts: DatasetFacts
    places: tuple[str, ...] = ("",)
    """Folders below the data folder in which the files may lie; downloads go to the first."""

    @property
    def digest(self) -> str:
        """What names the content: the SHA-256 of the file, or of all files' SHA-256."""
        every = [file.sha256 for file in self.files]
        return every[0] if len(every) == 1 else hashlib.sha256("".join(every).encode()).hexdigest()

    def list_urls(self, file: PublishedFile) -> list[str]:
        """Returns the addresses of a file, or that at the mirror that `$BNEXP_NAME_URL` names.

        NAME is the dataset's in capitals. A mirror is the address of the folder or, of a single
        file, that of the file itself; the content must have the same SHA-256.
        """
        mirror = os.environ.get(f"BNEXP_{self.name.upper()}_URL")
        if mirror and len(self.files) == 1 and not mirror.endswith("/"):
            return [mirror]
        folders = [f"{mirror.rstrip('/')}/"] if mirror else self.folders
        return [folder + file.filename for folder in folders]

    @abstractmethod
    def read(self, contents: Mapping[str, bytes], where: Path) -> Dataset:
        """Returns the dataset from the verified contents of its files, by name.

        Raises:
            DataError: The files at `where` hold something else than images and labels.
        """

    def find_extracted(self, home: Path) -> Path | None:
        """Returns the folder below `home`, or `home` itself, that holds the unpacked files."""
        del home
        return None

    def read_extracted(self, folder: Path) -> Dataset:
        """Returns the dataset from unpacked files, each verified.

        Raises:
            DataError: A file is missing, or not the published one.
        """
        raise NotImplementedError(folder)
