"""A wrong `-s key=value` is told with its own text, its key and the column of the mistake."""

import pytest

from bnexp.config.load import load_experiment
from bnexp.errors import ConfigError, UsageError
from bnexp.foreign_text import visible

GOOD = """\
name: trial
data: {name: cifar10}
model: {name: cnn, layers: [{conv: 8}]}
"""


@pytest.fixture
def mistakes(tmp_path):
    def load_texts(*overrides, text=GOOD):
        (tmp_path / "c.yaml").write_text(text)
        with pytest.raises(ConfigError) as caught:
            load_experiment(tmp_path / "c.yaml", overrides)
        return str(caught.value).replace(f"{tmp_path}/", "").splitlines()

    return load_texts


@pytest.mark.parametrize(
    ("override", "column_and_reason"),
    [
        ("train.epochs=012", "14: train.epochs: '012' has a leading zero; write 12, or '012' in "
         "quotes for a text"),
        ("train.epochs=[", "14: train.epochs: not valid YAML: the [ that opens here is not "
         "closed"),
        ("train.epochs=&a 1", "14: train.epochs: the anchor '&a' is not allowed; write the value "
         "out or use 'extends'"),
        ("train.epochs=!x 1", "14: train.epochs: the tag '!x' is not allowed; write a plain "
         "value"),
        ("train.epochs=" + "9" * 30, "14: train.epochs: the number 999999999999999… is too large"),
        ("train.epochs=#", "14: train.epochs: is only a comment; put a text with '#' in quotes"),
        ('name="\\ud800"', "6: name: the character U+D800 is not allowed"),
        ("extends=x.yaml", "1: extends: only a file can extend another; write it there"),
        ("seeds=3", "1: seeds: unknown key (did you mean 'sweep.seeds'?)"),
        ("extend=x", "1: extend: unknown key; the keys here are claim, data, diagnostics, "
         "evaluate, model, name, optim, sweep, tiers, train"),
        ("optim.beta1=0.3", "1: optim.beta1: unknown key; the keys here are adaptive_clip, "
         "clip_norm, decay_norm, learning_rate, learning_rate_factor, momentum, name, nesterov, "
         "schedule, weight_decay"),
        ("train.ep\u200bochs=3", r"9: train.ep\u200bochs: an invisible character here, U+200B "
         "(zero width space); delete it, or put the text in quotes if it belongs there"),
        ("train.epochs=\u00a03", "14: train.epochs: an invisible character here, U+00A0 (no-break "
         "space); write a normal space, or put the text in quotes if it belongs there"),
    ],
)  # fmt: skip
def test_a_wrong_override_is_told_at_its_column_with_its_key(override, column_and_reason, mistakes):
    assert mistakes(override) == [f"-s {visible(override)}:1:{column_and_reason}"]


def test_wrong_overrides_are_told_together_and_with_the_mistakes_of_the_file(mistakes):
    told = mistakes(
        "data.batch_size=3",
        "model.layers.9.conv=1",
        "train.seed=[",
        "data.val_size=x",
        text=GOOD + "train: {epochs: two}\nsweep: {grid: {data.batch_size: [8, 16]}}\n",
    )

    assert [line.split(": ")[0] for line in told] == [
        "-s data.batch_size=3:1:1",
        "-s data.val_size=x:1:15",
        "-s model.layers.9.conv=1:1:1",
        "-s train.seed=[:1:12",
        "c.yaml:4:17",
    ]


def test_what_a_broken_override_might_have_said_is_not_missed(mistakes):
    told = mistakes("model=[", text="name: trial\ndata: {name: cifar10}\n")

    assert [line.split(": ")[0] for line in told] == ["-s model=[:1:7"]


def test_an_override_that_is_not_text_is_refused(tmp_path):
    (tmp_path / "c.yaml").write_text(GOOD)

    with pytest.raises(
        UsageError, match=r"^-s train\.\\udcff=1: the character U\+DCFF is not allowed$"
    ):
        load_experiment(tmp_path / "c.yaml", ["train.\udcff=1"])


SWEPT = "sweep: {seeds: 3, grid: {model.norm.name: [none, batch]}, zip: {optim.schedule: [step]}}\n"


@pytest.mark.parametrize(
    ("override", "told"),
    [
        ("model.norm.name=group", "1: model.norm.name: sweep.grid sets this key; change it there"),
        ("model.norm=group", "1: model.norm: holds 'model.norm.name', which sweep.grid sets; "
         "change it there, or override keys beside it"),
        ("model={name: mlp}", "1: model: holds 'model.norm.name', which sweep.grid sets; change "
         "it there, or override keys beside it"),
        ("model.norm.name.x=1", "1: model.norm.name.x: lies inside 'model.norm.name', which "
         "sweep.grid sets; change it there"),
        ("optim.schedule.gamma=0.2", "1: optim.schedule.gamma: lies inside 'optim.schedule', "
         "which sweep.zip sets; change it there"),
        ("optim={name: sgd}", "1: optim: holds 'optim.schedule', which sweep.zip sets; change it "
         "there, or override keys beside it"),
        ("train.seed=7", "1: train.seed: sweep.seeds sets this key; change it there"),
        ("train={seed: 7}", "8: train.seed: sweep.seeds sets this key; change it there"),
    ],
)  # fmt: skip
def test_an_override_that_the_sweep_would_undo_is_told_with_both_keys(override, told, mistakes):
    assert f"-s {override}:1:{told}" in mistakes(override, text=GOOD + SWEPT)


def test_an_override_that_only_some_cells_can_have_is_told_with_one_of_the_others(mistakes):
    swept = "sweep: {grid: {model.norm.name: [none, batch]}}\n"

    assert mistakes("model.norm.momentum=0.3", text=GOOD + swept) == [
        "-s model.norm.momentum=0.3:1:1: model.norm.momentum: unknown key; the keys here are name "
        "(in cell norm=none)"
    ]


def test_an_override_that_every_cell_discards_is_told_with_the_key_that_does(mistakes):
    text = GOOD.replace("]}", "], norm: batch}")
    swept = "sweep: {grid: {model.norm.name: [none, layer]}}\n"

    assert mistakes("model.norm.momentum=0.3", text=text + swept) == [
        "-s model.norm.momentum=0.3:1:1: model.norm.momentum: has no effect, as setting "
        "'model.norm.name' discards it"
    ]


def test_of_two_overrides_that_contradict_each_other_the_lost_one_is_told(mistakes):
    assert mistakes("model.norm.name=layer", "model.norm=batch") == [
        "-s model.norm=batch:1:1: model.norm: has no effect, as setting 'model.norm.name' "
        "discards it"
    ]


def test_overrides_beside_swept_keys_refine_each_other_and_the_last_of_one_key_counts(tmp_path):
    swept = "sweep: {include: [{model.norm: layer}, {model.norm: none, train.epochs: 5}]}\n"
    (tmp_path / "c.yaml").write_text(GOOD + swept)
    overrides = ["model.norm.num_groups=4", "model.norm=group", "train.epochs=1", "train.epochs=2"]

    configs = [run.config for run in load_experiment(tmp_path / "c.yaml", overrides).runs]

    assert [config.model.norm.name for config in configs] == ["group", "layer", "none"]
    assert configs[0].model.norm.num_groups == 4
    assert [config.train.epochs for config in configs] == [2, 2, 5]
