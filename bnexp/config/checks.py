"""Set-ups that are well-formed but impossible (errors) or suspicious (warnings)."""

from __future__ import annotations

import os
from collections.abc import Iterator

from bnexp.config.claim.cells import Variant
from bnexp.config.experiment import ExperimentConfig
from bnexp.config.finding import Finding, KeyPath
from bnexp.config.optim import StepScheduleConfig
from bnexp.data.dataset import DatasetConfig, DatasetFacts
from bnexp.models import ImpossibleModelError, NormSite
from bnexp.models.cnn.config import ConvLayer, PlainCnnConfig
from bnexp.models.model import NetworkConfig
from bnexp.models.plans import find_pooled_norm
from bnexp.norms import NormConfig
from bnexp.norms.channel_groups import ChannelGroupsConfig
from bnexp.runs.measured.diagnostic_tags import is_diagnostic, split_diagnostic
from bnexp.wording import count


def check_experiment(
    config: ExperimentConfig, facts: DatasetFacts | None = None, *, may_build: bool = False
) -> list[Finding]:
    """Returns what is impossible or suspicious in a config.

    What depends on the dataset is checked only if its facts are known: from the config
    alone, or given once it is loaded. If the config gives only the shape of its images, the
    network is checked against that. With `may_build`, a model that cannot say otherwise which
    layers it normalizes is built, which imports torch.
    """
    facts = facts or config.data.facts()
    shape = facts.image_shape if facts else config.data.find_image_shape()
    findings = [*_check_optimizer(config), *_check_weight_standardization(config)]
    findings += [*_check_biases(config), *_check_threads(config), *_check_classes(config.data)]
    if facts:
        findings += _check_split(config.data, facts)
    if shape is None:
        return findings
    try:
        if facts and may_build:
            sites = config.model.find_norm_sites(shape, facts.num_classes)
        else:
            sites = config.model.norm_sites(shape)
    except ImpossibleModelError as error:
        return [*findings, Finding(("model", *error.path), error.reason)]
    findings += _check_trainable(config, sites, may_build=may_build)
    if any(finding.is_error for finding in findings):
        return findings
    if facts:
        findings += _check_batches(config, facts, sites)
        findings += _check_evaluation(config, facts, sites)
        findings += _check_doubtful_norms(config, facts, sites)
        findings += _check_interval(config, facts)
        findings += _check_claimed_epochs(config, facts)
    else:
        findings += _check_sites(sites, (config.data.batch_size,))
    findings += _check_pooling_of_a_norm(config, shape)
    return findings


def _check_split(data: DatasetConfig, facts: DatasetFacts) -> Iterator[Finding]:
    left = facts.train_count - data.val_size
    if left < 1:
        reason = f"takes all {facts.train_count:,} training images; make it smaller"
        yield Finding(("data", "val_size"), reason)
    elif data.train_size and data.train_size > left:
        reason = (
            f"{data.train_size:,} is more than the {left:,} images that are left of "
            f"{facts.train_count:,} after val_size takes {data.val_size:,}"
        )
        yield Finding(("data", "train_size"), reason)
    elif data.drop_last and data.batch_size > data.count_training_images(facts):
        reason = "is larger than the training set, and drop_last drops its only batch"
        yield Finding(("data", "batch_size"), reason)
    elif data.batch_size > (images := data.count_training_images(facts)):
        reason = (
            f"{data.batch_size:,} is more than the {images:,} training images: one step per epoch"
        )
        yield Finding(("data", "batch_size"), reason, is_error=False)
    if data.classes_per_batch and data.classes_per_batch > facts.num_classes:
        reason = f"{data.classes_per_batch} is more than the {facts.num_classes} classes"
        yield Finding(("data", "classes_per_batch"), reason)
    if data.test_size and data.test_size > facts.test_count:
        reason = f"{data.test_size:,} is more than the {facts.test_count:,} test images"
        yield Finding(("data", "test_size"), reason)
    for key in ("train_size", "val_size", "test_size"):
        size = getattr(data, key)
        if size and size < facts.num_classes:
            are = "is" if size == 1 else "are"
            reason = f"{count(size, 'image')} {are} too few for {facts.num_classes} classes"
            yield Finding(("data", key), reason)


