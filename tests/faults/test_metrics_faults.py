"""Row 5 of the fault matrix: damaged rows of metrics and damaged event files."""

import random
import re
import struct
from pathlib import Path

import numpy as np
import pytest
from interrupted_runs import interrupt, plan, train
from run_results import read_points, read_results, read_rows, read_steps
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from bnexp.errors import BnexpError
from bnexp.runs import RunDir, read_run
from bnexp.runs.inspection import inspect
from bnexp.runs.measured.diagnostics import read_diagnostics, read_metrics
from bnexp.runs.streams.tensorboard_events import encode_event_file, scalars_event


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """What the run leaves where nothing happens to it."""
    run = plan(tmp_path_factory.mktemp("whole"))
    assert train(run)[0] == "finished"
    return read_results(run.folder.path)


def test_row_05_sound_rows_are_kept_and_damaged_ones_told(tmp_path, whole):
    run = interrupt(tmp_path, 8)
    path = run.folder.metrics
    lines = path.read_bytes().splitlines(keepends=True)
    lines[1] = lines[1].replace(b'"epoch"', b'"epo\x83h"')
    path.write_bytes(b"".join(lines) + b'{"step": 9, "epoch"')
    (events,) = run.folder.path.glob("events.out.tfevents.*")
    events.write_bytes(events.read_bytes()[:-7] + b"\xff\xff")

    state, said = train(run)

    assert state == "finished", said
    assert f"warning: {path}: line 2 cannot be read and is left out" in said
    found = read_results(run.folder.path)
    assert found["rows"] == [whole["rows"][0], *whole["rows"][2:]]
    lost = found["summary"].pop("lost_rows")
    assert lost == ["line 2 cannot be read and is left out"]
    assert found["summary"] == whole["summary"]
    assert read_points(run.folder.path) == read_steps(run.folder.path)


DIAGNOSED = "diagnostics=[{name: gradient_norm, every_steps: 2}]"
GRADIENT = re.compile(rb'("diag/gradient_norm/[^"]+": [0-9]+[.])')


def raise_a_figure(path):
    """Changes a digit, so that the row stays one that a run might write."""
    rows = path.read_bytes()
    altered, count = GRADIENT.subn(rb"\g<1>1", rows, count=1)
    assert count
    path.write_bytes(altered)


def test_row_05_a_figure_that_was_altered_before_a_resume_does_not_count(tmp_path):
    run = interrupt(tmp_path, 8, DIAGNOSED)
    raise_a_figure(run.folder.metrics)

    state, said = train(run)

    assert state == "finished", said
    lost = "a row up to step 8 was altered; which one is unknown"
    assert f"warning: {run.folder.metrics}: {lost}" in said
    found = read_diagnostics(read_run(run.folder.path))
    assert (found.state, found.problems) == ("finished", ())  # its accuracies are whole
    assert found.diagnostics == {}
    (doubt,) = found.doubts
    assert doubt == (
        f"{run.folder.metrics}: before the run was continued, {lost}; its diagnostics don't count"
    )
    assert [one.text for one in inspect(run.folder.path)] == [doubt]


def test_row_05_what_was_lost_is_known_to_what_is_rebuilt_from_the_checkpoint(tmp_path):
    run = interrupt(tmp_path, 8, DIAGNOSED)
    raise_a_figure(run.folder.metrics)
    train(run)
    for path in (run.folder.summary, run.folder.environment):
        path.unlink()
    rebuilt = plan(tmp_path, DIAGNOSED)

    assert train(rebuilt)[0] == "finished"

    (doubt,) = read_run(run.folder.path).doubts
    assert "a row up to step 8 was altered" in doubt


def test_row_05_a_save_that_was_cut_off_leaves_rows_that_are_those_of_the_run(tmp_path):
    run = interrupt(tmp_path, 8, DIAGNOSED)
    # The digests and metadata of a save stand, but its tensors had not got their name.
    run.folder.checkpoints.newest.unlink()
    assert inspect(run.folder.path) == []

    state, _ = train(plan(tmp_path, DIAGNOSED), 2)

    assert state == "interrupted"
    assert inspect(run.folder.path) == []
    assert read_metrics(read_run(run.folder.path))


def test_row_05_an_altered_row_of_an_unfinished_run_is_named(tmp_path):
    run = interrupt(tmp_path, 8, DIAGNOSED)
    row = b'{"step": 10, "epoch": 2, "elapsed_seconds": 1.0, "train/loss": 9.0}\n'
    whole = run.folder.metrics.read_bytes() + row  # later than the checkpoint, after a kill
    run.folder.metrics.write_bytes(whole + row[:-20])
    assert read_metrics(read_run(run.folder.path)) == whole
    assert inspect(run.folder.path) == []
    raise_a_figure(run.folder.metrics)

    with pytest.raises(BnexpError, match="its last checkpoint has other rows"):
        read_metrics(read_run(run.folder.path))
    (problem,) = inspect(run.folder.path)
    assert problem.text.startswith(f"{run.folder.metrics} is not what the run wrote")


