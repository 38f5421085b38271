"""Builds the parts of a run from its config: network, optimiser, batches, evaluation sets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

import numpy as np
import torch
from torch import nn

from bnexp.config.checks import check_experiment
from bnexp.config.experiment import ExperimentConfig
from bnexp.data.batches import ChannelStatistics, ResidentImages, TrainingBatches
from bnexp.data.dataset import Dataset, DatasetConfig, DatasetFacts, LabelledImages
from bnexp.data.split import choose_images, choose_test_images
from bnexp.diagnostics.probe import Probe, leaving_no_trace
from bnexp.errors import DataError, UsageError
from bnexp.models import NormSite
from bnexp.seeding import derive_seed
from bnexp.training.initialization import initialize
from bnexp.training.learner import Learner
from bnexp.training.machine.compiler import compile_network
from bnexp.training.machine.memory_format import set_memory_format
from bnexp.training.optimization.optimizer import build_optimizer
from bnexp.training.optimization.trainable import choose_trained
from bnexp.training.population import Evaluator
from bnexp.training.saving.progress import NetworkFrame

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class RunImages:
    """The images that a run works with; none of it changes while it trains."""

    statistics: ChannelStatistics
    """Of the training images used."""
    batches: TrainingBatches
    """Those of any seed."""
    evaluation_sets: dict[str, ResidentImages]
    """By tag prefix: `val` (if there is one) and `test`, evaluated after each epoch."""
    plain_training: ResidentImages
    """As many training images as there are test images, evenly chosen, without augmentation."""
    recalibration: ResidentImages | None
    """Training images without augmentation, for `precise` statistics; None without them."""


@dataclass(frozen=True)
class TrainingParts:
    """What a run works with; all of it is on `device`."""

    device: torch.device
    learner: Learner
    batches: TrainingBatches
    frame: NetworkFrame
    evaluator: Evaluator
    images: RunImages
    probes: tuple[Probe, ...]
    """The config's diagnostics, in its order."""

    @property
    def evaluation_sets(self) -> dict[str, ResidentImages]:
        """By tag prefix: `val` (if there is one) and `test`, evaluated after each epoch."""
        return self.images.evaluation_sets

    @property
    def plain_training_images(self) -> ResidentImages:
        """As many training images as there are test images, without augmentation."""
        return self.images.plain_training


def check_against_dataset(config: ExperimentConfig, dataset: Dataset) -> list[str]:
    """Checks what could not be checked before the images were there; returns new warnings.

    Raises:
        UsageError: The config is impossible with this dataset.
        DataError: A class has no image to train on or to validate on, or is the only one, or
            the dataset is not what its config says of it.
    """
    facts, expected = find_facts(dataset), config.data.facts()
    if expected and facts != expected:
        held, said = asdict(facts).items(), asdict(expected).items()
        raise DataError(
            f"the dataset '{config.data.name}' has {dict(held - said)}, but its facts say "
            f"{dict(said - held)}"
        )
    warnings = check_against_facts(config, facts)
    _, taken = choose_images(dataset, config.data.train_size, config.data.val_size)
    choose_test_images(dataset, config.data.test_size)
    doubts = [f"data: {warning}" for warning in dataset.find_warnings(taken)]
    if expected:
        return doubts
    known = {str(finding) for finding in check_experiment(config)}  # said when it was read
    return doubts + [warning for warning in warnings if warning not in known]


def find_facts(dataset: Dataset) -> DatasetFacts:
    """Returns the sizes of a dataset that is here."""
    return DatasetFacts(
        dataset.image_shape,
        len(dataset.class_names),
        len(dataset.train),
        len(dataset.test),
        len(dataset.val or ()),
    )


def check_against_facts(config: ExperimentConfig, facts: DatasetFacts) -> list[str]:
    """Checks a config against a dataset's facts, building the model if it must be to know.

    Returns what is suspicious, each with its key.

    Raises:
        UsageError: The config is impossible with this dataset.
    """
    findings = check_experiment(config, facts, may_build=True)
    errors = [finding for finding in findings if finding.is_error]
    if errors:
        raise UsageError("\n".join(map(str, errors)))
    return [str(finding) for finding in findings]


def build_parts(config: ExperimentConfig, dataset: Dataset, device: torch.device) -> TrainingParts:
    """Builds everything that the loop needs; runs of a cell at the same time share the images.

    Images are normalised with the mean and standard deviation of the training images used.

    Raises:
        DataError: The dataset has fewer images than the config asks for, or too few of a class.
    """
    images = _share_images(config, dataset, device)
    sites = config.model.find_norm_sites(dataset.image_shape, len(dataset.class_names))
    model = _build_model(config, dataset, device)
    trained = choose_trained(model, config.train, sites)
    spared = _find_norm_parameters(model)
    optimizer = build_optimizer(config.optim, model, spared, trained.parameters)
    batches = images.batches.with_seed(config.train.seed)
    frame = NetworkFrame(
        image_shape=dataset.image_shape,
        class_names=dataset.class_names,
        mean=images.statistics.mean,
        std=images.statistics.std,
    )
    return TrainingParts(
        device=device,
        learner=Learner(config, model, optimizer, device, len(batches), trained),
        batches=batches,
        frame=frame,
        evaluator=build_evaluator(config, sites, images.recalibration),
        images=images,
        probes=tuple(one.build(model, len(batches)) for one in config.diagnostics),
    )