def _check_classes(data: DatasetConfig) -> Iterator[Finding]:
    if data.classes_per_batch and data.classes_per_batch > data.batch_size:
        reason = f"{data.classes_per_batch} is more than the {data.batch_size} images of a batch"
        yield Finding(("data", "classes_per_batch"), reason)


def _check_batches(
    config: ExperimentConfig, facts: DatasetFacts, sites: list[NormSite]
) -> Iterator[Finding]:
    """Finds norms that cannot work on what they would see, and a last batch of one image."""
    batch_size = config.data.batch_size
    images = config.data.count_training_images(facts)
    smallest = min(batch_size, images if config.data.drop_last else images % batch_size or images)
    if misfits := [*_check_sites(sites, (smallest, min(batch_size, images)))]:
        yield from misfits
        return
    normalized = [site.norm for site in sites if site.norm.statistics_batch(batch_size)]
    ghost = normalized and normalized[0].statistics_batch(batch_size) == 1 < batch_size
    if normalized and smallest == 1 and not ghost:
        name = normalized[0].name
        reason = (
            f"{name} norm cannot normalize a batch of one image well; use a larger batch, or a "
            "norm that does not depend on it, e.g. group"
            if batch_size == 1
            else f"{images:,} training images leave a last batch of one image, which {name} norm "
            "cannot normalize well; set data.drop_last: true or change train_size or batch_size"
        )
        yield Finding(("data", "batch_size"), reason, kind="single_image")
    groups = {norm.statistics_batch(batch_size) or batch_size for norm in normalized}
    for group in sorted(groups):
        if 1 < group < smallest and smallest % group == 1 != batch_size % group:
            reason = (
                f"the last batch of an epoch has {smallest} images, so that groups of {group} "
                "leave one image by itself; set data.drop_last: true or change train_size"
            )
            yield Finding(("data", "batch_size"), reason, is_error=False)


def _check_sites(sites: list[NormSite], batch_sizes: tuple[int, ...]) -> Iterator[Finding]:
    """Finds the first norm that cannot work on what it would see in batches of these sizes."""
    for site in sites:
        for seen in dict.fromkeys(batch_sizes):
            reason = site.norm.find_problem(site.shape, seen)
            if not reason:
                continue
            kind = _find_kind(site.norm)
            if kind == "groups" and isinstance(site.norm, ChannelGroupsConfig):
                shapes = [other.shape for other in sites if other.norm == site.norm]
                reason = site.norm.explain_misfit(site.shape, shapes) or reason
            yield Finding(("model", *site.path), reason, kind=kind)
            return


def _check_evaluation(
    config: ExperimentConfig, facts: DatasetFacts, sites: list[NormSite]
) -> Iterator[Finding]:
    """Finds norms that could train but not be evaluated: on a last batch of one image, say."""
    for site in sites:
        for path, seen in _evaluation_batches(config, facts, site.norm):
            reason = site.norm.find_problem(site.shape, seen)
            if reason:
                shown = f"evaluation would leave a batch of {seen}: {reason}"
                yield Finding(path, shown, kind=_find_kind(site.norm))
                return


def _find_kind(norm: NormConfig) -> str:
    """Returns what a norm that cannot work on its inputs suffers from."""
    is_of_groups = isinstance(norm, ChannelGroupsConfig) and norm.statistics_batch(1) is None
    return "groups" if is_of_groups else "single_value"


def _evaluation_batches(
    config: ExperimentConfig, facts: DatasetFacts, norm: NormConfig
) -> Iterator[tuple[KeyPath, int]]:
    """Yields the sizes of batches that evaluation normalizes by themselves, with their key."""
    data, kinds = config.data, config.evaluate.population_statistics
    val_count = data.val_size or facts.val_count
    test_key = "test_size" if data.test_size else "name"
    counts = [
        (("data", "val_size"), val_count),
        (("data", test_key), data.count_test_images(facts)),
    ]
    for path, images in counts:
        if not images:
            continue
        is_by_batch = "batch" in kinds and norm.statistics_batch(data.batch_size)
        if is_by_batch or not norm.evaluates_images_alone:
            yield path, min(data.batch_size, images)
    if "precise" in kinds and norm.statistics_batch(data.batch_size):
        images = min(config.evaluate.precise_images, data.count_training_images(facts))
        yield ("evaluate", "precise_images"), min(data.batch_size, images)


