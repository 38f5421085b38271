"""What a config file, its bases, its overrides and its sweep add up to."""

import re

import pytest
import yaml

from bnexp.config.load import load_experiment
from bnexp.config.yaml.writer import write_yaml
from bnexp.errors import BnexpError, ConfigError
from bnexp.launch.resolved_config import resolved_config

BASE = """\
name: trial
data: {name: cifar10}
model:
  name: cnn
  layers: [{conv: 8}, {conv: 16, norm: none}]
  norm: {name: batch, eps: 1e-3}
"""


@pytest.fixture
def load(tmp_path):
    def load_texts(*overrides, **files):
        for name, text in files.items():
            (tmp_path / f"{name}.yaml").write_text(text)
        return load_experiment(tmp_path / "c.yaml", overrides)

    return load_texts


def only(experiment):
    (run,) = experiment.runs
    return run.config


def test_options_without_a_name_are_those_of_the_default_part(load):
    config = only(load("optim.learning_rate=0.3", c=BASE))
    schedule = only(load("optim.schedule.final_fraction=0.1", c=BASE)).optim.schedule

    assert (config.optim.name, config.optim.learning_rate, config.optim.momentum) == (
        "sgd",
        0.3,
        0.9,
    )
    assert (schedule.name, schedule.final_fraction, schedule.warmup_epochs) == ("cosine", 0.1, 1.0)


def test_a_config_without_a_sweep_is_one_run_called_base(load):
    (run,) = load(c=BASE + "train: {seed: 7}\n").runs

    assert (run.cell, run.seed, dict(run.settings)) == ("base", 7, {})
    assert run.config.model.norm.eps == 0.001


def test_a_layer_overrides_the_norm(load):
    assert [layer.norm and layer.norm.name for layer in only(load(c=BASE)).model.layers] == [
        None,
        "none",
    ]


def test_the_grid_is_the_product_with_the_last_key_fastest(load):
    experiment = load(
        c=BASE
        + "sweep: {seeds: 2, grid: {model.norm.name: [none, batch], data.batch_size: [8, 16]}}"
    )

    assert experiment.cells == (
        "norm=none,batch_size=8",
        "norm=none,batch_size=16",
        "norm=batch,batch_size=8",
        "norm=batch,batch_size=16",
    )
    assert [
        (run.config.model.norm.name, run.config.data.batch_size, run.seed)
        for run in experiment.runs
    ] == [(norm, size, seed) for norm in ("none", "batch") for size in (8, 16) for seed in (0, 1)]


def test_a_zip_takes_its_lists_row_by_row_and_joins_them_with_the_grid(load):
    experiment = load(
        c=BASE
        + "sweep: {grid: {data.batch_size: [8, 16]}, "
        + "zip: {model.norm.name: [none, batch], optim.learning_rate: [0.1, 0.3]}}"
        + "\noptim: {name: sgd}\n"
    )

    assert experiment.cells == (
        "batch_size=8,norm=none,learning_rate=0.1",
        "batch_size=8,norm=batch,learning_rate=0.3",
        "batch_size=16,norm=none,learning_rate=0.1",
        "batch_size=16,norm=batch,learning_rate=0.3",
    )
    assert dict(experiment.runs[1].settings) == {
        "data.batch_size": 8,
        "model.norm.name": "batch",
        "optim.learning_rate": 0.3,
    }


def test_another_name_drops_the_options_of_the_old_part(load):
    experiment = load(c=BASE + "sweep: {grid: {model.norm.name: [batch, none]}}")

    batch, none = (run.config.model.norm for run in experiment.runs)
    assert batch.eps == 0.001
    assert none.name == "none"


def test_the_name_of_a_part_is_set_before_its_options_whatever_their_order(load):
    config = only(
        load(
            "model.norm.eps=0.5",
            "model.norm.name=batch",
            c=BASE.replace("name: batch", "name: none").replace(", eps: 1e-3", ""),
        )
    )

    assert config.model.norm.eps == 0.5


def test_a_whole_part_can_be_swept(load):
    experiment = load(c=BASE + "sweep: {grid: {model.norm: [none, {name: batch, eps: 0.1}]}}")

    assert experiment.cells == ("norm=none", "norm=batch(eps=0.1)")
    assert experiment.runs[1].config.model.norm.eps == 0.1


