"""Networks to examine: as a config builds them, and as a run left them in its checkpoint."""

from __future__ import annotations

import torch
from torch import nn

from bnexp.config.experiment import ExperimentConfig
from bnexp.config.load import restore_spec
from bnexp.data.dataset import DatasetFacts, Say
from bnexp.doctor.subjects.network import MOST_IMAGES, Network, PlainImages
from bnexp.doctor.subjects.setup import Setup, read_setup
from bnexp.errors import DataError, UsageError
from bnexp.models.model import ModelConfig
from bnexp.norms import NormConfig
from bnexp.runs import ENDED, RunDir, RunRecord
from bnexp.runs.inspection import inspect
from bnexp.trained.network import put_tensors, read_checkpoint
from bnexp.training.initialization import initialize
from bnexp.training.machine.device import make_deterministic, resolve_device
from bnexp.training.setup import build_parts, find_facts


def build_untrained(model: ModelConfig, facts: DatasetFacts) -> Network:
    """Returns the network of a config at its initial values, with images of noise."""
    height, width, channels = facts.image_shape
    torch.manual_seed(0)  # what a network draws by itself
    built = model.build(facts.image_shape, facts.num_classes)
    initialize(built, 0, model.initialization)
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(MOST_IMAGES, channels, height, width, generator=generator)
    return Network(
        built,
        PlainImages(noise),
        batch_size=MOST_IMAGES,
        norm_configs=_find_norm_configs(model, facts, built),
    )


def load_trained(record: RunRecord, say: Say) -> tuple[Setup, Network]:
    """Returns the config of a run that has ended, and the network in its last checkpoint.

    Everything is read through the run's seal, and the tensors by PyTorch's restricted reader.

    Raises:
        UsageError: The run has not ended, is damaged, or its config is not its own.
        BnexpError: Its checkpoint is another network's.
        DataError: The dataset is missing, or not the one that the run trained on.
    """
    _refuse_unsound(record)
    config = _read_config(record)
    dataset = config.data.load(say)
    _refuse_other_data(record, dataset.fingerprint)
    try:
        device = resolve_device(config.train.device)
    except UsageError:
        device = resolve_device("auto")
        say(f"this machine has no device '{config.train.device}'; using {device.type}")
    make_deterministic(device, config.train.threads, is_compiled=False)
    # Images for precise statistics, whatever the run evaluated with.
    evaluate = config.evaluate.model_copy(update={"population_statistics": ("ema", "precise")})
    train = config.train.model_copy(update={"compile": False})
    whole = config.model_copy(update={"evaluate": evaluate, "train": train})
    parts = build_parts(whole, dataset, device)
    _, tensors = read_checkpoint(record)
    put_tensors(record, tensors, parts.learner.model)
    facts = find_facts(dataset)
    summary, images = record.summary, parts.evaluator.recalibration_images
    assert summary is not None
    assert images is not None
    network = Network(
        model=parts.learner.model,
        images=images,
        batch_size=config.data.batch_size,
        steps=summary.steps,
        optimizer=parts.learner.optimizer,
        held_out=parts.evaluation_sets["test"],
        precision=config.train.precision,
        shared_batch_size=parts.evaluator.shared_batch_size,
        recorded_accuracy=summary.final.get("test/accuracy"),
        norm_configs=_find_norm_configs(config.model, facts, parts.learner.model),
    )
    return read_setup(config, facts), network


def _find_norm_configs(
    model: ModelConfig, facts: DatasetFacts, built: nn.Module
) -> dict[str, NormConfig]:
    """Returns by name a config of each layer's kind: that of its package, or the only kind."""
    sites = model.find_norm_sites(facts.image_shape, facts.num_classes)
    by_package = {_find_package(type(site.norm)): site.norm for site in sites}
    only = sites[0].norm if len(by_package) == 1 else None
    found = {
        name: by_package.get(_find_package(type(module)), only)
        for name, module in built.named_modules()
    }
    return {name: norm for name, norm in found.items() if norm is not None}


def _find_package(kind: type) -> str:
    return kind.__module__.rpartition(".")[0]


def _refuse_unsound(record: RunRecord) -> None:
    if record.is_running:
        raise UsageError(f"{record.path} is being trained; wait until it has ended")
    found = inspect(record.path)
    problems = [one for one in found if not (one.is_repairable or one.is_harmless)]
    if problems:
        raise UsageError(
            f"{record.path} is damaged: {problems[0].text}; bnexp check lists everything, and the "
            "bnexp train command of the run may bring it back"
        )
    if record.state not in ENDED:
        raise UsageError(
            f"{record.path} has not ended (it is {record.state}), so there is nothing final to "
            f"examine; bnexp show {record.path} says how to continue it"
        )


def _read_config(record: RunRecord) -> ExperimentConfig:
    config = restore_spec(record).config
    if record.fingerprint != config.fingerprint():
        raise UsageError(
            f"{RunDir(record.path).config} is not the config that the run began with, or another "
            "version of bnexp wrote it"
        )
    return config


def _refuse_other_data(record: RunRecord, fingerprint: str) -> None:
    trained_on = record.environment.get("dataset.fingerprint")
    if trained_on != fingerprint:
        name = record.environment.get("dataset.name")
        raise DataError(
            f"the dataset '{name}' here is not the one that {record.path} trained on (fingerprint "
            f"{fingerprint[:16]} here, {str(trained_on)[:16]} there); put that one back"
        )
