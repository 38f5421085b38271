"""A mistake that only some cells of a sweep have stands where its key does, with a cell."""

import pytest

from bnexp.config.load import load_experiment
from bnexp.errors import ConfigError
from bnexp.norms import NORMS
from bnexp.parts import part_name

KNOWN_NORMS = ", ".join(part_name(norm) for norm in NORMS)

BASE = """\
name: trial
data: {name: shapes, train_size: 400, val_size: 100, batch_size: 8}
model:
  name: cnn
  layers: [{conv: 4}, {pool: max}]
  norm: batch
optim: {name: sgd}
sweep:
"""


@pytest.fixture
def refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def load_wrong(*parts, base=BASE):
        path = tmp_path / "c.yaml"
        path.write_text(base + "".join(f"  {part}\n" for part in parts))
        with pytest.raises(ConfigError) as caught:
            load_experiment(path.relative_to(tmp_path))
        return str(caught.value).splitlines()

    return load_wrong


def num_groups(channels):
    half = channels // 2
    return (
        f"model.layers.0: num_groups: 32 does not divide the {channels} channels; "
        f"num_groups: {half} fits (or channels_per_group: {half})"
    )


def caused_by(key):
    """The same of 4 channels, at the choice that makes it impossible."""
    return f"{num_groups(4).replace('model.layers.0', key)} (at model.layers.0)"


