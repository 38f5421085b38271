"""Data that changed under finished runs is named by train, plan and compare."""

import json
import os
import shutil
from pathlib import Path

import interrupted_runs
import pytest
from image_folders import TRAINED_FOR_A_MOMENT, make_image_folder, save
from typer.testing import CliRunner

from bnexp.cli.app import build_app
from bnexp.errors import UsageError
from bnexp.launch.prepare import check_conditions


@pytest.fixture
def pics(tmp_path, monkeypatch):
    """A folder of pictures on which two runs have finished."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "c.yaml").write_text(TRAINED_FOR_A_MOMENT)
    folder = make_image_folder(tmp_path / "pics")
    assert call("train", "c.yaml").exit_code == 0
    return folder


def call(*arguments):
    result = CliRunner().invoke(build_app(), [*arguments], env={"COLUMNS": "1000"})
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def recorded(word):
    (path,) = Path("runs/pictures").glob("*/seed=0/environment.json")
    return json.loads(path.read_text())["dataset"][word]


def add(pics):
    save(pics / "train" / "dog" / "3.png", (200, 1, 2))


def remove(pics):
    (pics / "train" / "dog" / "2.png").unlink()


def replace_test(pics):
    save(pics / "test" / "cat" / "0.png", (1, 2, 3), mode="RGB", compress_level=0)


def add_val(pics):
    shutil.copytree(pics / "test", pics / "val")


def reorder(pics):
    (pics / "train" / "dog" / "0.png").rename(pics / "train" / "dog" / "9.png")


@pytest.mark.parametrize("change", [add, remove, replace_test, add_val, reorder])
def test_a_change_is_named_by_train_plan_and_compare(pics, change):
    old = recorded("fingerprint")[:12]
    change(pics)

    said = call("train", "c.yaml")
    assert "all done already" in said.stderr
    assert "the data has changed since 2 runs began (20" in said.stderr
    assert f"image_folder in pics was {old} then and is " in said.stderr
    assert "train all runs again with --force" in said.stderr
    assert "has other files now" in call("plan", "c.yaml").stderr
    report = call("compare", "pictures", "--format", "json").stdout
    assert f"was {old} then and has other files now" in report


def test_training_again_ends_the_warning(pics):
    add(pics)
    assert "has changed" not in call("train", "c.yaml", "--force").stderr
    assert "has changed" not in call("train", "c.yaml").stderr
    assert "has changed" not in call("compare", "pictures", "--format", "json").stdout


def test_a_picture_of_the_same_size_is_noticed_by_train(pics):
    path = pics / "train" / "dog" / "0.png"
    other = pics / "train" / "cat" / "0.png"
    if path.stat().st_size != other.stat().st_size:
        pytest.skip("the two files have different sizes")
    shutil.copyfile(other, path)
    os.utime(path, (1, 1))
    assert "the data has changed since" in call("train", "c.yaml").stderr


def test_files_that_were_only_touched_or_copied_raise_no_alarm(pics):
    shutil.copytree(pics, "copy")
    shutil.rmtree(pics)
    Path("copy").rename(pics)
    for path in pics.rglob("*.png"):
        os.utime(path, (1, 1))
    assert "has changed" not in call("train", "c.yaml").stderr
    assert "has changed" not in call("plan", "c.yaml").stderr
    assert "has changed" not in call("compare", "pictures", "--format", "json").stdout


def test_data_that_is_gone_raises_no_alarm(pics):
    shutil.rmtree(pics)
    assert "all done already" in call("train", "c.yaml").stderr
    assert "has changed" not in call("compare", "pictures", "--format", "json").stdout


def test_data_that_has_become_unusable_is_said_not_raised(pics):
    (pics / "train" / "dog" / "1.png").write_bytes(b"no picture")
    said = call("train", "c.yaml")
    assert said.exit_code == 0
    assert "the data of 2 runs that ended cannot be checked" in said.stderr


def test_compare_looks_where_the_runs_looked_not_below_the_current_folder(pics, monkeypatch):
    elsewhere = pics.parent / "elsewhere"
    make_image_folder(elsewhere / "pics")
    add(elsewhere / "pics")
    monkeypatch.chdir(elsewhere)
    report = call("compare", "pictures", "--runs-dir", "../runs", "--format", "json").stdout
    assert "has changed" not in report


def test_seeds_trained_before_and_after_a_change_get_no_verdict(pics):
    add(pics)
    said = call("train", "c.yaml", "-s", "sweep.seeds=3")
    assert "the data has changed since 2 runs began" in said.stderr
    report = call("compare", "pictures", "--format", "json").stdout
    assert "the data differ" in report
    assert "no causal verdict" in report


def test_a_run_that_was_cut_off_does_not_continue_on_other_data(tmp_path):
    pics = make_image_folder(tmp_path / "pics")
    data = f"data={{name: image_folder, root: {pics}, batch_size: 1, drop_last: true}}"
    settings = (data, "model.norm=none")
    interrupted_runs.interrupt(tmp_path, 8, *settings)
    add(pics)
    run = interrupted_runs.plan(tmp_path, *settings)
    with pytest.raises(UsageError, match=r"cut off under other conditions: dataset is \w+ there"):
        check_conditions([run])