def test_keys_that_end_alike_get_longer_names(load):
    experiment = load(
        c=BASE
        + "sweep: {grid: {model.name: [cnn], optim.name: [sgd]}}".replace(
            "model.name: [cnn], ", "data.name: [cifar10], "
        )
    )

    assert experiment.cells == ("data=cifar10,optim=sgd",)


def test_a_cell_name_never_leaves_its_folder(load):
    experiment = load(c=BASE + "sweep: {grid: {data.root: [../../x, /etc]}}")

    assert all("/" not in cell for cell in experiment.cells)
    assert len(set(experiment.cells)) == 2


def test_a_value_in_a_list_can_be_swept(load):
    experiment = load(c=BASE + "sweep: {grid: {model.layers.0.conv: [4, 8]}}")

    assert [run.config.model.layers[0].conv for run in experiment.runs] == [4, 8]


def test_overrides_are_typed_as_in_yaml(load):
    config = only(
        load("optim.learning_rate=1e-2", "optim.nesterov=false", c=BASE + "optim: {name: sgd}")
    )

    assert (config.optim.learning_rate, config.optim.nesterov) == (0.01, False)


def test_a_wrong_override_is_told_with_its_own_text(load):
    with pytest.raises(ConfigError) as caught:
        load("data.batch_size=big", c=BASE)

    assert str(caught.value) == (
        "-s data.batch_size=big:1:17: data.batch_size: must be a whole number, not 'big'"
    )


def test_an_override_that_is_no_assignment_is_refused(load):
    with pytest.raises(BnexpError, match=r"-s batch: write KEY=VALUE, e.g."):
        load("batch", c=BASE)


def test_an_override_through_a_number_is_refused(load):
    with pytest.raises(ConfigError, match="goes through 64, which has no keys"):
        load("data.batch_size.x=1", c=BASE.replace("cifar10", "cifar10, batch_size: 64"))


def test_an_override_outside_a_list_is_refused(load):
    with pytest.raises(ConfigError, match="'5' is not an index of this list; use 0 to 1"):
        load("model.layers.5.conv=1", c=BASE)


def test_an_override_of_a_swept_key_is_refused(load):
    with pytest.raises(ConfigError, match=r"sweep.grid sets this key; change it there"):
        load("model.norm.name=none", c=BASE + "sweep: {grid: {model.norm.name: [none, batch]}}")


def test_a_file_extends_another_and_overrides_it_key_by_key(load):
    config = only(
        load(base=BASE, c="extends: base.yaml\nname: child\nmodel: {norm: {eps: 1e-4}}\n")
    )

    assert (config.name, config.model.norm.eps, len(config.model.layers)) == ("child", 1e-4, 2)


def test_a_later_base_wins_over_an_earlier_one(load):
    config = only(
        load(
            base=BASE,
            more="train: {epochs: 3, seed: 1}\n",
            c="extends: [base.yaml, more.yaml]\ntrain: {seed: 2}\n",
        )
    )

    assert (config.train.epochs, config.train.seed) == (3, 2)


def test_a_mistake_in_a_base_is_told_in_the_base(load, tmp_path):
    with pytest.raises(ConfigError) as caught:
        load(base=BASE.replace("eps: 1e-3", "esp: 1"), c="extends: base.yaml\nname: child\n")

    assert str(caught.value) == (
        f"{tmp_path}/base.yaml:6:23: model.norm.esp: unknown key (did you mean 'eps'?)"
    )


def test_files_that_extend_each_other_are_refused(load):
    with pytest.raises(
        ConfigError, match=r"extend each other in a circle: c\.yaml → d\.yaml → c\.yaml"
    ):
        load(d="extends: c.yaml\n", c="extends: d.yaml\n" + BASE)


def test_a_missing_base_is_told_at_its_line(load):
    with pytest.raises(ConfigError, match=r"c.yaml:7:10: extends: no file '.*gone.yaml'"):
        load(c=BASE + "extends: gone.yaml\n")


@pytest.mark.parametrize(
    "text", ["1e-3", "off", "no", "012", "true", "null", "~", "1_0", "0x1f", ".5"]
)
def test_a_resolved_config_is_read_back_the_same_by_any_yaml_reader(text, load, tmp_path):
    (run,) = load(c=BASE.replace("name: cifar10", f"name: cifar10, root: '{text}'")).runs
    written = write_yaml(resolved_config(run))

    (tmp_path / "again.yaml").write_text(written)
    (again,) = load_experiment(tmp_path / "again.yaml").runs

    assert again.config == run.config
    assert yaml.safe_load(written)["data"]["root"] == text