WRONG = {
    "a value that the rest does not allow": (
        ["grid: {model.norm.name: [none, group]}"],
        [f"c.yaml:9:34: {caused_by('model.norm.name')} (in cell norm=group)"],
    ),
    "that value in several cells": (
        ["grid: {model.norm.name: [none, group], data.batch_size: [8, 16, 24]}"],
        [
            f"c.yaml:9:34: {caused_by('model.norm.name')} "
            "(in cell norm=group,batch_size=8 and 2 others)"
        ],
    ),
    "that value in a zip": (
        ["zip: {model.norm.name: [none, group, batch], train.epochs: [2, 2, 3]}"],
        [f"c.yaml:9:33: {caused_by('model.norm.name')} (in cell norm=group,epochs=2)"],
    ),
    "that value in an include": (
        ["grid: {model.norm.name: [none, batch]}", "include: [{model.norm.name: group}]"],
        [f"c.yaml:10:31: {caused_by('model.norm.name')} (in cell norm=group)"],
    ),
    "a value that is a mapping": (
        ["grid: {model.norm: [none, {name: group, eps: 1e-3}]}"],
        [f"c.yaml:9:29: {caused_by('model.norm')} (in cell norm=group(eps=0.001))"],
    ),
    "two values together": (
        [
            "grid: {model.norm.name: [none, group], model.layers.0.conv: [4, 32], "
            "data.batch_size: [8, 16, 24]}"
        ],
        [f"c.yaml:5:12: {num_groups(4)} (in cell norm=group,conv=4,batch_size=8 and 2 others)"],
    ),
    "two values that only ever stand together": (
        ["zip: {model.norm.name: [none, group], train.epochs: [2, 3]}"],
        [f"c.yaml:9:33: {caused_by('model.norm.name')} (in cell norm=group,epochs=3)"],
    ),
    "one value with another reason for each of two others": (
        ["grid: {model.norm.name: [none, group], model.layers.0.conv: [4, 8]}"],
        [
            f"c.yaml:5:12: {num_groups(4)} (in cell norm=group,conv=4)",
            f"c.yaml:5:12: {num_groups(8)} (in cell norm=group,conv=8)",
        ],
    ),
    "the value itself, in one of its cells": (
        ["grid: {data.batch_size: [8, 57], data.train_size: [400, 300]}"],
        [
            "c.yaml:9:31: data.batch_size: 400 training images leave a last batch of one image, "
            "which batch norm cannot normalize well; set data.drop_last: true or change "
            "train_size or batch_size (in cell batch_size=57,train_size=400)"
        ],
    ),
    "a key that a value makes necessary": (
        ["grid: {data.name: [shapes, image_folder], train.epochs: [1, 2]}"],
        [
            "c.yaml:9:10: data.root: must name the folder that holds train/<class>/ and "
            "test/<class>/ (in cell data=image_folder,epochs=1 and 1 other)"
        ],
    ),
    "a mistake of every cell": (
        ["grid: {model.norm.name: [group], train.epochs: [1, 2]}"],
        [f"c.yaml:9:28: {caused_by('model.norm.name')}"],
    ),
    "a mistake for each of the values": (
        ["grid: {model.norm.name: [group, bath]}"],
        [
            f"c.yaml:9:28: {caused_by('model.norm.name')} (in cell norm=group)",
            f"c.yaml:9:35: model.norm.name: 'bath' is not one of {KNOWN_NORMS} (did you mean "
            "'batch'?) (in cell norm=bath)",
        ],
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_mistake_of_some_cells_is_told_at_its_key_with_a_cell(name, refused):
    parts, told = WRONG[name]

    assert refused(*parts) == told


SEVERAL = {
    "an uneven zip": (
        [
            "grid: {model.norm.name: [none, batch], data.batch_size: [8, sixteen, -1]}",
            "zip: {optim.learning_rate: [0.1, fast], train.epochs: [1, 2, 0]}",
            "exclude: [{data.batch_size: 99, train.epochs: 4}]",
            "include: [{model.norm.name: grupp}]",
        ],
        [
            "c.yaml:9:63: data.batch_size: must be a whole number, not 'sixteen'",
            "c.yaml:9:72: data.batch_size: must be at least 1, not -1",
            "c.yaml:10:9: sweep.zip: the lists must be equally long: optim.learning_rate has 2, "
            "train.epochs has 3",
            "c.yaml:10:36: optim.learning_rate: must be a number, not 'fast'",
            "c.yaml:10:64: train.epochs: must be at least 1, not 0",
            "c.yaml:11:31: sweep.exclude.0.data.batch_size: 99 is not one of this key's values, "
            "8, sixteen, -1",
            "c.yaml:11:49: sweep.exclude.0.train.epochs: 4 is not one of this key's values, 1, "
            "2, 0",
            f"c.yaml:12:31: model.norm.name: 'grupp' is not one of {KNOWN_NORMS} (did you mean "
            "'group'?)",
        ],
    ),
    "wrong seeds and a value twice": (
        [
            "seeds: 0",
            "grid: {model.norm.name: [none, batch, none], trian.epochs: [1]}",
            "exclude: [{model.norm.name: nnoe}]",
        ],
        [
            "c.yaml:9:10: sweep.seeds: must be at least 1, or a list of seeds",
            "c.yaml:10:41: sweep.grid.model.norm.name: the value none is listed twice",
            "c.yaml:10:48: trian: unknown key (did you mean 'train'?)",
            "c.yaml:11:31: sweep.exclude.0.model.norm.name: 'nnoe' is not one of this key's "
            "values, "
            "none, batch (did you mean 'none'?)",
        ],
    ),
    "wrong seeds and an impossible cell": (
        ["seeds: 0", "grid: {model.norm.name: [none, group]}"],
        [
            "c.yaml:9:10: sweep.seeds: must be at least 1, or a list of seeds",
            f"c.yaml:10:34: {caused_by('model.norm.name')} (in cell norm=group)",
        ],
    ),
    "a value that may be right beside another of the sweep": (
        [
            "grid: {model.norm.name: [group], model.norm.num_groups: [2, 2]}",
            "zip: {data.name: [image_folder], data.root: [here]}",
        ],
        ["c.yaml:9:63: sweep.grid.model.norm.num_groups: the value 2 is listed twice"],
    ),
    "an exclude of a key that grid and zip both have": (
        [
            "grid: {train.epochs: [1]}",
            "zip: {train.epochs: [2]}",
            "exclude: [{train.epochs: 2}]",
        ],
        ["c.yaml:9:10: sweep.grid.train.epochs: is also swept by sweep.zip"],
    ),
    "an unknown key that may be the grid": (
        ["gird: {train.epochs: [1, 2]}", "exclude: [{train.epochs: 2}]"],
        ["c.yaml:9:3: sweep.gird: unknown key (did you mean 'grid'?)"],
    ),
    "a grid that is no mapping, and no list": (
        ["grid: {train.epochs: 3, data.batch_size: [big]}", "include: 3"],
        [
            "c.yaml:9:24: sweep.grid.train.epochs: must be a list, not 3; write [3]",
            "c.yaml:9:45: data.batch_size: must be a whole number, not 'big'",
            "c.yaml:10:12: sweep.include: must be a list, not 3",
        ],
    ),
}


@pytest.mark.parametrize("name", SEVERAL)
def test_a_wrong_sweep_hides_no_mistake_that_is_certain(name, refused):
    parts, told = SEVERAL[name]

    assert refused(*parts) == told
