"""Which classes were taken for which others, and what follows from it for each class."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class ClassScore:
    """How many pictures of one class there were, and how many were recognised."""

    name: str
    hits: int
    count: int

    @property
    def accuracy(self) -> float | None:
        """In [0, 1]; None without a picture."""
        return self.hits / self.count if self.count else None


@dataclass(frozen=True)
class Confusion:
    """How many pictures of each class were taken for each class."""

    class_names: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]
    """Pictures of a class (row) that were taken for a class (column)."""

    @classmethod
    def of(
        cls, class_names: tuple[str, ...], labels: NDArray[Any], taken: NDArray[Any]
    ) -> Confusion:
        """Returns the confusions of pictures of the classes `labels`, taken for `taken`, `(N,)`."""
        known = len(class_names)
        pairs = labels.astype(np.int64) * known + taken
        counts = np.bincount(pairs, minlength=known**2).reshape(known, known)
        return cls(class_names, tuple(map(tuple, counts.tolist())))

    @property
    def count(self) -> int:
        """The number of pictures."""
        return sum(map(sum, self.counts))

    @property
    def accuracy(self) -> float:
        """The share of all pictures that were recognised."""
        return sum(one.hits for one in self.classes) / self.count

    @property
    def classes(self) -> list[ClassScore]:
        """Each class's own score, in the order of the logits."""
        rows = enumerate(zip(self.class_names, self.counts, strict=True))
        return [ClassScore(name, row[place], sum(row)) for place, (name, row) in rows]

    @property
    def balanced_accuracy(self) -> float:
        """The mean of the classes' accuracies, each counting once, whatever its size."""
        return fmean(one.accuracy for one in self.classes if one.accuracy is not None)

    def find_confusions(self) -> list[tuple[int, str, str]]:
        """Returns how often which class was taken for which other, the most frequent first."""
        found = [
            (number, self.class_names[true], self.class_names[taken])
            for true, row in enumerate(self.counts)
            for taken, number in enumerate(row)
            if taken != true and number
        ]
        return sorted(found, key=lambda one: -one[0])
