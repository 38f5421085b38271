"""What a run trains and is evaluated on, as built from config and dataset."""

import dataclasses

import numpy as np
import pytest
import torch
from torch import nn
from toy_training import CPU, Toy, build_dataset, configure

from bnexp.data.dataset import LabelledImages
from bnexp.errors import DataError, UsageError
from bnexp.models.cnn.config import CnnConfig
from bnexp.norms import NORMS
from bnexp.training.setup import build_parts, check_against_dataset, find_facts


def in_class_order(images):
    return images.subset(np.argsort(images.labels, kind="stable"))


@pytest.fixture
def dataset():
    return build_dataset()


@pytest.mark.parametrize("prefix", ["train_eval", "test", "val"])
def test_evaluation_batches_mix_the_classes_of_a_dataset_in_class_order(dataset, prefix):
    ordered = dataclasses.replace(
        dataset, train=in_class_order(dataset.train), test=in_class_order(dataset.test)
    )
    parts = build_parts(configure(data={"val_size": 100}), ordered, CPU)
    sets = {"train_eval": parts.plain_training_images, **parts.evaluation_sets}

    batches = [targets for _, targets in sets[prefix].batches(20)]
    assert len(batches) == 5
    assert all(len(torch.unique(targets)) > 4 for targets in batches)


def keep(images, counts):
    """Returns the first few images of each class."""
    places = [np.flatnonzero(images.labels == label)[:n] for label, n in enumerate(counts)]
    return images.subset(np.concatenate(places))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"train_size": 12, "val_size": 0}, "12 training images leave none of a: each class is"),
        ({"val_size": 20}, "20 validation images leave none of a: each class is sampled in prop"),
    ],
)
def test_a_class_that_vanishes_is_named(dataset, data, message):
    train = LabelledImages(np.repeat(dataset.train.images, 3, 0), np.arange(600) % 3)
    rare = dataclasses.replace(
        dataset, train=keep(train, (3, 60, 60)), class_names=("a", "b", "c"), test=train
    )
    with pytest.raises(DataError, match=message):
        check_against_dataset(configure(data=data), rare)


def test_one_class_alone_is_refused(dataset):
    alone = LabelledImages(dataset.train.images, np.zeros(200, np.int64))
    lonely = dataclasses.replace(dataset, train=alone, test=alone, class_names=("a",))
    with pytest.raises(DataError, match="has only the class a: a classifier needs at least two"):
        check_against_dataset(configure(), lonely)


def test_a_network_that_gives_no_logits_is_named(dataset, monkeypatch):
    monkeypatch.setattr(CnnConfig, "build", lambda *_: nn.Flatten())

    with pytest.raises(UsageError) as caught:
        build_parts(configure(), dataset, CPU)

    said = "the network of model 'cnn' turns two images into (2, 192), which must be logits (2, 10)"
    assert str(caught.value) == said


def test_facts_that_the_data_does_not_have_are_refused(dataset, monkeypatch):
    facts = dataclasses.replace(find_facts(dataset), num_classes=11)
    monkeypatch.setattr(Toy, "facts", lambda self: facts)

    said = "the dataset 'toy' has {'num_classes': 10}, but its facts say {'num_classes': 11}"
    with pytest.raises(DataError, match=f"^{said}$"):
        check_against_dataset(configure(), dataset)


@pytest.mark.parametrize("name", ["channels_last", "contiguous"])
@pytest.mark.parametrize("norm", [member for member in NORMS if member().normalizes])
def test_feature_maps_have_the_memory_format_of_the_config(name, norm, dataset):
    memory_format = {"channels_last": torch.channels_last, "contiguous": torch.contiguous_format}
    config = configure(
        memory_format=name,
        norm=norm(**({"num_groups": 2} if "num_groups" in norm.model_fields else {})),
        data={"augment": ("horizontal_flip",)},
    )
    parts, found = build_parts(config, dataset, CPU), []

    def note(module, inputs, outputs):
        found.extend(value for value in (*inputs, outputs) if value.dim() == 4)

    for module in parts.learner.model.modules():
        if not isinstance(module, nn.Sequential):
            module.register_forward_hook(note)
    parts.learner.step(1, next(parts.batches.epoch(0)))
    parts.evaluator.score(parts.learner.model, parts.evaluation_sets["test"])

    assert len(found) > 10
    assert all(value.is_contiguous(memory_format=memory_format[name]) for value in found)


def test_the_memory_format_changes_nothing_but_the_last_bits(dataset):
    losses = []
    for name in ("channels_last", "contiguous"):
        parts = build_parts(configure(memory_format=name), dataset, CPU)
        batches = parts.batches.epoch(0)
        losses.append([parts.learner.step(n, next(batches)).loss for n in (1, 2, 3)])

    torch.testing.assert_close(*losses, rtol=1e-4, atol=0)