def test_row_05_a_figure_that_is_altered_while_the_run_trains_breaks_its_seal(
    tmp_path, monkeypatch
):
    run = plan(tmp_path, DIAGNOSED)
    write_summary = RunDir.write_summary

    def alter_and_write(folder, *written):
        raise_a_figure(folder.metrics)
        write_summary(folder, *written)

    monkeypatch.setattr(RunDir, "write_summary", alter_and_write)

    assert train(run)[0] == "finished"

    (problem,) = read_diagnostics(read_run(run.folder.path)).problems
    assert problem.startswith(f"{run.folder.metrics} is not what the run wrote")


@pytest.mark.parametrize("lose", [Path.unlink, lambda path: path.write_bytes(b"")])
def test_row_05_rows_that_are_missing_are_told(lose, tmp_path):
    run = interrupt(tmp_path, 8)
    rows = len(read_rows(run.folder.path))
    lose(run.folder.metrics)

    state, said = train(run)

    assert state == "finished", said
    assert f"warning: {run.folder.metrics}: {rows} of {rows} rows are missing" in said
    assert not any("cannot be read" in line for line in said)
    assert read_rows(run.folder.path)[0]["step"] == 9
    assert read_points(run.folder.path) == read_steps(run.folder.path)


def test_row_05_rows_beyond_the_checkpoint_are_not_there_twice(tmp_path, whole):
    run = interrupt(tmp_path, 8)
    # As after a SIGKILL: rows were written that no checkpoint knows of.
    row = b'{"step": 10, "epoch": 2, "elapsed_seconds": 1.0, "train/loss": 9.0}\n'
    run.folder.metrics.write_bytes(run.folder.metrics.read_bytes() + row)

    train(run)

    assert read_results(run.folder.path) == whole


def flip_bits(content):
    chance, damaged = random.Random(5), bytearray(content)
    for _ in range(100):
        damaged[chance.randrange(len(damaged))] ^= 1 << chance.randrange(8)
    return bytes(damaged)


def forge(content):
    """Other values at the steps of the run, with checksums that are right."""
    events = [scalars_event(step, 1.0, {"train/loss": 0.125}) for step in (2, 4, 6, 8)]
    return encode_event_file(events, 1.0)


EVENT_DAMAGES = {
    "cut in a record": lambda content: content[:-7],
    "cut in a length": lambda content: content + struct.pack("<Q", 20)[:5],
    "flipped bits": flip_bits,
    "forged values": forge,
    "nothing": lambda content: b"",
}


def read_values(run):
    """Returns what TensorBoard would show: the values of each tag, in single precision."""
    events = EventAccumulator(str(run), size_guidance={"scalars": 0})
    events.Reload()
    tags = events.Tags()["scalars"]
    return {tag: [np.float32(event.value) for event in events.Scalars(tag)] for tag in tags}


def read_rows_values(run):
    rows = read_rows(run)
    tags = dict.fromkeys(tag for row in rows for tag in row if "/" in tag)
    return {tag: [np.float32(row[tag]) for row in rows if tag in row] for tag in tags}


@pytest.mark.parametrize("damage", EVENT_DAMAGES)
def test_row_05_a_damaged_event_file_is_written_anew_from_the_rows(damage, tmp_path, whole):
    run = interrupt(tmp_path, 8)
    (events,) = run.folder.path.glob("events.out.tfevents.*")
    events.write_bytes(EVENT_DAMAGES[damage](events.read_bytes()))

    state, said = train(run)

    assert state == "finished", said
    assert read_results(run.folder.path) == whole
    assert len(list(run.folder.path.glob("events.out.tfevents.*"))) == 1
    assert read_values(run.folder.path) == read_rows_values(run.folder.path)
    assert read_points(run.folder.path) == read_steps(run.folder.path)


def without_age(said):
    """Takes out how long ago a run ended, which goes on between two commands."""
    return re.sub(r"finished, .* ago", "finished", said)


def test_row_05_the_events_and_rows_of_a_run_that_has_ended_change_no_figure(forks, tmp_path):
    runs = [plan(tmp_path, f"train.seed={seed}") for seed in range(2)]
    for run in runs:
        assert train(run)[0] == "finished"
    commands = [("compare", "small"), ("show", "small")]
    before = [forks.run(*command, cwd=tmp_path) for command in commands]
    for run in runs:
        for path in (*run.folder.path.glob("events.out.tfevents.*"), run.folder.metrics):
            path.write_bytes(flip_bits(path.read_bytes()))

    after = [forks.run(*command, cwd=tmp_path) for command in commands]

    assert [done.code for done in before] == [0, 0], [done.said for done in before]
    assert [without_age(done.said) for done in after] == [without_age(done.said) for done in before]
