"""Which images a run trains on, validates on and is tested on: the same for every run.

The split depends on labels and sizes alone, never on a run's seed, so that seeds
and cells of an experiment are compared on the same images.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from bnexp.data.dataset import Dataset, LabelledImages
from bnexp.errors import DataError
from bnexp.wording import name_some

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Indices = NDArray[np.int64]

_SPLIT_SEED = 20_150_211


def choose_images(
    dataset: Dataset, train_size: int | None, val_size: int
) -> tuple[Indices, Indices]:
    """Returns the indices of training and of validation images, as `stratified_split` does.

    Raises:
        DataError: There are not as many images, a class is left without any, there is only
            one class, or the dataset has validation images of its own.
    """
    labels, names = dataset.train.labels, dataset.class_names
    if dataset.val is not None and val_size:
        raise DataError(
            f"the dataset {dataset.name} has {len(dataset.val):,} validation images of its own; "
            "leave data.val_size out, or remove them to validate on training images"
        )
    if len(names) < 2:
        raise DataError(
            f"the dataset {dataset.name} has only the class {names[0]}: a classifier needs at "
            "least two"
        )
    train, val = stratified_split(labels, train_size, val_size)
    for indices, purpose in ((train, "training"), (val, "validation")):
        if len(indices) and (lost := _find_lost(labels[indices], np.arange(len(names)), names)):
            raise DataError(
                f"{len(indices):,} {purpose} images leave none of {lost}: each class "
                "is sampled in proportion to its share of the training set; change train_size or "
                "val_size, or remove the class"
            )
    return train, val


def choose_test_images(dataset: Dataset, test_size: int | None) -> LabelledImages:
    """Returns the test images to use, all if `test_size` is None, else stratified.

    They are in the dataset's order, and a smaller `test_size` chooses a subset of a larger one.

    Raises:
        DataError: There are not as many images, or a class is left without any.
    """
    if test_size is None:
        return dataset.test
    labels = dataset.test.labels
    if test_size > len(labels):
        raise DataError(
            f"test_size {test_size:,} is more than the {len(labels):,} test images; make it smaller"
        )
    chosen = np.sort(_order_evenly(labels, _permute(len(labels)))[:test_size])
    if lost := _find_lost(labels[chosen], labels, dataset.class_names):
        raise DataError(
            f"{test_size:,} test images leave none of {lost}: each class is sampled in proportion "
            "to its share of the test set; use a larger test_size"
        )
    return dataset.test.subset(chosen)


def _find_lost(chosen: Indices, labels: Indices, names: Sequence[str]) -> str:
    """Returns the names of the classes that are among the labels, and not among the chosen."""
    lost = np.setdiff1d(labels, chosen)
    return name_some(names[place] for place in lost)


def stratified_split(
    labels: NDArray[np.int64], train_size: int | None, val_size: int
) -> tuple[Indices, Indices]:
    """Returns the indices of training and of validation images, ascending and disjoint.

    Validation is taken out first, then training out of the rest; both hold each
    class in proportion to its frequency, equally if the classes are equally
    frequent, and to within one image if sizes do not divide. A smaller
    `train_size` is a subset of a larger one. A `train_size` of None takes all that
    validation leaves. `labels` is `(N,)`.

    Raises:
        DataError: There are not as many images, or none is left to train on.
    """
    total = len(labels)
    left = total - val_size
    if left < 1:
        raise DataError(
            f"val_size {val_size:,} leaves no image to train on: the training set holds "
            f"{total:,}; make it smaller"
        )
    if train_size is not None and train_size > left:
        taken = f" after val_size takes {val_size:,}" if val_size else ""
        raise DataError(
            f"train_size {train_size:,} is more than the {left:,} of {total:,} training images "
            f"that are left{taken}; make one of them smaller"
        )
    order = _order_evenly(labels, _permute(total))
    val, rest = order[:val_size], order[val_size:]
    # Ordered again, so that classes of which validation took one more are not short twice.
    train = rest[_order_evenly(labels[rest], np.arange(left))][:train_size]
    return np.sort(train), np.sort(val)


def _permute(count: int) -> Indices:
    """Returns a permutation that no release of NumPy changes: raw PCG64 output is stable."""
    return np.argsort(np.random.PCG64(_SPLIT_SEED).random_raw(count), kind="stable")


def _order_evenly(labels: NDArray[np.int64], permutation: Indices) -> Indices:
    """Returns all indices in an order of which every prefix has the classes in proportion.

    The j-th image of a class of n goes to (j + 1/2) / n of the way, as Sainte-Laguë
    apportions seats. Sharing each size out by largest remainders would not nest: with
    more images to share, a class can get fewer.
    """
    permuted = labels[permutation]
    by_class = np.argsort(permuted, kind="stable")
    _, inverse, counts = np.unique(permuted[by_class], return_inverse=True, return_counts=True)
    rank = np.arange(len(labels)) - (np.cumsum(counts) - counts)[inverse]
    place = (2 * rank + 1) / (2 * counts[inverse])
    # Classes of one size tie; which of them comes first is left to the permutation.
    return permutation[by_class[np.lexsort((by_class, place))]]