def _check_interval(config: ExperimentConfig, facts: DatasetFacts) -> Iterator[Finding]:
    every, images = config.evaluate.every_steps, config.data.count_training_images(facts)
    steps = config.train.epochs * config.data.count_steps(images)
    if every is not None and every > steps:
        reason = f"{every:,} is more than the training's {count(steps, 'step')}: it has no effect"
        yield Finding(("evaluate", "every_steps"), reason, is_error=False)


def _check_claimed_epochs(config: ExperimentConfig, facts: DatasetFacts) -> Iterator[Finding]:
    """Finds claims about a diagnostic in an epoch in which it is not measured."""
    claims = [one for one in enumerate(config.claim) if one[1].at is not None]
    if not claims:
        return
    own = Variant.read(config)
    steps = config.data.count_steps(config.data.count_training_images(facts))
    for place, claim in claims:
        claimed = {split_diagnostic(tag)[0] for tag in claim.tags if is_diagnostic(tag)}
        if claim.at is None or not claimed or not own.is_on_a_side(claim):
            continue
        first, last = (claim.at.epoch - 1) * steps + 1, claim.at.epoch * steps
        for diagnostic in config.diagnostics:
            measured = diagnostic.find_steps(steps)
            ahead = (measured.start - first) % measured.step
            is_missed = max(measured.start, first + ahead) > last
            if is_missed and not claimed.isdisjoint(diagnostic.list_quantities()):
                whole = f"steps {first:,} to {last:,}" if first < last else f"step {first:,}"
                reason = (
                    f"epoch {claim.at.epoch} is {whole}, in which {diagnostic.name} is not "
                    f"measured; set its every_steps to {steps} or less, or leave it out"
                )
                yield Finding(("claim", place, "at", "epoch"), reason)


def _check_weight_standardization(config: ExperimentConfig) -> Iterator[Finding]:
    is_plain = getattr(config.model, "weight_standardization", False) is True
    if is_plain and not config.model.norm.normalizes:
        reason = (
            "standardized filters have variance 1, so that without a norm after them the "
            "activations explode; set model.norm, e.g. to group, or write scaled for true"
        )
        yield Finding(("model", "weight_standardization"), reason)


def _check_biases(config: ExperimentConfig) -> Iterator[Finding]:
    """Finds biases that a config asks for and that the norm right after them subtracts."""
    model = config.model
    if not isinstance(model, PlainCnnConfig) or model.bias is not True:
        return
    wasted = [
        layer.conv * model.count_copies()
        for layer in model.list_layers()
        if isinstance(layer, ConvLayer)
        and model.norm_follows(layer)
        and (layer.norm or model.norm).subtracts_channel_means(layer.conv)
    ]
    if wasted:
        reason = (
            f"the norm right after them subtracts {count(sum(wasted), 'bias')}, which "
            "learn nothing; auto leaves them out, unless you want another code's parameter count"
        )
        yield Finding(("model", "bias"), reason, is_error=False, kind="conv_bias")


def _check_doubtful_norms(
    config: ExperimentConfig, facts: DatasetFacts, sites: list[NormSite]
) -> Iterator[Finding]:
    """Finds what the norms themselves warn about, once for each norm in the config."""
    images = config.data.count_training_images(facts)
    steps = config.train.epochs * config.data.count_steps(images)
    yield from dict.fromkeys(
        Finding((*_norm_path(config, site), key), reason, is_error=False)
        for site in sites
        for key, reason in site.norm.find_warnings(config.data.batch_size, steps)
    )


