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
    some if that does not divide), shuffled. A class stands in a number of batches in proportion to
    its images; which classes stand together, and in which batch, is random. A class shows its
    images in a random order; if its batches have more room, it starts again at the first of them,
    and if they have less, its last images are left out of this epoch.

    Args:
        labels: `(N,)` on the CPU; every class from 0 to the largest has an image.
        sizes: Images per batch.
        classes_per_batch: At most the number of classes.
        generator: Decides all that is random.
    """
    counts = torch.bincount(labels)
    shuffled = torch.randperm(len(labels), generator=generator)
    by_class = shuffled[labels[shuffled].argsort(stable=True)]
    turns = _share_turns(counts, len(sizes), classes_per_batch, generator)
    groups = _group_classes(turns, len(sizes), classes_per_batch, generator)
    room = torch.tensor(sizes)[:, None]
    places = torch.arange(classes_per_batch)
    shares = room // classes_per_batch + (places < room % classes_per_batch)
    # The class of every image of the epoch, and how many of that class come before it.
    classes = groups.flatten().repeat_interleave(shares.flatten())
    shown = torch.bincount(classes, minlength=len(counts))
    before = torch.empty_like(classes)
    before[classes.argsort(stable=True)] = _count_within(shown)
    order = by_class[(counts.cumsum(0) - counts)[classes] + before % counts[classes]]
    batch = torch.arange(len(sizes)).repeat_interleave(room.flatten())
    drawn = torch.rand(len(order), generator=generator, dtype=torch.float64)
    return order[(batch + drawn).argsort(stable=True)]


def _count_within(lengths: Tensor) -> Tensor:
    """Returns 0, 1, … up to each length, one after the other."""
    starts = (lengths.cumsum(0) - lengths).repeat_interleave(lengths)
    return torch.arange(len(starts)) - starts


def _group_classes(
    turns: Tensor, batches: int, classes_per_batch: int, generator: torch.Generator
) -> Tensor:
    """Returns the classes of each batch `(batches, classes_per_batch)`, each class in its `turns`.

    Groups are made of the classes with the most turns left, ties at random, which always comes
    out even. In that order a class would never follow itself, so they are shuffled.
    """
    ties = torch.rand(batches, len(turns), generator=generator)
    left, groups = turns.clone(), []
    for tie in ties:
        groups.append((left + tie).topk(classes_per_batch).indices)
        left[groups[-1]] -= 1
    return torch.stack(groups)[torch.randperm(batches, generator=generator)]


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
