"""What the configs of all published datasets share."""

from __future__ import annotations

from abc import abstractmethod
from pathlib import Path

from pydantic import Field

from bnexp.data.dataset import Dataset, DatasetConfig, DatasetFacts, Say, data_home
from bnexp.data.published.source import Source


class PublishedConfig(DatasetConfig):
    """A dataset whose files are published, so that its content never changes."""

    val_size: int = Field(default=5000, ge=0)
    """Images taken out of the training set for validation, stratified: each class in proportion
    to its share of the training set."""

    @property
    @abstractmethod
    def source(self) -> Source:
        """The files of the dataset."""

    def load(self, say: Say) -> Dataset:
        """Returns the dataset, downloaded, verified and decoded first if needed.

        Raises:
            DataError: It cannot be downloaded, or what arrived is not the dataset.
        """
        from bnexp.data.published.store import load_published

        return load_published(self.source, data_home(self.root), say)

    def facts(self) -> DatasetFacts:
        """Returns the published sizes."""
        return self.source.facts

    def stored_files(self) -> tuple[Path, ...]:
        """Returns where the decoded images are and, if all are there, the files they come from.

        Those are the published files or, if there are none, what they were unpacked to.
        """
        from bnexp.data.published.store import cache_path, find_files

        home = data_home(self.root)
        unpacked = self.source.find_extracted(home)
        files = find_files(self.source, home).values() or (unpacked.iterdir() if unpacked else ())
        return (cache_path(self.source, home), *files)
