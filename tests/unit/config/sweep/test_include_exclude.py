"""What `sweep.exclude` leaves out, what `sweep.include` adds, and what is wrong with either."""

import pytest

from bnexp.config.load import load_experiment
from bnexp.errors import ConfigError

BASE = """\
name: trial
data: {name: cifar10}
model: {name: cnn, layers: [{conv: 8}, {pool: max}]}
optim: {name: sgd, learning_rate: 0.05}
"""

GRID = "grid: {model.norm.name: [none, batch], data.batch_size: [8, 32, 128]}"
ZIP = "zip: {model.norm.name: [none, batch], optim.learning_rate: [0.1, 0.3]}"


@pytest.fixture
def load(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def load_sweep(*parts, overrides=()):
        text = BASE + "sweep:\n" + "".join(f"  {part}\n" for part in parts)
        (tmp_path / "c.yaml").write_text(text)
        return load_experiment((tmp_path / "c.yaml").relative_to(tmp_path), overrides)

    return load_sweep


@pytest.fixture
def refused(load):
    def load_wrong(*parts, overrides=()):
        with pytest.raises(ConfigError) as caught:
            load(*parts, overrides=overrides)
        return str(caught.value).splitlines()

    return load_wrong


def settings_of(experiment):
    return {run.cell: dict(run.settings) for run in experiment.runs}


def test_an_exclude_drops_the_cells_that_match_all_of_its_keys(load):
    experiment = load(GRID, "exclude: [{model.norm.name: none, data.batch_size: 8}]")

    assert experiment.cells == (
        "norm=none,batch_size=32",
        "norm=none,batch_size=128",
        "norm=batch,batch_size=8",
        "norm=batch,batch_size=32",
        "norm=batch,batch_size=128",
    )


def test_a_list_in_an_exclude_matches_any_of_its_values(load):
    experiment = load(GRID, "exclude: [{model.norm.name: none, data.batch_size: [8, 32.0]}]")

    assert len(experiment.cells) == 4
    assert "norm=none,batch_size=128" in experiment.cells


def test_a_cell_is_dropped_that_matches_any_of_the_excludes(load):
    experiment = load(
        GRID, "exclude: [{model.norm.name: none}, {data.batch_size: 8}, {data.batch_size: 32}]"
    )

    assert experiment.cells == ("norm=batch,batch_size=128",)


def test_a_list_that_is_itself_a_swept_value_is_matched_whole(load):
    augment = "grid: {data.augment: [[random_crop], [random_crop, horizontal_flip], []]}"

    experiment = load(augment, "exclude: [{data.augment: [random_crop, horizontal_flip]}]")
    other = load(augment, "exclude: [{data.augment: [[random_crop], []]}]")

    assert experiment.cells == ("augment=random_crop", "augment=empty")
    assert other.cells == tuple(
        cell for cell in load(augment).cells if cell not in experiment.cells
    )


def test_rows_of_a_zip_and_null_are_excluded_like_values_of_a_grid(load):
    experiment = load(
        ZIP,
        "grid: {data.train_size: [null, 20000]}",
        "exclude: [{optim.learning_rate: 0.3, data.train_size: null}]",
    )

    assert experiment.cells == (
        "train_size=null,norm=none,learning_rate=0.1",
        "train_size=20000,norm=none,learning_rate=0.1",
        "train_size=20000,norm=batch,learning_rate=0.3",
    )


def test_an_excluded_cell_need_not_be_possible(load):
    parts = ("grid: {model.norm.name: [none, batch], data.batch_size: [1, 8]}", "seeds: 2")
    impossible = "exclude: [{model.norm.name: batch, data.batch_size: 1}]"

    assert len(load(*parts, impossible, "max_runs: 8").runs) == 6


def test_an_include_is_one_more_cell_named_by_what_it_sets(load):
    experiment = load(
        GRID,
        "include: [{model.norm.num_groups: 4, model.norm.name: group}, {data.batch_size: 2}]",
    )

    assert experiment.cells[6:] == ("norm=group,num_groups=4", "batch_size=2")
    config = experiment.runs[6].config
    assert (config.model.norm.num_groups, config.data.batch_size) == (4, 128)
    assert experiment.runs[7].config.model.norm.name == "batch"


def test_neither_include_nor_exclude_renames_another_cell(load):
    plain = load(GRID).cells
    first = "{optim.momentum: 0.5, model.norm.name: batch, model.norm.momentum: 0.2}"
    more = "{optim.weight_decay: 0.5}, {optim.schedule.name: constant}"

    one = load(GRID, f"include: [{first}]").cells
    several = load(GRID, "exclude: [{data.batch_size: 8}]", f"include: [{first}, {more}]").cells

    assert one[:6] == plain
    assert one[6] == "norm=batch,optim.momentum=0.5,norm.momentum=0.2"
    assert several[:4] == tuple(cell for cell in plain if not cell.endswith("=8"))
    assert several[4] == one[6]


def test_an_include_of_a_key_that_ends_like_a_swept_one_takes_the_longer_name(load):
    experiment = load(
        "grid: {optim.momentum: [0.5, 0.9]}",
        "include: [{model.norm.name: batch, model.norm.momentum: 0.2}]",
    )

    assert experiment.cells == ("momentum=0.5", "momentum=0.9", "norm=batch,norm.momentum=0.2")


def test_every_cell_has_a_setting_for_every_key_of_the_sweep(load):
    experiment = load(
        "grid: {model.norm.name: [none, batch]}",
        "include: [{model.norm.name: group, model.norm.num_groups: 4, model.layers.0.conv: 16, "
        "optim.learning_rate: 0.1, data.batch_size: 8, optim.schedule: constant}]",
    )

    assert settings_of(experiment)["norm=batch"] == {
        "model.norm.name": "batch",
        "model.norm.num_groups": None,
        "model.layers.0.conv": 8,
        "optim.learning_rate": 0.05,
        "data.batch_size": 128,
        "optim.schedule": "cosine",
    }
    assert list(settings_of(experiment).values())[2] == {
        "model.norm.name": "group",
        "model.norm.num_groups": 4,
        "model.layers.0.conv": 16,
        "optim.learning_rate": 0.1,
        "data.batch_size": 8,
        "optim.schedule": "constant",
    }


def test_without_grid_and_zip_the_config_itself_is_the_cell_base(load):
    experiment = load("include: [{model.norm: layer}, {model.norm: none}]")

    assert experiment.cells == ("base", "norm=layer", "norm=none")
    assert settings_of(experiment)["base"] == {"model.norm": "batch"}


def test_an_excluded_cell_can_be_included_again(load):
    experiment = load(
        GRID,
        "exclude: [{model.norm.name: none}]",
        "include: [{model.norm.name: none, data.batch_size: 128}]",
    )

    assert experiment.cells[-1] == "norm=none,batch_size=128"


def test_overrides_replace_and_remove_both(load):
    parts = (GRID, "exclude: [{data.batch_size: 8}]", "include: [{data.batch_size: 2}]")

    experiment = load(*parts, overrides=["sweep.include=[{data.batch_size: 4}]"])
    assert experiment.cells[-1] == "batch_size=4"
    assert len(load(*parts, overrides=["sweep.include=null", "sweep.exclude=null"]).cells) == 6
    assert load(*parts, overrides=["optim.learning_rate=0.2"]).runs[0].config.optim.learning_rate


def test_cells_whose_labels_run_together_have_different_names(load):
    experiment = load('grid: {data.root: ["x,batch_size=8", x], data.batch_size: [16, 8]}')
    twice = load('include: [{data.root: "x,batch_size=8"}, {data.root: x, data.batch_size: 8}]')

    assert len(set(experiment.cells)) == 4
    assert len(set(twice.cells)) == 3


WRONG = {
    "an exclude that is no list": (
        [GRID, "exclude: {data.batch_size: 8}"],
        ["c.yaml:7:12: sweep.exclude: must be a list, not a mapping"],
    ),
    "an exclude that is no mapping": (
        [GRID, "exclude: [8]"],
        ["c.yaml:7:13: sweep.exclude.0: must be a mapping, not 8"],
    ),
    "an exclude without a key": (
        [GRID, "exclude: [{}]"],
        ["c.yaml:7:13: sweep.exclude.0: needs at least one key with the value to leave out"],
    ),
    "an exclude of a key that is not swept": (
        [GRID, "exclude: [{data.batchsize: 8}]"],
        [
            "c.yaml:7:14: sweep.exclude.0.data.batchsize: is not swept by grid or zip "
            "(did you mean 'data.batch_size'?)"
        ],
    ),
    "an exclude without anything swept": (
        ["exclude: [{data.batch_size: 8}]"],
        [
            "c.yaml:6:14: sweep.exclude.0.data.batch_size: is not swept by grid or zip; the keys "
            "that are: none; add sweep.grid or sweep.zip"
        ],
    ),
    "an exclude of a value that the key never has": (
        [GRID, "exclude: [{model.norm.name: bacth, data.batch_size: [8, 64]}]"],
        [
            "c.yaml:7:31: sweep.exclude.0.model.norm.name: 'bacth' is not one of this key's "
            "values, "
            "none, batch (did you mean 'batch'?)",
            "c.yaml:7:59: sweep.exclude.0.data.batch_size: 64 is not one of this key's values, "
            "8, 32, 128",
        ],
    ),
    "an exclude of values that no row has together": (
        [ZIP, "exclude: [{model.norm.name: none, optim.learning_rate: 0.3}]"],
        ["c.yaml:7:13: sweep.exclude.0: no cell has all of these values together"],
    ),
    "excludes that leave nothing": (
        [GRID, "exclude: [{model.norm.name: none}, {model.norm.name: batch}]"],
        ["c.yaml:7:12: sweep.exclude: nothing is left of grid and zip; exclude less"],
    ),
    "an include without a key": (
        [GRID, "include: [{}]"],
        ["c.yaml:7:13: sweep.include.0: needs at least one key with its value"],
    ),
    "an include of a key that no sweep sets": (
        [GRID, "include: [{train.seed: 3, name: x}]"],
        [
            "c.yaml:7:14: sweep.include.0.train.seed: use sweep.seeds for seeds",
            "c.yaml:7:29: sweep.include.0.name: cannot be swept",
        ],
    ),
    "an include around a swept key": (
        [GRID, "include: [{model.norm: group}]"],
        [
            "c.yaml:7:14: sweep.include.0.model.norm: holds 'model.norm.name', which is swept; "
            "set that key and the ones beside it instead"
        ],
    ),
    "an include inside of another's key": (
        [GRID, "include: [{optim.schedule: constant}, {optim.schedule.name: cosine}]"],
        [
            "c.yaml:7:42: sweep.include.1.optim.schedule.name: lies inside 'optim.schedule', "
            "which is also swept"
        ],
    ),
    "an include with an unknown key": (
        [GRID, "include: [{optim.learning_rat: 0.1}]"],
        [
            "c.yaml:7:14: optim.learning_rat: unknown key (did you mean 'learning_rate'?) "
            "(in cell learning_rat=0.1)"
        ],
    ),
    "an include with a wrong value": (
        [GRID, "include: [{optim.learning_rate: fast}]"],
        [
            "c.yaml:7:35: optim.learning_rate: must be a number, not 'fast' "
            "(in cell learning_rate=fast)"
        ],
    ),
    "an include that is impossible": (
        [GRID, "include: [{model.norm.name: group, model.norm.num_groups: 3}]"],
        [
            "c.yaml:3:29: model.layers.0: num_groups: 3 does not divide the 8 channels; "
            "num_groups: 2 fits (or channels_per_group: 4) (in cell norm=group,num_groups=3)"
        ],
    ),
    "an include of a cell that is there": (
        [GRID, "include: [{data.batch_size: 8, model.norm.name: batch}]"],
        ["c.yaml:7:13: sweep.include: is the same as the cell 'norm=batch,batch_size=8'"],
    ),
    "an include of a cell that is there by default": (
        [GRID, "include: [{model.norm.name: batch}, {optim.learning_rate: 0.05}]"],
        [
            f"c.yaml:7:{column}: sweep.include: is the same as the cell 'norm=batch,batch_size=128'"
            for column in (13, 39)
        ],
    ),
    "two includes of one cell": (
        [GRID, "include: [{data.batch_size: 2}, {data.batch_size: 2, train.epochs: 10}]"],
        ["c.yaml:7:35: sweep.include: is the same as the cell 'batch_size=2'"],
    ),
    "more runs than are allowed, though most are excluded": (
        [GRID, "exclude: [{model.norm.name: none}]", "max_runs: 5"],
        [
            "c.yaml:6:3: sweep: 6 runs, counted before sweep.exclude, are more than "
            "sweep.max_runs, 5"
        ],
    ),
    "more includes than are allowed": (
        [GRID, "include: [{data.batch_size: 2}]", "max_runs: 6"],
        ["c.yaml:6:3: sweep: 7 runs are more than sweep.max_runs, 6"],
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_mistake_is_told_at_its_place(name, refused):
    parts, told = WRONG[name]

    assert refused(*parts) == told


def test_a_mistake_in_an_override_is_told_with_its_own_text(refused):
    override = "sweep.exclude=[{data.batch_size: 9}]"

    assert refused(GRID, overrides=[override]) == [
        f"-s {override}:1:34: sweep.exclude.0.data.batch_size: 9 is not one of this key's values, "
        "8, 32, 128"
    ]
