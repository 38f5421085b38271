"""Ways of training that are impossible for a config are reported at the key to change."""

import pytest

from bnexp.config.load import load_experiment
from bnexp.errors import ConfigError

CONFIG = """\
name: trial
data: {name: cifar10, batch_size: 64}
model: {name: cnn, layers: [{conv: 8}, {conv: 8}]}
train: {epochs: 30}
"""


@pytest.fixture
def load(tmp_path):
    def load_config(*overrides):
        path = tmp_path / "c.yaml"
        path.write_text(CONFIG)
        return load_experiment(path, overrides)

    return load_config


@pytest.mark.parametrize(
    "overrides",
    [
        ["data.classes_per_batch=1"],
        ["data.classes_per_batch=10"],
        ["train.trainable=norms"],
        ["train.trainable=as_many_as_norms", "optim.clip_norm=1"],
        ["train.trainable=norms", "optim.adaptive_clip=0.01"],
        ["train.train_output_layer=true"],
        ["evaluate.every_steps=10"],
        ["evaluate.after=last_epoch"],
    ],
)
def test_what_is_possible_is_neither_an_error_nor_warned_of(load, overrides):
    assert load(*overrides).warnings == ()


@pytest.mark.parametrize(
    ("overrides", "key", "reason"),
    [
        (["data.classes_per_batch=11"], "data.classes_per_batch", "11 is more than the 10 classes"),
        (
            ["data.classes_per_batch=8", "data.batch_size=4"],
            "data.classes_per_batch",
            "8 is more than the 4 images of a batch",
        ),
        (
            ["train.trainable=norms", "model.norm=none"],
            "train.trainable",
            "'norms' needs a network with norms; set model.norm",
        ),
        (
            ["train.trainable=as_many_as_norms", "model.norm.affine=false"],
            "train.trainable",
            "'as_many_as_norms' needs norms that learn γ and β, which affine: false leaves out",
        ),
        (
            ["train.trainable=as_many_as_norms", "optim.adaptive_clip=0.01"],
            "optim.adaptive_clip",
            "clips whole filters, of which 'as_many_as_norms' trains a part; use clip_norm",
        ),
        (
            ["optim.clip_norm=1", "optim.adaptive_clip=0.01"],
            "optim",
            "clip_norm and adaptive_clip exclude each other; remove one of them",
        ),
        (
            ["evaluate.after=last_epoch", "evaluate.every_steps=10"],
            "evaluate",
            "after: last_epoch leaves no evaluations for every_steps; remove one of them",
        ),
    ],
)
def test_what_is_impossible_is_reported_at_its_key(load, overrides, key, reason):
    with pytest.raises(ConfigError) as caught:
        load(*overrides)

    assert f"{key}" in str(caught.value)
    assert reason in str(caught.value)


def test_an_interval_longer_than_the_training_is_warned_of(load):
    (warning,) = load("train.epochs=3", "evaluate.every_steps=2113").warnings

    assert "evaluate.every_steps: 2,113 is more than the training's 2,112 steps" in str(warning)
