"""The folder that `bnexp tb` gives TensorBoard, as runs begin, end, and are continued."""

import os
from pathlib import PurePosixPath

import pytest
from made_up_runs import make_cells, make_run
from tensorboard.backend.event_processing.plugin_event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import metadata

from bnexp.locks import hold_lock
from bnexp.reports.tensorboard.serve import Mirror
from bnexp.runs import RunDir
from bnexp.runs.streams.tensorboard_events import encode_event_file, restart_event, scalars_event

NORM = "model.norm.name"
NORMS = {NORM: ("none", "batch")}


@pytest.fixture
def study(tmp_path):
    make_cells(tmp_path / "study", NORMS, seeds=2)
    return tmp_path / "study"


def mirror(study):
    return Mirror(
        study.parent / "mirror",
        lambda: {PurePosixPath(cell.name): cell for cell in study.iterdir() if cell.is_dir()},
    )


def read_hparams(folder):
    """Returns the columns of a run as TensorBoard reads them."""
    events = EventAccumulator(str(folder))
    events.Reload()
    content = events.PluginTagToContent(metadata.PLUGIN_NAME)[metadata.SESSION_START_INFO_TAG]
    info = metadata.parse_session_start_info_plugin_data(content)
    return {key: value.string_value or value.number_value for key, value in info.hparams.items()}


def test_every_run_has_the_keys_that_differ_and_the_number_of_seeds(study):
    folder = mirror(study).folder
    for norm in NORMS[NORM]:
        for seed in range(2):
            found = read_hparams(folder / f"name={norm}" / f"seed={seed}")
            assert found == {NORM: norm, "seeds": "2"}


def test_seeds_are_not_counted_while_a_run_is_going_on(study):
    make_run(study / "name=none/seed=2", {NORM: "none"}, state="running")
    with hold_lock(RunDir(study / "name=none/seed=2").lock, print):
        folder = mirror(study).folder
    assert read_hparams(folder / "name=batch/seed=0") == {NORM: "batch"}


def test_it_is_outdated_once_what_was_running_has_ended(study):
    path = study / "name=batch/seed=2"
    found = mirror(study)
    assert not found.is_outdated()
    make_run(path, {NORM: "batch"}, state="running")
    with hold_lock(RunDir(path).lock, print):
        found.sync()
        assert (found.folder / "name=batch/seed=2").is_symlink()
        assert [found.is_outdated() for _ in range(3)] == [False] * 3
    assert found.is_outdated()


def test_it_is_not_outdated_between_two_runs(study):
    found = mirror(study)
    make_run(study / "name=batch/seed=2", {NORM: "batch"})
    assert not found.is_outdated()
    make_run(study / "name=batch/seed=3", {NORM: "batch"})
    assert not found.is_outdated()
    assert found.is_outdated()


def test_the_events_of_a_continued_run_take_the_place_of_the_old_ones(study):
    run = study / "name=none/seed=0"
    found = mirror(study)
    (run / "events.out.tfevents.1.made-up").unlink()
    events = [restart_event(1.0), scalars_event(7, 2.0, {"test/loss": 1.0})]
    (run / "events.out.tfevents.2.made-up").write_bytes(encode_event_file(events, 1.0))
    found.sync()
    folder = found.folder / "name=none/seed=0"
    assert read_hparams(folder)[NORM] == "none"
    assert sorted(path.name for path in folder.iterdir()) == [
        "events.out.tfevents.0.hparams", "events.out.tfevents.2.made-up",
    ]  # fmt: skip


def test_a_cell_that_cannot_be_compared_leaves_the_page_to_what_the_run_says(tmp_path):
    make_run(tmp_path / "study/base/seed=0", {}, state="running")
    with hold_lock(RunDir(tmp_path / "study/base/seed=0").lock, print):
        folder = mirror(tmp_path / "study").folder
    assert [path.name for path in (folder / "base/seed=0").iterdir()] == [
        "events.out.tfevents.1.made-up"
    ]


@pytest.mark.parametrize("refused", [("symlink",), ("symlink", "link")], ids=["hard", "copies"])
def test_events_are_shown_where_links_are_refused(refused, study, monkeypatch):
    def refuse(*_, **__):
        raise OSError(1314, "A required privilege is not held by the client")

    for name in refused:
        monkeypatch.setattr(os, name, refuse)
    found = mirror(study)
    make_run(study / "name=batch/seed=2", {NORM: "batch"})
    found.sync()
    with (study / "name=batch/seed=2/events.out.tfevents.1.made-up").open("ab") as events:
        events.write(encode_event_file([restart_event(1.0)], 1.0))
    found.sync()

    for run in ("name=none/seed=0", "name=batch/seed=2"):
        name = "events.out.tfevents.1.made-up"
        assert (found.folder / run / name).read_bytes() == (study / run / name).read_bytes()


def test_what_is_no_plain_file_is_not_given_to_tensorboard(study):
    run = study / "name=none/seed=0"
    os.mkfifo(run / "events.out.tfevents.2.fifo")
    (run / "events.out.tfevents.3.folder").mkdir()
    folder = mirror(study).folder / "name=none/seed=0"
    assert sorted(path.name for path in folder.iterdir()) == [
        "events.out.tfevents.0.hparams", "events.out.tfevents.1.made-up",
    ]  # fmt: skip
