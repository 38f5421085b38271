"""Configs that come with bnexp: found by name, and each complete in what it says of itself."""

import re
from pathlib import Path

import pytest

from bnexp.config import shipped
from bnexp.config.load import load_experiment
from bnexp.config.shipped import find_config, find_shipped, list_shipped
from bnexp.errors import ConfigError, UsageError

ROOT = Path(__file__).parents[3]
SHIPPED = list_shipped()


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_they_are_those_of_the_repository():
    assert {one.path for one in SHIPPED} == set((ROOT / "configs").rglob("*.yaml"))


def test_the_quickstart_comes_first():
    assert SHIPPED[0].name == "quickstart"


@pytest.mark.parametrize("one", SHIPPED, ids=lambda one: one.name)
def test_each_has_a_purpose_and_a_command(one):
    opening = "\n".join(one.opening)

    assert one.purpose
    assert all(f"# {word}:" in opening for word in ("Purpose", "Source", "Expected", "Command"))
    study = re.fullmatch(r"studies/\d\d-(.+)", one.name)
    command = f"study {study[1]}" if study else f"train configs/{one.name}.yaml"
    assert f"bnexp {command}" in opening


@pytest.mark.parametrize("name", ["bn-vs-none", "cifar10/bn-vs-none"])
def test_it_is_found_with_and_without_its_folder(name, elsewhere):
    found = find_config(Path(name))

    assert found.path == ROOT / "configs/cifar10/bn-vs-none.yaml"


@pytest.mark.parametrize("name", ["placement", "03-placement", "studies/03-placement"])
def test_a_study_is_found_without_its_number_too(name, elsewhere):
    assert find_shipped(name).path == ROOT / "configs/studies/03-placement.yaml"


def test_a_name_without_a_number_comes_first(elsewhere):
    assert find_shipped("initialization").name == "cifar10/initialization"


@pytest.mark.parametrize("is_folder", [False, True])
def test_what_exists_wins(is_folder, elsewhere):
    mine = elsewhere / "quickstart"
    mine.mkdir() if is_folder else mine.write_text("")

    assert find_config(Path("quickstart")) is None


def test_what_is_named_like_a_file_is_a_file(elsewhere):
    assert find_config(Path("mine.yaml")) is None


@pytest.mark.parametrize("name", ["quickstart.yaml", "configs/quickstart.yaml"])
def test_a_missing_file_of_the_same_name_says_how_to_name_it(name, elsewhere):
    with pytest.raises(UsageError) as caught:
        find_config(Path(name))

    assert str(caught.value) == (
        f"no file '{name}'; write quickstart for the config that comes with bnexp"
    )


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("quikstart", "no config 'quikstart' comes with bnexp (did you mean 'quickstart'?)"),
        ("nothing", "no config 'nothing' comes with bnexp; `bnexp init` lists all"),
    ],
)
def test_an_unknown_name_gets_the_nearest_or_the_list(name, reason, elsewhere):
    with pytest.raises(UsageError) as caught:
        find_config(Path(name))

    assert str(caught.value) == f"no such file, and {reason}"


def test_a_name_in_two_folders_is_ambiguous(tmp_path, monkeypatch):
    for folder in ("cifar10", "mnist"):
        (tmp_path / "configs" / folder).mkdir(parents=True)
        (tmp_path / "configs" / folder / "mlp.yaml").write_text("")
    monkeypatch.setattr(shipped, "_PACKAGE", tmp_path)

    with pytest.raises(UsageError) as caught:
        find_shipped("mlp")

    assert str(caught.value) == "'mlp' may be cifar10/mlp and mnist/mlp; name its folder too"
    assert find_shipped("mnist/mlp").path == tmp_path / "configs/mnist/mlp.yaml"


def test_a_file_can_extend_one_by_name(elsewhere):
    (elsewhere / "mine.yaml").write_text("extends: quickstart\ntrain: {epochs: 2}\n")

    experiment = load_experiment(Path("mine.yaml"))

    assert experiment.name == "quickstart"
    assert {run.config.train.epochs for run in experiment.runs} == {2}


def test_an_unknown_base_is_suggested_one(elsewhere):
    (elsewhere / "mine.yaml").write_text("extends: quikstart\n")

    with pytest.raises(ConfigError) as caught:
        load_experiment(Path("mine.yaml"))

    assert str(caught.value).startswith(
        "mine.yaml:1:10: extends: no file 'quikstart', and no config 'quikstart' comes with bnexp "
        "(did you mean 'quickstart'?)"
    )


def test_a_file_named_without_its_suffix_is_hinted_at(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("mine.yaml").touch()
    with pytest.raises(UsageError, match=r"^no file 'mine'; write mine\.yaml$"):
        find_config(Path("mine"))
