"""The order of an epoch whose batches hold few classes each: batches that are not i.i.d."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def order_by_class(
    labels: Tensor, sizes: Sequence[int], classes_per_batch: int, generator: torch.Generator
) -> Tensor:
    """Returns the indices of the images of an epoch, batch after batch of these `sizes`.

    Each batch holds at most `classes_per_batch` classes, equally many images of each (one more of
    some if that does not divide), shuffled. Classes take turns: a batch gets those with the most
    turns left, ties at random, and a class has turns in proportion to its images. A class shows
    its images in a random order; if its turns have more room, it starts again at the first of
    them, and if they have less, its last images are left out of this epoch.

    Args:
        labels: `(N,)` on the CPU; every class from 0 to the largest has an image.
        sizes: Images per batch.
        classes_per_batch: At most the number of classes.
        generator: Decides all that is random.
    """
    counts = torch.bincount(labels)
    shuffled = torch.randperm(len(labels), generator=generator)
    ordered = shuffled[labels[shuffled].argsort(stable=True)]
    by_class = torch.split(ordered, counts.tolist())
    turns = _share_turns(counts, len(sizes), classes_per_batch, generator)
    ties = torch.rand(len(sizes), len(counts), generator=generator)
    shown = [0] * len(counts)
    batches = []
    for size, tie in zip(sizes, ties, strict=True):
        chosen = (turns + tie).topk(classes_per_batch).indices
        turns[chosen] -= 1
        batch = []
        for place, label in enumerate(chosen.tolist()):
            share = size // classes_per_batch + (place < size % classes_per_batch)
            images = by_class[label]
            batch.append(images[torch.arange(shown[label], shown[label] + share) % len(images)])
            shown[label] += share
        batches.append(torch.cat(batch)[torch.randperm(size, generator=generator)])
    return torch.cat(batches)


def _share_turns(
    counts: Tensor, batches: int, classes_per_batch: int, generator: torch.Generator
) -> Tensor:
    """Returns in how many batches each class stands: in proportion to `counts`, at most in all.

    What the division leaves goes to the classes with the largest remainders, ties at random.
    """
    turns = torch.full_like(counts, batches)
    is_open = torch.ones_like(counts, dtype=torch.bool)
    while True:
        left = batches * (classes_per_batch - int((~is_open).sum()))
        total = int(counts[is_open].sum())
        is_full = is_open & (counts * left > batches * total)
        if not is_full.any():
            break
        is_open &= ~is_full
    quotas = counts * left
    turns[is_open] = (quotas // max(1, total))[is_open]
    rest = batches * classes_per_batch - int(turns.sum())
    remainders = torch.where(is_open, (quotas % max(1, total)).double() / max(1, total), -1.0)
    order = torch.randperm(len(counts), generator=generator)
    largest = order[remainders[order].argsort(descending=True, stable=True)]
    turns[largest[:rest]] += 1
    return turns