def test_name_and_device_do_not_change_the_fingerprint_and_the_rest_does(load):
    def fingerprint(*overrides):
        return only(load(*overrides, c=BASE)).fingerprint()

    same = fingerprint()
    assert fingerprint("name=other") == same
    assert fingerprint("train.device=cpu") == same
    assert fingerprint("evaluate.mistakes=0") == same
    assert fingerprint("evaluate.after=each_epoch") == same
    assert fingerprint("evaluate.after=last_epoch") != same
    assert fingerprint("train.seed=1") != same
    assert fingerprint("model.norm.eps=1e-5") != same


def test_cold_statistics_are_warned_of_with_their_share(load):
    experiment = load(
        "data.train_size=640",
        "train.epochs=1",
        "optim.schedule.warmup_epochs=0",
        c=BASE + "optim: {name: sgd, schedule: {name: cosine}}",
    )

    # 640 images in batches of 128: 5 steps at momentum 0.1 leave 0.9 ** 5 = 59 %.
    assert len(experiment.warnings) == 1
    assert (
        "after 5 steps at BN momentum 0.1, 59 % of the running statistics" in experiment.warnings[0]
    )


def test_a_momentum_in_the_other_convention_is_warned_of(load):
    experiment = load("model.norm.momentum=0.9", c=BASE)

    assert "momentum 0.9 is the weight of the new batch" in experiment.warnings[0]
    assert "write 0.1" in experiment.warnings[0]


def test_a_wrong_value_that_every_cell_replaces_is_told_all_the_same(load):
    sweep = "sweep: {grid: {model.norm.name: [none, batch]}}\n"
    with pytest.raises(ConfigError, match="'bacth' is not one of"):
        load(c=BASE.replace("name: batch, eps: 1e-3", "name: bacth") + sweep)


def test_a_key_that_only_the_sweep_sets_need_not_stand_in_the_base(load):
    base = BASE.replace("  norm: {name: batch, eps: 1e-3}\n", "")
    experiment = load(
        c=base + "sweep: {grid: {optim.name: [sgd, adamw]}}\noptim: {decay_norm: true}\n"
    )

    assert [run.config.optim.name for run in experiment.runs] == ["sgd", "adamw"]


def test_more_threads_than_cores_are_warned_about_at_their_key(load):
    (warning,) = load("train.threads=100000", c=BASE).warnings
    assert "train.threads: 100,000 threads are more than this machine's" in warning
    assert load("train.threads=1", c=BASE).warnings == ()


def test_a_batch_that_is_never_full_is_warned_of(tmp_path):
    (tmp_path / "c.yaml").write_text(
        "name: c\n"
        "data: {name: shapes, train_size: 2000, batch_size: 3000}\n"
        "model: {name: cnn, layers: [{conv: 4}], norm: none}\n"
        "sweep: {seeds: 1, grid: {train.epochs: [5, 6]}}\n"
        "claim:\n"
        "  - {treatment: {train.epochs: 6}, control: {train.epochs: 5}, metric: test/accuracy,\n"
        "     direction: higher, margin: 0.01, source: here, statement: longer is better}\n"
    )
    warnings = load_experiment(tmp_path / "c.yaml").warnings
    assert any("data.batch_size: 3,000 is more than the 2,000 training" in one for one in warnings)


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("model.layers=[{conv: 1000000000}]", "conv: must be at most 65536"),
        ("model.layers=[{conv: 8, kernel_size: 100001}]", "kernel_size: must be at most 4095"),
        ("model={name: mlp, hidden: [1000000000]}", "hidden.0: must be at most 65536"),
        ("train.epochs=1000000000", "train.epochs: must be at most 1000000"),
        ("data={name: image_folder, root: x, image_size: [100000, 8]}", "image_size.0: must be at"),
    ],
)
def test_absurd_sizes_are_mistakes_at_their_keys(override, said, tmp_path):
    (tmp_path / "c.yaml").write_text("name: c\ndata: {name: shapes}\nmodel: {name: cnn}\n")
    with pytest.raises(ConfigError, match=re.escape(said)):
        load_experiment(tmp_path / "c.yaml", [override])
