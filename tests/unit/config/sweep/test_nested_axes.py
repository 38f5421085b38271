"""The keys that a sweep or a claim names may be nested as in the config."""

import pytest

from bnexp.config.load import load_experiment
from bnexp.errors import ConfigError

CONFIG = """\
name: trial
data: {name: cifar10}
model: {name: cnn, layers: [{conv: 8}, {conv: 16}]}
"""


@pytest.fixture
def cells(tmp_path):
    def load_cells(text, *overrides):
        path = tmp_path / "c.yaml"
        path.write_text(CONFIG + text)
        return load_experiment(path, overrides).cells

    return load_cells


DOTTED = "sweep: {grid: {model.norm.name: [none, batch], data.batch_size: [8, 32]}}"


@pytest.mark.parametrize(
    "nested",
    [
        "sweep: {grid: {model: {norm: {name: [none, batch]}}, data: {batch_size: [8, 32]}}}",
        "sweep: {grid: {model: {norm.name: [none, batch]}, data.batch_size: [8, 32]}}",
    ],
)
def test_a_nested_grid_makes_the_cells_of_a_dotted_one(nested, cells):
    assert cells(nested) == cells(DOTTED)


def test_a_nested_zip_makes_the_cells_of_a_dotted_one(cells):
    nested = "sweep: {zip: {model: {norm: {name: [none, batch]}}, optim: {learning_rate: [1, 2]}}}"
    dotted = "sweep: {zip: {model.norm.name: [none, batch], optim.learning_rate: [1, 2]}}"

    assert (
        cells(nested)
        == cells(dotted)
        == ("norm=none,learning_rate=1", "norm=batch,learning_rate=2")
    )


def test_an_override_adds_an_axis(cells):
    assert cells("", "sweep.grid.model.norm.name=[none, layer]") == ("norm=none", "norm=layer")


def test_an_override_replaces_an_axis_of_the_file(cells):
    found = cells(DOTTED, "sweep.grid.model.norm.name=[layer]", "sweep.grid.data.batch_size=[4]")

    assert found == ("norm=layer,batch_size=4",)


def test_an_axis_written_in_both_ways_is_a_mistake_at_the_second(cells):
    with pytest.raises(ConfigError) as caught:
        cells("sweep:\n  grid:\n    train.epochs: [1]\n    train: {epochs: [2]}\n")

    (problem,) = caught.value.problems
    assert (problem.line, problem.column, problem.path) == (7, 13, "sweep.grid.train.epochs")
    assert problem.reason == "is set twice; it is already in line 6"


def test_a_nested_value_that_is_not_a_list_is_a_mistake_at_its_key(cells):
    with pytest.raises(ConfigError, match=r"sweep.grid.train.epochs: must be a list, not 3"):
        cells("sweep: {grid: {train: {epochs: 3}}}")


def test_an_option_is_swept_without_the_name_of_the_default_part(cells):
    assert cells("sweep: {grid: {optim.learning_rate: [0.1, 0.3]}}") == (
        "learning_rate=0.1",
        "learning_rate=0.3",
    )
    assert cells("sweep: {grid: {model.norm.momentum: [0.1, 0.3]}}")[0] == "momentum=0.1"


@pytest.mark.parametrize(
    ("item", "cell"),
    [
        ("{model: {norm: {name: none}}}", "norm=none"),
        ("{model: {norm: {name: group, num_groups: 4}}}", "norm=group(num_groups=4)"),
        ("{model: {norm: layer, activation: silu}}", "norm=layer,activation=silu"),
        ("{optim: {schedule: {warmup_epochs: 2}}}", "warmup_epochs=2"),
    ],
)
def test_an_include_may_be_nested(item, cell, cells):
    assert cells(f"sweep: {{include: [{item}]}}") == ("base", cell)


def test_a_nested_include_keeps_what_it_does_not_set(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text(CONFIG + "sweep: {include: [{model: {activation: silu}}]}")
    assert len(load_experiment(path).runs[1].config.model.layers) == 2


@pytest.mark.parametrize(
    "item",
    [
        "{model: {norm: {name: [none]}}, data: {batch_size: 8}}",
        "{model.norm.name: none, data: {batch_size: [8]}}",
    ],
)
def test_an_exclude_may_be_nested(item, cells):
    found = cells(DOTTED.removesuffix("}") + f", exclude: [{item}]}}")
    assert found == (
        "norm=none,batch_size=32",
        "norm=batch,batch_size=8",
        "norm=batch,batch_size=32",
    )


def test_a_mapping_that_is_a_swept_value_is_excluded_whole(cells):
    values = "{name: cosine, warmup_epochs: 1}", "{name: cosine, warmup_epochs: 2}"
    sweep = f"sweep: {{grid: {{optim.schedule: [{', '.join(values)}]}}, exclude: [%s]}}"
    assert len(cells(sweep % f"{{optim: {{schedule: {values[1]}}}}}")) == 1


def test_a_nested_include_sets_keys_beside_the_swept_one(cells):
    include = "{model: {norm: {name: group, num_groups: 4}}}"
    found = cells(f"sweep: {{grid: {{model.norm.name: [none, batch]}}, include: [{include}]}}")
    assert found == ("norm=none", "norm=batch", "norm=group,num_groups=4")


def test_the_sides_of_a_claim_may_be_nested(cells):
    sides = "treatment: {model: {norm: {name: batch}}}, control: {model: {norm.name: none}}"
    claim = f"claim: {{statement: s, source: s, {sides}, direction: higher, margin: 0.1}}"
    assert len(cells(f"{claim}\n{DOTTED}".replace(", data.batch_size: [8, 32]", ""))) == 2
