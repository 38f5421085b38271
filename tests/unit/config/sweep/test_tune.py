"""The section `sweep.tune`: what is tried for each cell, and what is wrong with it."""

import pytest

from bnexp.config.load import load_experiment
from bnexp.errors import ConfigError

CONFIG = """\
name: trial
data: {name: cifar10, val_size: 500}
model: {name: cnn, layers: [{conv: 8}]}
sweep:
  seeds: 2
  grid: {model.norm.name: [none, batch]}
  include: [{data.batch_size: 64}]
"""
TUNE = "  tune: {over: {optim: {learning_rate: [0.01, 0.1]}}, by: val/loss, seeds: [100, 101]}\n"


@pytest.fixture
def load(tmp_path):
    def load_text(text, *overrides):
        (tmp_path / "c.yaml").write_text(text)
        return load_experiment(tmp_path / "c.yaml", overrides)

    return load_text


def test_each_cell_tries_each_combination_with_the_tuning_seeds(load):
    experiment = load(CONFIG + TUNE)

    assert [run.name for run in experiment.tuning.runs][::2] == [
        "norm=none,learning_rate=0.01 seed=100",
        "norm=none,learning_rate=0.1 seed=100",
        "norm=batch,learning_rate=0.01 seed=100",
        "norm=batch,learning_rate=0.1 seed=100",
        "batch_size=64,learning_rate=0.01 seed=100",
        "batch_size=64,learning_rate=0.1 seed=100",
    ]
    assert {run.identity["experiment"] for run in experiment.tuning.runs} == {"trial/_tune"}


def test_measured_cells_are_named_as_without_tuning(load):
    plain, tuned = load(CONFIG), load(CONFIG + TUNE)

    assert [run.identity for run in tuned.runs] == [run.identity for run in plain.runs]


def test_a_chosen_value_is_in_the_config_and_not_in_the_settings(load):
    experiment = load(CONFIG + TUNE)
    second = {one.cell: one for one in experiment.tuning.candidates if 0.1 in one.values.values()}
    chosen = experiment.choose({cell: (one, {"how": 1}) for cell, one in second.items()})

    assert {run.config.optim.learning_rate for run in chosen.runs} == {0.1}
    assert [run.settings for run in chosen.runs] == [run.settings for run in experiment.runs]
    assert [run.seed for run in chosen.runs] == [run.seed for run in experiment.runs]
    written = load(CONFIG, "optim.learning_rate=0.1")
    assert [run.identity for run in chosen.runs] == [run.identity for run in written.runs]


def test_only_an_arm_is_tried_if_one_is_named(load):
    arm = TUNE.replace("101]", "101], in: {model: {norm: {name: none}}}")
    experiment = load(CONFIG + arm)

    assert {run.tunes for run in experiment.tuning.runs} == {"norm=none"}
    assert len(experiment.tuning.candidates) == 6


def test_cells_that_share_the_keys_of_each_are_tuned_together(load):
    experiment = load(CONFIG + TUNE.replace("101]", "101], each: [model.norm.name]"))
    groups = {one.cell: one.group for one in experiment.tuning.candidates}

    assert groups == {"norm=none": ("none",), "norm=batch": ("batch",), "batch_size=64": ("batch",)}
    assert len(experiment.tuning.runs) == 12


def test_each_arm_is_tried_in_some_of_its_cells(load):
    arm = TUNE.replace("101]", "101], in: {data.batch_size: 64}, each: [model.norm.name]")
    grid = "grid: {data.batch_size: [64, 128], model.norm.name"
    config = CONFIG.replace("grid: {model.norm.name", grid).replace("  include: [{data", "# ")
    experiment = load(config + arm)

    assert {run.tunes for run in experiment.tuning.runs} == {
        "batch_size=64,norm=none",
        "batch_size=64,norm=batch",
    }


