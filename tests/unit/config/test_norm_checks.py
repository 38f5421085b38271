"""Set-ups that a norm cannot work in, or hardly, are told at the key to change."""

import pytest
import yaml

from bnexp.config.checks import check_experiment
from bnexp.config.experiment import ExperimentConfig
from bnexp.config.load import load_experiment
from bnexp.errors import ConfigError
from bnexp.norms.sync_batch.config import SyncBatchNormConfig

CONFIG = """\
name: trial
data: {name: cifar10, batch_size: BATCH}
model:
  name: cnn
  layers: [LAYERS]
  norm: NORM
train: {epochs: 30}
"""
TWO_LAYERS = "{conv: 8}, {pool: max}, {conv: 16}"
ONE_PIXEL = "{conv: 8}, {pool: max, size: 32}, {conv: 16}"


@pytest.fixture
def load(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def load_config(norm, *overrides, layers=TWO_LAYERS, batch_size=64):
        text = CONFIG.replace("NORM", norm).replace("LAYERS", layers)
        path = tmp_path / "c.yaml"
        path.write_text(text.replace("BATCH", str(batch_size)))
        return load_experiment(path.relative_to(tmp_path), overrides)

    return load_config


@pytest.mark.parametrize(
    "norm",
    [
        "none",
        "batch",
        "layer",
        "instance",
        "{name: group, num_groups: 8}",
        "{name: group, channels_per_group: 4}",
        "batch_renorm",
        "noisy_batch",
        "filter_response",
        "{name: batch, momentum: null}",
        "{name: batch, normalization_batch_size: 8}",
    ],
)
def test_an_ordinary_norm_is_neither_an_error_nor_warned_of(load, norm):
    assert load(norm).warnings == ()


@pytest.mark.parametrize(
    ("norm", "place", "reason"),
    [
        (
            "{name: batch, momentum: 0.9}",
            "c.yaml:6:33: model.norm.momentum: ",
            "momentum 0.9 is the weight of the new batch",
        ),
        (
            "{name: noisy_batch, momentum: 0.9}",
            "c.yaml:6:39: model.norm.momentum: ",
            "momentum 0.9 is the weight of the new batch",
        ),
        (
            "{name: batch, track_running_stats: false}",
            "c.yaml:6:44: model.norm.track_running_stats: ",
            "the score of an image depends on the others of its evaluation batch",
        ),
        (
            "{name: batch, frozen: true}",
            "c.yaml:6:31: model.norm.frozen: ",
            "unless weights are loaded, the frozen statistics stay at 0 and 1",
        ),
        (
            "{name: batch, normalization_batch_size: 24}",
            "c.yaml:6:49: model.norm.normalization_batch_size: ",
            "groups of 24 do not divide the batch of 64: the last group of each batch has 16",
        ),
        (
            "{name: batch_renorm, r_max_steps: 90000}",
            "c.yaml:6:43: model.norm.r_max_steps: ",
            "before the limit has risen at step 90000",
        ),
    ],
)
def test_a_suspicious_norm_is_warned_of_once_at_its_key(load, norm, place, reason):
    (warning,) = load(norm).warnings

    assert warning.startswith(place)
    assert reason in warning


FOLDER = "data={name: image_folder, root: pics, batch_size: BATCH, image_size: [64, 32], channels: "


@pytest.mark.parametrize(
    ("norm", "layers", "batch_size", "said"),
    [
        ("group", TWO_LAYERS, 4, "num_groups: 4 fits every layer"),
        ("instance", "{conv: 8}, {pool: max, size: 32}, {conv: 8, stride: 2}", 4, "1×1 pixels"),
        ("batch", "{conv: 8}, {pool: max, size: 64}", 4, "gets only 64×32 pixels"),
        ("batch", "{conv: 8}, {pool: max, size: 32}, {conv: 8, stride: 2}", 1, "batch of 1"),
    ],
)
def test_without_facts_the_network_is_checked_against_the_given_image_size(
    load, norm, layers, batch_size, said
):
    folder = FOLDER.replace("BATCH", str(batch_size))

    with pytest.raises(ConfigError) as caught:
        load(norm, f"{folder}3}}", layers=layers)
    assert said in str(caught.value)
    load(norm, f"{folder}auto}}", layers=layers)


def test_a_suspicious_norm_of_a_layer_is_warned_of_there(load):
    layers = "{conv: 8}, {conv: 16, norm: {name: batch, frozen: true}}"

    (warning,) = load("batch", layers=layers).warnings
    assert warning.startswith("c.yaml:5:62: model.layers.1.norm.frozen: ")


def test_statistics_are_not_cold_where_all_batches_weigh_alike(load):
    overrides = ["data.train_size=128", "train.epochs=1"]
    constant = "optim={name: sgd, schedule: {name: constant}}"

    assert load("{name: batch, momentum: null}", *overrides, constant).warnings == ()
    (warning,) = load("batch", *overrides, constant).warnings
    assert "after 2 steps at BN momentum 0.1, 81 % of the running statistics" in warning


@pytest.mark.parametrize(
    ("norm", "layers", "batch_size", "expected"),
    [
        (
            "group",
            TWO_LAYERS,
            64,
            "c.yaml:5:12: model.layers.0: num_groups: 32 does not divide the 8 channels; "
            "num_groups: 4 fits every layer (or channels_per_group: 8)",
        ),
        (
            "instance",
            ONE_PIXEL,
            64,
            "c.yaml:5:46: model.layers.2: instance norm would see one value per channel and image "
            "(16 channels of 1×1 pixels); use another norm here, or remove a pooling or a stride",
        ),
        (
            "filter_response",
            ONE_PIXEL,
            64,
            "c.yaml:5:46: model.layers.2: filter_response norm would give only signs (16 channels "
            "of 1×1 pixels); set learn_eps: true",
        ),
        (
            "noisy_batch",
            ONE_PIXEL,
            1,
            "c.yaml:5:46: model.layers.2: noisy_batch norm would see one value per channel (batch "
            "of 1, 16 channels of 1×1 pixels); use a larger batch or drop_last",
        ),
        (
            "{name: batch, normalization_batch_size: 1}",
            ONE_PIXEL,
            64,
            "c.yaml:5:46: model.layers.2: batch norm would see one value per channel "
            "(normalization_batch_size of 1, 16 channels of 1×1 pixels); use a larger "
            "normalization_batch_size or drop_last",
        ),
        (
            # Each whole batch leaves a group of 1, the last batch, of 8, leaves one of 3.
            "{name: batch, normalization_batch_size: 5}",
            ONE_PIXEL,
            16,
            "c.yaml:5:46: model.layers.2: batch norm would see one value per channel "
            "(normalization_batch_size of 1, 16 channels of 1×1 pixels); use a larger "
            "normalization_batch_size or drop_last",
        ),
        (
            "{name: group, num_groups: 4, channels_per_group: 4}",
            TWO_LAYERS,
            64,
            "c.yaml:6:9: model.norm: num_groups and channels_per_group say the same; give one of "
            "them",
        ),
        (
            "{name: batch, frozen: true, track_running_stats: false}",
            TWO_LAYERS,
            64,
            "c.yaml:6:9: model.norm: frozen uses the running statistics; set "
            "track_running_stats: true",
        ),
    ],
)
def test_an_impossible_norm_is_told_at_load_with_the_mend(load, norm, layers, batch_size, expected):
    with pytest.raises(ConfigError) as caught:
        load(norm, layers=layers, batch_size=batch_size)

    assert str(caught.value).splitlines() == [expected]


@pytest.mark.parametrize("norm", ["batch", "noisy_batch", "batch_renorm"])
def test_batches_of_one_image_are_refused_like_a_last_one(norm, load):
    load("{name: batch, frozen: true}", batch_size=1)
    load("layer", batch_size=1)

    with pytest.raises(ConfigError, match=f"{norm} norm cannot normalize a batch of one image"):
        load(norm, batch_size=1)


@pytest.mark.parametrize(
    ("overrides", "share"),
    [
        (["train.epochs=1"], "1 of 1 epoch, so the learning rate never reaches 0.1 and never dec"),
        (["train.epochs=2"], "1 of 2 epochs, so the learning rate reaches 0.1 only after 50 % of"),
        (["train.epochs=1", "optim=adamw"], "1 of 1 epoch, so the learning rate never reaches 0.0"),
        (["train.epochs=3", "optim.schedule.warmup_epochs=2"], "2 of 3 epochs"),
    ],
)
def test_a_warm_up_that_takes_half_of_the_run_or_more_is_warned_of(overrides, share, load):
    (warning,) = load("layer", *overrides).warnings

    assert f"optim.schedule.warmup_epochs: the warm-up takes {share}" in warning
    assert load("layer", "train.epochs=5", "optim.schedule.warmup_epochs=2").warnings == ()


def test_a_milestone_within_the_warm_up_is_warned_of(load):
    schedule = "optim={name: sgd, schedule: {name: step, warmup_epochs: 2, milestones: [%s]}}"

    (warning,) = load("layer", "train.epochs=10", schedule % 0.1).warnings
    assert "optim.schedule.milestones: the first milestone, 0.1 of the training, comes" in warning
    assert load("layer", "train.epochs=10", schedule % 0.3).warnings == ()


def test_groups_of_one_image_are_warned_of(load):
    (warning,) = load("{name: batch, normalization_batch_size: 1}").warnings
    assert "groups of one image train as instance norm does" in warning
    (warning,) = load("{name: batch, normalization_batch_size: 8}", "data.train_size=657").warnings
    assert (
        "data.batch_size: the last batch of an epoch has 17 images, so that groups of 8" in warning
    )


def test_a_last_batch_of_one_image_is_fine_where_no_images_share_statistics(load):
    overrides = ["data.train_size=641", "model.placement=before_activation"]

    for norm in ("layer", "{name: batch, frozen: true}"):
        load(norm, *overrides)
    load("{name: batch, normalization_batch_size: 1}", *overrides)
    with pytest.raises(ConfigError, match="641 training images leave a last batch of one image"):
        load("{name: batch, normalization_batch_size: 2}", *overrides)


@pytest.mark.parametrize(
    ("norm", "batch_size"),
    [
        ("instance", 64),
        ("{name: group, channels_per_group: 1}", 64),
        ("{name: batch, normalization_batch_size: 1}", 64),
        ("batch", 1),
    ],
)
def test_a_norm_that_leaves_global_average_pooling_nothing_to_see_is_an_error(
    load, norm, batch_size
):
    after = "model.placement=after_activation"

    for end in ("", ", {pool: avg}", ", {dropout: 0.5}"):
        layers = TWO_LAYERS + end
        with pytest.raises(ConfigError) as caught:
            load(norm, after, layers=layers, batch_size=batch_size)
        told = str(caught.value).splitlines()[-1]
        assert told.startswith("c.yaml:5:36: model.layers.2: ")
        assert told.endswith(
            "norm would make every channel's mean the same for all images, and global average "
            "pooling sees only that; set model.head: flatten or model.placement: "
            "before_activation, or use another norm"
        )


@pytest.mark.parametrize(
    ("norm", "overrides", "layers"),
    [
        ("instance", ["model.placement=before_activation"], TWO_LAYERS),
        ("instance", ["model.placement=after_activation", "model.head=flatten"], TWO_LAYERS),
        ("instance", ["model.placement=after_activation"], TWO_LAYERS + ", {pool: max}"),
        ("layer", ["model.placement=after_activation"], TWO_LAYERS),
        ("batch", ["model.placement=after_activation"], TWO_LAYERS),
    ],
)
def test_other_heads_placements_and_norms_let_images_through(load, norm, overrides, layers):
    assert load(norm, *overrides, layers=layers).warnings == ()


MLP = """\
name: x
data: {name: shapes, train_size: 200, batch_size: 32}
model: {name: mlp, norm: NORM}
train: {epochs: 1}
"""


@pytest.mark.parametrize(
    ("norm", "overrides", "key"),
    [
        (
            "{name: batch, normalization_batch_size: 4}",
            [
                "data.val_size=13",
                "data.drop_last=true",
                "evaluate.population_statistics=[ema, batch]",
            ],
            "data.val_size",
        ),
        (
            "{name: batch, normalization_batch_size: 4}",
            ["evaluate.precise_images=5", "evaluate.population_statistics=[ema, precise]"],
            "evaluate.precise_images",
        ),
    ],
    ids=[
        "a ghost batch of one in batch",
        "a ghost batch of one in precise",
    ],
)
def test_a_norm_that_could_train_but_not_be_evaluated_is_told(norm, overrides, key, tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text(MLP.replace("NORM", norm))

    with pytest.raises(ConfigError, match="evaluation would leave a batch of") as caught:
        load_experiment(path, overrides)
    assert [problem.path for problem in caught.value.problems] == [key]


def test_weight_standardization_without_a_norm_is_told(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text(
        "name: x\ndata: {name: cifar10}\n"
        "model: {name: cnn, layers: [{conv: 8}], norm: none, weight_standardization: true}\n"
    )

    with pytest.raises(ConfigError, match="standardized filters have variance 1"):
        load_experiment(path)


def test_scaled_weight_standardization_needs_no_norm(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text(
        "name: x\ndata: {name: cifar10}\n"
        "model: {name: cnn, layers: [{conv: 8}], norm: none, weight_standardization: scaled}\n"
    )

    assert load_experiment(path).runs


@pytest.mark.parametrize(
    ("model", "biases"),
    [
        ("norm: batch, repeat: 2", 48),
        ("norm: instance", 24),
        ("norm: {name: group, num_groups: 8}", 8),
        ("norm: layer", None),
        ("norm: evonorm", None),
        ("norm: {name: batch, frozen: true}", None),
        ("norm: none", None),
        ("norm: batch, placement: after_activation", None),
    ],
)
def test_biases_that_a_norm_subtracts_are_warned_about_if_the_config_asks_for_them(model, biases):
    layers = "[{conv: 8}, {dropout: 0.1}, {conv: 16}]"
    text = f"{{name: cnn, head: flatten, layers: {layers}, {model}, bias: true}}"
    config = ExperimentConfig.model_validate(
        {"name": "x", "data": {"name": "shapes"}, "model": yaml.safe_load(text)}, strict=False
    )

    found = [one for one in check_experiment(config) if one.path == ("model", "bias")]
    assert len(found) == (biases is not None)
    if found:
        assert not found[0].is_error
        assert f"subtracts {biases} biases, which learn nothing" in found[0].reason
    auto = config.model_copy(update={"model": config.model.model_copy(update={"bias": "auto"})})
    assert not [one for one in check_experiment(auto) if one.path == ("model", "bias")]


def test_sync_batch_is_said_to_be_batch_in_one_process():
    found = dict(SyncBatchNormConfig().find_warnings(128, 10_000))
    assert "is batch, bit for bit" in found["name"]