def _check_pooling_of_a_norm(
    config: ExperimentConfig, image_shape: tuple[int, int, int]
) -> Iterator[Finding]:
    """Finds a last norm after which global average pooling cannot tell images apart."""
    model = config.model
    if not isinstance(model, NetworkConfig):
        return
    plan, _ = model.plan(image_shape)
    site = find_pooled_norm(plan)
    if site and site.norm.fixes_channel_means(site.shape[0], config.data.batch_size):
        flatten = "model.head: flatten or " if isinstance(model, PlainCnnConfig) else ""
        reason = (
            f"{site.norm.name} norm would make every channel's mean the same for all images, and "
            f"global average pooling sees only that; set {flatten}model.placement: "
            "before_activation, or use another norm"
        )
        yield Finding(("model", *site.path), reason)


def _norm_path(config: ExperimentConfig, site: NormSite) -> KeyPath:
    """Returns the keys that lead to a site's norm: the model's, or that of the layer itself."""
    if site.norm == getattr(config.model, "norm", None):
        return ("model", "norm")
    return ("model", *site.path, "norm")


def _check_threads(config: ExperimentConfig) -> Iterator[Finding]:
    threads, cores = config.train.threads or 1, os.cpu_count() or 1
    if threads > cores:
        reason = f"{threads:,} threads are more than this machine's {count(cores, 'core')}"
        yield Finding(("train", "threads"), reason, is_error=False)


def _check_trainable(
    config: ExperimentConfig, sites: list[NormSite], *, may_build: bool
) -> Iterator[Finding]:
    """Finds that there are no γ and β to train, or to count weights by."""
    trainable, path = config.train.trainable, ("train", "trainable")
    if trainable == "all":
        return
    if not sites and (may_build or not config.model.norm.normalizes):
        yield Finding(path, f"'{trainable}' needs a network with norms; set model.norm")
    elif sites and not any(getattr(site.norm, "affine", True) for site in sites):
        reason = f"'{trainable}' needs norms that learn γ and β, which affine: false leaves out"
        yield Finding(path, reason)
    if trainable == "as_many_as_norms" and config.optim.adaptive_clip is not None:
        reason = "clips whole filters, of which 'as_many_as_norms' trains a part; use clip_norm"
        yield Finding(("optim", "adaptive_clip"), reason)


def _check_optimizer(config: ExperimentConfig) -> Iterator[Finding]:
    schedule, epochs = config.optim.schedule, config.train.epochs
    warmup = schedule.warmup_epochs
    path = ("optim", "schedule", "warmup_epochs")
    if warmup > epochs:
        reason = f"the warm-up of {warmup:g} epochs is longer than the training of {epochs}"
        yield Finding(path, reason)
    elif warmup >= epochs / 2:
        rate = f"{config.optim.peak_learning_rate:g}"
        effect = (
            f"reaches {rate} only after {100 * warmup / epochs:.0f} % of the training"
            if warmup < epochs
            else f"never reaches {rate} and never decays"
        )
        reason = (
            f"the warm-up takes {warmup:g} of {count(epochs, 'epoch')}, so the learning rate "
            f"{effect}; train longer, or set optim.schedule.warmup_epochs: 0"
        )
        yield Finding(path, reason, is_error=False)
    elif isinstance(schedule, StepScheduleConfig) and _is_early(schedule, epochs):
        reason = (
            f"the first milestone, {schedule.milestones[0]:g} of the training, comes before the "
            f"end of the warm-up of {warmup:g} epochs, so the learning rate never reaches "
            f"{config.optim.peak_learning_rate:g}"
        )
        yield Finding(("optim", "schedule", "milestones"), reason, is_error=False)
    if config.optim.decay_norm and config.optim.weight_decay:
        reason = "weight decay also pulls γ and β of the norms towards zero"
        yield Finding(("optim", "decay_norm"), reason, is_error=False, kind="weight_decay")


def _is_early(schedule: StepScheduleConfig, epochs: int) -> bool:
    """Whether the first milestone comes before the end of the warm-up."""
    return any(milestone * epochs < schedule.warmup_epochs for milestone in schedule.milestones)
