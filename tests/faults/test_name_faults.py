"""Row 12 of the fault matrix: names that are no plain folder's, and run folders that are links."""

import itertools
import json
import re

import pytest
from many_commands import HEAD, run_all, run_in_folders, train_all

from bnexp.config.load import load_experiment

NAMES = {
    "..": "..",
    ".": ".",
    "../x": "../x",
    "/etc/x": "/etc/x",
    "a/b": "a/b",
    "a\\b": "a\\b",
    "NUL": "a\0b",
    "a line break": "x\n",
    "a blank": "x ",
    "none": "",
    "300 characters": "x" * 300,
    "a Cyrillic look-alike": "tri\u0430l",
    "a full-width look-alike": "\uff54rial",
    "an Arabic digit": "trial\u0661",
    "a combining accent": "tria\u0301l",
    "a direction mark": "tri\u202eal",
    "an invisible blank": "tri\u200bal",
    "a folder that is being deleted": ".trash-x",
    "an option": "-rf",
    "the comparison's folder": "_compare",
    "the tuning's folder": "_tune",
    "a device": "CON",
    "a device with an ending": "nul.txt",
    "a device with a number": "com1",
    "a full stop at the end": "x.",
}


@pytest.fixture(scope="module")
def names(tmp_path_factory):
    """Trains a config of each name and returns what was said."""
    rest = HEAD.partition("\n")[2]
    texts = {
        f"name {number}": f"name: {json.dumps(name)}\n{rest}"
        for number, name in enumerate(NAMES.values())
    }
    return train_all(texts, tmp_path_factory)


@pytest.mark.parametrize("number", range(len(NAMES)), ids=NAMES)
def test_row_12_a_name_that_is_no_plain_folder_is_refused(number, names):
    file, (code, said, printed) = names.files[f"name {number}"], names.ends[f"name {number}"]

    assert (code, printed) == (2, "")
    reasons = "names a folder|must (have|begin with) a letter|cannot be the name of a folder"
    assert re.match(rf"{re.escape(file)}:1:7: name: ({reasons})", said)


def test_row_12_an_override_cannot_give_such_a_name_either(tmp_path):
    (tmp_path / "c.yaml").write_text(HEAD)
    names = ("-rf", "_compare", "CON", "x.")

    ends = run_all([["train", "c.yaml", "-s", f"name={name}"] for name in names], tmp_path)

    for name, (code, said, _) in zip(names, ends, strict=True):
        assert code == 2
        assert said.startswith(f"-s name={name}:1:6: name: ")


def test_row_12_cells_have_folders_of_their_own_on_every_system(tmp_path):
    values = ["x", "X", "x.", "X."]
    grid = f"sweep: {{grid: {{data.root: {json.dumps(values)}}}}}\n"
    (tmp_path / "c.yaml").write_text(HEAD + grid)

    cells = load_experiment(tmp_path / "c.yaml").cells

    assert cells[0] == "root=x"
    assert len({cell.casefold().rstrip(".") for cell in cells}) == len(values)


def test_row_12_values_become_folder_names_that_stay_in_their_folder(tmp_path):
    values = ["../../x", "/etc", "a\0b", "x" * 300, "x" * 301, ".", "..", "n\u0430me", "\u202ex"]
    grid = f"sweep: {{grid: {{data.root: {json.dumps(values)}}}}}\n"
    (tmp_path / "c.yaml").write_text(HEAD + grid)

    ((code, said, _printed),) = run_all([["plan", "c.yaml", "--runs-dir", "r"]], tmp_path)

    assert (code, said) == (0, "")
    cells = load_experiment(tmp_path / "c.yaml").cells
    assert len(set(cells)) == len(values)
    assert all(re.fullmatch(r"root=[A-Za-z0-9._=,+()-]{1,115}", cell) for cell in cells)


LEVELS = ["runs/trial", "runs/trial/base", "runs/trial/base/seed=0"]


def link_away(folder, level):
    """Moves a level of a run's path away, and puts a link into its place; returns where it is."""
    elsewhere = folder / "elsewhere"
    run = folder / "runs/trial/base/seed=0"
    run.mkdir(parents=True)
    (run / "status.json").write_text(json.dumps({"state": "interrupted"}))
    (folder / level).rename(elsewhere)
    (folder / level).symlink_to(elsewhere, target_is_directory=True)
    (folder / "c.yaml").write_text(HEAD + "optim: {name: sgd}\n")
    return elsewhere


@pytest.fixture(scope="module")
def linked(tmp_path_factory):
    """For each level, a folder in which it is a link, what that held, and what was said there."""
    folders = {level: tmp_path_factory.mktemp("linked") for level in LEVELS}
    before = {
        level: sorted(link_away(folder, level).rglob("*")) for level, folder in folders.items()
    }
    commands = [
        ["train", "c.yaml"],
        ["train", "c.yaml", "--force"],
        *(["rm", "--yes", level] for level in LEVELS),
        ["rm", "--yes", "trial"],
    ]
    ends = iter(run_in_folders([*itertools.product(folders.values(), commands)]))
    return {
        level: (folder, before[level], [next(ends) for _ in commands])
        for level, folder in folders.items()
    }


@pytest.mark.parametrize("level", LEVELS)
def test_row_12_a_run_folder_that_is_a_link_is_neither_trained_into_nor_removed(level, linked):
    folder, before, results = linked[level]

    for code, said, printed in results:
        assert (code, printed) == (2, "")
        assert said.startswith(f"error: {level} is ")
    assert sorted((folder / "elsewhere").rglob("*")) == before
    assert (folder / level).is_symlink()


def test_row_12_no_folder_but_one_of_runs_is_removed(tmp_path):
    here = tmp_path / "here"  # so that nothing of another test stands in the folder above
    (here / "runs").mkdir(parents=True)
    (here / "x").mkdir()
    (here / "loop").symlink_to("loop")
    targets = ["../x", "/etc", "a\0b", "x" * 300, "..", ".", "/", "runs", "x", "loop", ""]

    results = run_all([["rm", "--yes", target] for target in targets], here)

    for code, said, printed in results:
        assert (code, printed) == (2, "")
        assert said.startswith("error: no runs of '")
    assert sorted(path.name for path in here.iterdir()) == ["loop", "runs", "x"]