def test_it_is_overridden_key_by_key(load):
    experiment = load(CONFIG + TUNE, "sweep.tune.over.optim.learning_rate=[1, 2, 3]")

    assert len(experiment.tuning.runs) == 18


OVER = "{optim: {learning_rate: [0.01, 0.1]}}"


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (
            "[100, 101]",
            "3",
            "8:76: sweep.tune.seeds: must be a list of seeds, e.g. [100, 101], not 3",
        ),
        ("[100, 101]", "[]", "8:76: sweep.tune.seeds: must not be empty"),
        ("[100, 101]", "[7, 7]", "8:76: sweep.tune.seeds: the same seed is listed twice"),
        (
            "[100, 101]",
            "[a]",
            "8:76: sweep.tune.seeds: a seed is a whole number from 0 to 2147483647, not 'a'",
        ),
        (
            "[100, 101]",
            "[100, 1]",
            "8:82: sweep.tune.seeds: 1 is a measured seed too; tune with others, e.g. [100, 101]",
        ),
        (", seeds: [100, 101]", "", "8:9: sweep.tune.seeds: this key is required"),
        (
            "val/loss",
            "test/loss",
            "8:59: sweep.tune.by: 'test/loss' is not one of val/accuracy, val/loss",
        ),
        (OVER, "{}", "8:16: sweep.tune.over: needs at least one key"),
        (
            "[0.01, 0.1]",
            "[1]",
            "8:41: sweep.tune.over.optim.learning_rate: needs at least two values to choose from",
        ),
        (
            "[0.01, 0.1]",
            "[1, 1.0]",
            "8:44: sweep.tune.over.optim.learning_rate: the value 1.0 is listed twice",
        ),
        (
            "[0.01, 0.1]",
            "1",
            "8:40: sweep.tune.over.optim.learning_rate: must be a list, not 1; write [1]",
        ),
        (
            "[0.01, 0.1]",
            "[0.1, x]",
            "8:46: optim.learning_rate: must be a number, not 'x' (in cell "
            "norm=none,learning_rate=x and 2 others)",
        ),
        (
            "{optim: {learning_rate",
            "{model: {norm.eps",
            "8:25: model.norm.eps: unknown key; the keys here are name (in cell norm=none,eps=0.01 "
            "and 1 other)",
        ),
        (
            "{optim: {learning_rate",
            "{model: {norm",
            "8:25: sweep.tune.over.model.norm: overlaps 'model.norm.name', which sweep.grid sets",
        ),
        (
            "{optim: {learning_rate",
            "{data: {batch_size",
            "8:24: sweep.tune.over.data.batch_size: overlaps 'data.batch_size', which "
            "sweep.include.0 sets",
        ),
        (
            "{optim: {learning_rate",
            "{train: {seed",
            "8:25: sweep.tune.over.train.seed: use sweep.seeds for seeds",
        ),
        (
            "101]",
            "101], in: {model.norm.name: layer}",
            "8:92: sweep.tune.in: no cell has all of these values",
        ),
        (
            "101]",
            "101], in: {model.norm.name: none}, each: [model.norm.name]",
            "8:92: sweep.tune.in: nothing is tried for norm=batch and 1 other: no cell with these "
            "values has the same model.norm.name",
        ),
        (
            "101]",
            "101], each: [model.depth]",
            "8:95: sweep.tune.each: no cell has the key 'model.depth'",
        ),
        (
            "101]",
            "101], each: [model.norm.momentum]",
            "8:95: sweep.tune.each: only 2 of 3 cells have the key 'model.norm.momentum'",
        ),
        (
            "101]",
            "101], each: [model.norm]",
            "8:95: sweep.tune.each: 'model.norm' is a section; name keys in it, e.g. "
            "model.norm.name",
        ),
        (
            "101]",
            "101], each: [optim.learning_rate]",
            "8:95: sweep.tune.each: 'optim.learning_rate' is tuned, so all cells share it before",
        ),
        (
            "101]",
            "101], each: [train.seed]",
            "8:95: sweep.tune.each: use sweep.seeds for seeds",
        ),
        (
            "101]",
            "101], each: model.norm.name",
            "8:94: sweep.tune.each: must be a list, not 'model.norm.name'; write [model.norm.name]",
        ),
        (
            "101]",
            "101], each: []",
            "8:94: sweep.tune.each: must not be empty",
        ),
        ("over:", "ovre:", "8:10: sweep.tune.ovre: unknown key (did you mean 'over'?)"),
        (
            "val_size: 500",
            "val_size: 0",
            "8:59: sweep.tune.by: is measured on validation images, and there are none; set "
            "data.val_size",
        ),
        (
            "101]}",
            "101]}\n  max_runs: 17",
            "8:9: sweep.tune: 18 runs with tuning are more than sweep.max_runs, 17",
        ),
    ],
)
def test_a_mistake_is_reported_where_it_stands(old, new, expected, load):
    text = CONFIG + TUNE
    assert old in text

    with pytest.raises(ConfigError) as caught:
        load(text.replace(old, new))

    found = [str(problem).partition("c.yaml:")[2] for problem in caught.value.problems]
    assert expected in found
    assert len(found) == 1 + (new == "ovre:")