_SHARED: WeakValueDictionary[tuple[object, ...], RunImages] = WeakValueDictionary()


def _share_images(config: ExperimentConfig, dataset: Dataset, device: torch.device) -> RunImages:
    """Returns the images of a run, which depend on no seed, as another run has them now if any."""
    key = (dataset.fingerprint, config.data, config.evaluate, device)
    if (images := _SHARED.get(key)) is None:
        images = _SHARED[key] = _place_images(config, dataset, device)
        if device.type == "cuda":  # others use them on other streams
            torch.cuda.current_stream(device).synchronize()
    return images


def _place_images(config: ExperimentConfig, dataset: Dataset, device: torch.device) -> RunImages:
    data = config.data
    train_indices, val_indices = choose_images(dataset, data.train_size, data.val_size)
    train = dataset.train.subset(train_indices)
    statistics = ChannelStatistics.of(train)
    test = choose_test_images(dataset, data.test_size)
    chosen = np.linspace(0, len(train) - 1, min(len(train), len(test))).astype(np.int64)
    evaluation = {**({"val": dataset.val} if dataset.val else {}), "test": test}
    if len(val_indices):
        evaluation = {"val": dataset.train.subset(val_indices), **evaluation}
    return RunImages(
        statistics=statistics,
        batches=TrainingBatches(train, statistics, data, config.train.seed, device),
        evaluation_sets={
            prefix: ResidentImages(shuffle(images), statistics, device)
            for prefix, images in evaluation.items()
        },
        plain_training=ResidentImages(shuffle(train.subset(chosen)), statistics, device),
        recalibration=place_recalibration_images(config, train, statistics, device)
        if "precise" in config.evaluate.population_statistics
        else None,
    )


def choose_training_images(data: DatasetConfig, dataset: Dataset) -> LabelledImages:
    """Returns the training images that a config uses, without those for validation."""
    return dataset.train.subset(choose_images(dataset, data.train_size, data.val_size)[0])


def place_recalibration_images(
    config: ExperimentConfig,
    train: LabelledImages,
    statistics: ChannelStatistics,
    device: torch.device,
) -> ResidentImages:
    """Returns the training images that `precise` statistics are taken from."""
    return ResidentImages(shuffle(train, config.evaluate.precise_images), statistics, device)


def build_evaluator(
    config: ExperimentConfig, sites: Sequence[NormSite], recalibration: ResidentImages | None
) -> Evaluator:
    """Returns what scores a network with these norms; `precise` only with images for it."""
    is_alone = all(site.norm.evaluates_images_alone for site in sites)
    return Evaluator(
        precision=config.train.precision,
        batch_size=config.data.batch_size,
        recalibration_images=recalibration,
        shared_batch_size=None if is_alone else config.data.batch_size,
    )


def shuffle(images: LabelledImages, count: int | None = None) -> LabelledImages:
    """Returns the first `count` images, or all, in the order in which they are evaluated."""
    return images.subset(find_evaluation_order(len(images))[:count])


def find_evaluation_order(count: int) -> NDArray[np.int64]:
    """Returns the order in which so many images are evaluated, the same one for every run.

    Folders hold one class after the other, and a batch of one class has other statistics
    than a mixed one.
    """
    generator = torch.Generator().manual_seed(derive_seed(0, "evaluation order"))
    order: NDArray[np.int64] = torch.randperm(count, generator=generator).numpy()
    return order


def _check_logits(model: nn.Module, name: str, dataset: Dataset) -> None:
    """Tries a network that may come from elsewhere on two black images.

    Raises:
        UsageError: It does not turn them into two rows of logits.
    """
    height, width, channels = dataset.image_shape
    with leaving_no_trace(model), torch.no_grad():
        logits = model.eval()(torch.zeros(2, channels, height, width))
    if logits.shape != (2, len(dataset.class_names)):
        raise UsageError(
            f"the network of model '{name}' turns two images into {tuple(logits.shape)}, which "
            f"must be logits {(2, len(dataset.class_names))}"
        )


def _build_model(config: ExperimentConfig, dataset: Dataset, device: torch.device) -> nn.Module:
    # Parts from elsewhere may draw their initial values from the global generator.
    torch.manual_seed(derive_seed(config.train.seed, "build"))
    model = config.model.build(dataset.image_shape, len(dataset.class_names))
    _check_logits(model, config.model.name, dataset)
    initialize(model, config.train.seed, config.model.initialization)
    model.to(device=device)
    set_memory_format(model, config.train.memory_format)
    if config.train.compile:
        compile_network(model, config)
    return model


def _find_norm_parameters(model: nn.Module) -> set[str]:
    """Returns the names of γ and β: all but weights and biases of convolutions and linear maps."""
    plain = (nn.Conv2d, nn.Linear, nn.PReLU)
    return {
        f"{prefix}.{name}"
        for prefix, module in model.named_modules()
        for name, _ in module.named_parameters(recurse=False)
        if not (isinstance(module, plain) and name in ("weight", "bias"))
    }
