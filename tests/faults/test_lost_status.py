"""A run goes on to the same bits whichever of the files that describe it is lost, and says so."""

import errno
import json
import os

import pytest
from interrupted_runs import interrupt, plan, train
from run_results import read_results

from bnexp.files import read_foreign
from bnexp.runs import read_run, reading


def find_warnings(done, run):
    """Returns the warnings that name the run's folder, as a path from the command's or a whole."""
    lines = [line for line in done.said.splitlines() if line.startswith("warning: ")]
    return [line for line in lines if "runs/small/base/seed=0" in line]


@pytest.mark.parametrize("is_torn", [True, False])
def test_a_run_without_a_status_goes_on_from_its_checkpoint(is_torn, forks, tmp_path):
    (tmp_path / "whole").mkdir()
    whole = plan(tmp_path / "whole")
    train(whole)
    run = interrupt(tmp_path, 8)
    status = run.folder.status
    if is_torn:
        status.write_bytes(status.read_bytes()[:40])
    else:
        status.unlink()

    listed = forks.run("ls", "small", cwd=tmp_path)
    done = forks.run("train", "c.yaml", "--resume-anyway", cwd=tmp_path)

    assert "interrupted" in listed.said
    assert f"warning: {status.relative_to(tmp_path)}" in listed.said
    assert done.code == 0, done.said
    assert "the run is recognized by its config and gets a new status" in done.said
    assert "continues after step 8" in done.said
    assert read_results(run.folder.path) == read_results(whole.folder.path)
    assert read_run(run.folder.path).problems == ()


def test_a_finished_run_whose_summary_is_damaged_gets_the_same_one_again(forks, tmp_path):
    run = plan(tmp_path)
    train(run)
    whole = read_results(run.folder.path)
    run.folder.summary.write_bytes(run.folder.summary.read_bytes()[:50])

    done = forks.run("train", "c.yaml", "--resume-anyway", cwd=tmp_path)

    assert done.code == 0, done.said
    (warning,) = find_warnings(done, run)
    assert "summary.json cannot be read: " in warning
    assert warning.endswith("; it is rebuilt from its last checkpoint")
    assert read_results(run.folder.path) == whole


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("environment.json", "could not be read and is rewritten; its record of earlier"),
        ("config.yaml", "config.yaml"),
    ],
)
@pytest.mark.parametrize("damage", ["gone", "junk", "folder", "FIFO"])
def test_what_describes_a_run_is_written_anew_when_it_goes_on(name, said, damage, forks, tmp_path):
    run = interrupt(tmp_path, 8)
    path = run.folder.path / name
    sound = path.read_text()
    path.unlink()
    if damage == "junk":
        path.write_bytes(bytes(range(256)))
    elif damage == "folder":
        path.mkdir()
    elif damage == "FIFO":
        os.mkfifo(path)

    done = forks.run("train", "c.yaml", "--resume-anyway", cwd=tmp_path)

    assert done.code == 0, done.said
    (warning,) = find_warnings(done, run)
    assert said in warning
    assert "is rewritten" in warning
    if name == "config.yaml":
        assert path.read_text() == sound
    assert read_run(run.folder.path).problems == ()


def test_a_folder_in_place_of_a_status_is_set_aside(forks, tmp_path):
    run = plan(tmp_path)
    train(run)
    run.folder.status.unlink()
    run.folder.status.mkdir()

    done = forks.run("train", "c.yaml", cwd=tmp_path)

    assert done.code == 0, done.said
    assert (run.folder.path / "aside-1-status.json").is_dir()
    assert read_run(run.folder.path).problems == ()


@pytest.mark.parametrize(("key", "value"), [("fingerprint", "0" * 64), ("settings", {"a": 1})])
def test_a_finished_run_whose_status_was_edited_is_rebuilt_as_it_was(key, value, forks, tmp_path):
    run = plan(tmp_path)
    train(run)
    whole = read_results(run.folder.path)
    status = json.loads(run.folder.status.read_text())
    run.folder.status.write_text(json.dumps({**status, key: value}))

    done = forks.run("train", "c.yaml", "--resume-anyway", cwd=tmp_path)

    assert done.code == 0, done.said
    (warning,) = find_warnings(done, run)
    assert f"status.json and manifest.json differ in {key}" in warning
    assert read_results(run.folder.path) == whole
    assert read_run(run.folder.path).problems == ()


def test_a_status_that_could_not_be_read_once_is_read_again(tmp_path, monkeypatch):
    interrupt(tmp_path)
    failures = iter([OSError(errno.EIO, "Input/output error")])

    def read_or_fail(path):
        if str(path).endswith("status.json") and (error := next(failures, None)):
            raise error
        return read_foreign(path)

    monkeypatch.setattr(reading, "read_foreign", read_or_fail)

    assert plan(tmp_path).action == "resume"
    assert next(failures, None) is None