def test_a_tuned_key_cannot_be_overridden(load):
    with pytest.raises(ConfigError, match=r"sweep\.tune\.over sets this key; change it there"):
        load(CONFIG + TUNE, "optim.learning_rate=0.3")


def test_planned_seeds_begin_with_the_first(load):
    experiment = load(CONFIG.replace("seeds: 2", "seeds: {min: 3, max: 5, first: 200}") + TUNE)

    assert [run.seed for run in experiment.runs][:5] == [200, 201, 202, 203, 204]
    assert experiment.looks == (3, 4, 5)


def test_a_tuning_seed_among_the_planned_ones_is_refused(load):
    with pytest.raises(ConfigError, match=r"sweep\.tune\.seeds"):
        load(CONFIG.replace("seeds: 2", "seeds: {min: 3, max: 5, first: 98}") + TUNE)


def test_tuning_runs_take_nothing_that_the_choice_does_not_need(load):
    extras = (
        "diagnostics: [gradient_norm]\n"
        "evaluate: {every_steps: 5, population_statistics: [ema, precise], mistakes: 3}\n"
    )
    experiment = load(CONFIG + TUNE + extras)

    tried = [run.config for run in experiment.tuning.runs]
    assert {config.diagnostics for config in tried} == {()}
    assert {config.evaluate.every_steps for config in tried} == {None}
    assert {config.evaluate.after for config in tried} == {"last_epoch"}
    assert {config.evaluate.population_statistics for config in tried} == {("ema",)}
    measured = experiment.runs[0].config
    assert (len(measured.diagnostics), measured.evaluate.every_steps) == (1, 5)
    assert measured.evaluate.after == "each_epoch"


def test_measured_runs_keep_what_tuning_runs_leave_out(load):
    experiment = load(CONFIG + TUNE + "diagnostics: [gradient_norm]\n")
    first = {one.cell: (one, {}) for one in experiment.tuning.candidates}

    assert {len(run.config.diagnostics) for run in experiment.choose(first).runs} == {1}


def test_the_possible_runs_are_those_with_any_value_of_their_own_cell(load):
    experiment = load(CONFIG + TUNE)
    possible = [config.fingerprint() for config in experiment.list_possible()]

    assert len(possible) == len(set(possible)) == 2 * len(experiment.runs)
    for values in ((0.01, 0.1), (0.1, 0.01)):
        rates = dict(zip(experiment.cells, (*values, *values), strict=False))
        chosen = {
            one.cell: (one, {})
            for one in experiment.tuning.candidates
            if rates[one.cell] in one.values.values()
        }
        assert {run.config.fingerprint() for run in experiment.choose(chosen).runs} < {*possible}
