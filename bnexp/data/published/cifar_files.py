"""How the archives of the CIFAR datasets are laid out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bnexp.data.published.source import Source


@dataclass(frozen=True, kw_only=True)
class CifarFiles(Source):
    """An archive in the Python format of CIFAR: pickled batches of 32×32 colour images."""

    member_folder: str
    train_members: tuple[str, ...]
    test_member: str
    meta_member: str
    md5: Mapping[str, str]
    """Of each member, as published: how unpacked files are verified."""
    labels_key: str = "labels"
    names_key: str = "label_names"

    @property
    def members(self) -> tuple[str, ...]:
        """The names of all members that are read."""
        return (*self.train_members, self.test_member, self.meta_member)
