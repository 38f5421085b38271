"""A process that trains many runs looks at their data once, and all of them train on the same."""

import json
from types import SimpleNamespace

import pytest
from image_folders import TRAINED_FOR_A_MOMENT, make_image_folder, save
from typer.testing import CliRunner

from bnexp.cli.app import build_app
from bnexp.data.image_folder.config import ImageFolderConfig
from bnexp.launch import prepare
from bnexp.launch.prepare import check_conditions
from bnexp.launch.run.loaded_data import MOST_KEPT, keeping_data, load_data
from bnexp.training import loop


@pytest.fixture
def pics(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return make_image_folder(tmp_path / "pics")


def change(pics):
    save(pics / "train" / "dog" / "3.png", (200, 1, 2))


def describe(loaded):
    return loaded.dataset.fingerprint, loaded.signature


def test_what_is_kept_is_what_was_there_at_first_and_only_within_the_block(pics):
    config = ImageFolderConfig(name="image_folder", root=str(pics))
    with keeping_data():
        first = load_data(config)
        change(pics)
        assert load_data(config) is first
    now = load_data(config)

    assert now.signature == config.signature()
    assert len(now.dataset.train) == len(first.dataset.train) + 1
    assert all(one != other for one, other in zip(describe(now), describe(first), strict=True))


def test_no_more_than_a_few_are_kept(pics, monkeypatch):
    seen = []
    config = ImageFolderConfig(name="image_folder", root=str(pics))
    monkeypatch.setattr(ImageFolderConfig, "signature", lambda self: seen.append(self.val_size))
    with keeping_data():
        for val_size in [*range(MOST_KEPT + 1), MOST_KEPT, 0]:
            load_data(config.model_copy(update={"val_size": val_size}))

    assert seen == [*range(MOST_KEPT + 1), 0]


def test_pictures_that_change_between_two_runs_of_a_command_change_neither(
    pics, tmp_path, monkeypatch
):
    (tmp_path / "c.yaml").write_text(TRAINED_FOR_A_MOMENT)
    whole = loop.Training.steps

    def steps(training):
        summary = yield from whole(training)
        change(pics)
        return summary

    monkeypatch.setattr(loop.Training, "steps", steps)
    three = ["--jobs", "1", "-s", "sweep.seeds=3"]
    result = CliRunner().invoke(build_app(), ["train", "c.yaml", *three])

    assert result.exit_code == 0, result.output
    records = [
        json.loads(path.read_text())["dataset"]
        for path in sorted((tmp_path / "runs").glob("pictures/*/*/environment.json"))
    ]
    assert len(records) == 3
    assert len({record["fingerprint"] for record in records}) == 1
    assert len({record["signature"] for record in records}) == 1


def test_runs_that_were_cut_off_are_checked_with_one_look_at_their_data(pics, monkeypatch):
    seen = []
    config = ImageFolderConfig(name="image_folder", root=str(pics))
    load = ImageFolderConfig.load
    monkeypatch.setattr(ImageFolderConfig, "load", lambda *given: seen.append(1) or load(*given))
    runs = [cut_off_run(config, seed) for seed in range(3)]
    monkeypatch.setattr(prepare, "find_resume_point", lambda *_: None)
    check_conditions(runs)

    assert seen == [1]


def cut_off_run(data, seed):
    spec = SimpleNamespace(
        config=SimpleNamespace(
            data=data,
            train=SimpleNamespace(device="cpu", threads=1, compile=False, seed=seed),
        )
    )
    return SimpleNamespace(spec=spec, action="resume", device=None, threads=1)
