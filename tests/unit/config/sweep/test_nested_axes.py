"""The keys of a grid or a zip may be nested as in the config."""

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
    assert problem.reason == "is swept twice; it is already in line 6"


def test_a_nested_value_that_is_not_a_list_is_a_mistake_at_its_key(cells):
    with pytest.raises(ConfigError, match=r"sweep.grid.train.epochs: must be a list, not 3"):
        cells("sweep: {grid: {train: {epochs: 3}}}")


def test_an_option_is_swept_without_the_name_of_the_default_part(cells):
    assert cells("sweep: {grid: {optim.learning_rate: [0.1, 0.3]}}") == (
        "learning_rate=0.1",
        "learning_rate=0.3",
    )
    assert cells("sweep: {grid: {model.norm.momentum: [0.1, 0.3]}}")[0] == "momentum=0.1"
