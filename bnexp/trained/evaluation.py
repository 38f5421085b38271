"""How well a trained network classifies labelled pictures: overall, and class by class."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from bnexp.config.train import PopulationStatistics
from bnexp.data.batches import ChannelStatistics, ResidentImages
from bnexp.data.dataset import Dataset, DatasetConfig, LabelledImages
from bnexp.data.image_folder.decoding import decode_pictures
from bnexp.data.image_folder.layout import list_pictures
from bnexp.data.split import choose_test_images
from bnexp.errors import UsageError, did_you_mean
from bnexp.runs import RunRecord
from bnexp.runs.measured.confusion import Confusion
from bnexp.trained.network import load_network
from bnexp.training.evaluation import Score, ScoreSum
from bnexp.training.population import tracks_population
from bnexp.training.saving.progress import NetworkFrame
from bnexp.training.setup import (
    build_evaluator,
    choose_training_images,
    find_evaluation_order,
    place_recalibration_images,
    shuffle,
)
from bnexp.wording import count, name_some

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class MistakenFile:
    """A picture in a file that was taken for another class than its own."""

    path: Path
    true: str
    taken: str
    probability: float
    """Of the class that it was taken for."""


@dataclass(frozen=True)
class Evaluation:
    """What a network made of labelled pictures."""

    statistics: PopulationStatistics | None
    """What norms with statistics of the population were evaluated with; None if there are none."""
    score: Score
    confusion: Confusion
    """Which class was taken for which, and what follows for each."""
    mistakes: tuple[MistakenFile, ...] | None
    """The most confident first; None for the run's own test images, which need not be files."""


def evaluate_run(
    record: RunRecord,
    folder: Path | None = None,
    kinds: Sequence[PopulationStatistics] = ("ema",),
    say: Callable[[str], None] = lambda _: None,
) -> list[Evaluation]:
    """Evaluates a run's network on its test images, or on the pictures in a folder.

    The folder holds a folder per class, named as in the training, or `test/` with these; pictures
    of another size are resized. A network without statistics of the population is evaluated once.

    Raises:
        UsageError: The folder is missing, or a folder's name is no class; and as `load_network`.
        BnexpError: As for `load_network`.
        DataError: The dataset is missing or damaged, or a picture cannot be used.
    """
    network = load_network(record)
    config, frame, device = network.config, network.frame, torch.device("cpu")
    has_statistics = any(map(tracks_population, network.network.modules()))
    if not has_statistics and tuple(kinds) != ("ema",):
        say("no norm of this network has statistics of the population to choose between")
    kinds = kinds if has_statistics else ("ema",)
    wanted = config.evaluate.model_copy(update={"population_statistics": tuple(kinds)})
    config = config.model_copy(update={"evaluate": wanted})
    load = functools.cache(lambda: _load_dataset(record, config.data, say))
    if folder is None:
        images, paths = choose_test_images(load(), config.data.test_size), None
    else:
        images, files = read_labelled(folder, frame, say)
        paths = [files[place] for place in find_evaluation_order(len(files))]
    statistics = ChannelStatistics(frame.mean, frame.std)
    sites = config.model.find_norm_sites(frame.image_shape, len(frame.class_names))
    recalibration = None
    if "precise" in kinds:
        train = choose_training_images(config.data, load())
        recalibration = place_recalibration_images(config, train, statistics, device)
    evaluator = build_evaluator(config, sites, recalibration)
    resident = ResidentImages(shuffle(images), statistics, device)
    return [
        _summarise(
            kind if has_statistics else None,
            frame.class_names,
            evaluator.classify(network.network, resident, kind),
            paths,
        )
        for kind in kinds
    ]


def _load_dataset(record: RunRecord, config: DatasetConfig, say: Callable[[str], None]) -> Dataset:
    """Returns the dataset of a run, and says so if it is not what the run was trained on."""
    dataset = config.load(say)
    if dataset.fingerprint != record.environment.get("dataset.fingerprint"):
        say("warning: the dataset has changed since the run was trained on it")
    return dataset


def read_labelled(
    folder: Path, frame: NetworkFrame, say: Callable[[str], None]
) -> tuple[LabelledImages, list[Path]]:
    """Returns the pictures in a folder of folders, one per class, resized if need be; and files.

    A folder that holds `test/` stands for that.

    Raises:
        UsageError: It is not laid out so, or a folder's name is no class.
        DataError: A file cannot be used.
    """
    if "test" not in frame.class_names and (folder / "test").is_dir():
        folder = folder / "test"
        say(f"uses {folder}")
    pictures = list_pictures(folder)
    if unknown := [name for name in pictures if name not in frame.class_names]:
        hint = did_you_mean(unknown[0], frame.class_names)
        raise UsageError(
            f"{folder}: {name_some(unknown)} {'is no class' if len(unknown) == 1 else 'are no'}"
            f"{'' if len(unknown) == 1 else ' classes'} of the network{hint}; name each folder "
            f"after one of its classes: {', '.join(frame.class_names)}"
        )
    if missing := [name for name in frame.class_names if name not in pictures]:
        say(f"{folder} has no pictures of {name_some(missing)}")
    paths = [path for found in pictures.values() for path in found]
    labels = [frame.class_names.index(name) for name, found in pictures.items() for _ in found]
    return LabelledImages(read_pictures(paths, frame, say), np.array(labels, np.int64)), paths


def read_pictures(
    paths: Sequence[Path], frame: NetworkFrame, say: Callable[[str], None]
) -> NDArray[np.uint8]:
    """Returns pictures as uint8 `(N, H, W, C)` of the shape that the network takes.

    Raises:
        DataError: Files cannot be used; it names them.
    """
    images, resized = decode_pictures(paths, frame.image_shape)
    if resized:
        height, width, _ = frame.image_shape
        say(f"{resized:,} of {count(len(paths), 'picture')} resized to {width}×{height} pixels")
    return images


@torch.no_grad()
def _summarise(
    kind: PopulationStatistics | None,
    class_names: tuple[str, ...],
    batches: Iterable[tuple[Tensor, Tensor]],
    paths: Sequence[Path] | None,
) -> Evaluation:
    """Returns what was found; `paths` are the pictures' files, in the order of the batches."""
    total, found = ScoreSum(), []
    for logits, targets in batches:
        total.add(functional.cross_entropy(logits, targets), logits, targets)
        # The share is that of the class that the accuracy counts: both take the first of the
        # largest, and the softmax keeps the order.
        found.append((targets, logits.argmax(1), logits.softmax(1).amax(1)))
    labels, taken, shares = (torch.cat(parts).numpy() for parts in zip(*found, strict=True))
    mistakes = None
    if paths is not None:
        wrong = (
            MistakenFile(
                paths[at], class_names[labels[at]], class_names[taken[at]], float(shares[at])
            )
            for at in np.flatnonzero(labels != taken).tolist()
        )
        mistakes = tuple(sorted(wrong, key=lambda one: (-one.probability, one.path)))
    confusion = Confusion.of(class_names, labels, taken)
    return Evaluation(kind, Score.of(total.read()), confusion, mistakes)
