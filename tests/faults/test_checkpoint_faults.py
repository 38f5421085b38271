"""Rows 2, 4, 5 and 13 of the fault matrix: what can happen to the files that a resume reads."""

import io
import json
import os
import pickle
import random
import subprocess
import sys
import zipfile

import pytest
import torch
from interrupted_runs import interrupt, plan, train
from run_results import read_points, read_results, read_rows, read_steps

from bnexp.errors import UsageError
from bnexp.launch.preparation import prepare
from bnexp.runs import CheckpointFiles, DamagedCheckpointError
from bnexp.runs import read_run as read_record

CUT_SAVES = """
import os, sys
from pathlib import Path
from bnexp.runs.checkpoint_files import CheckpointError, CheckpointFiles

def read_all(files):
    found = []
    for path in files.find():
        try:
            found.append(files.read(path))
        except CheckpointError:
            pass
    return found

def cut(function, when, moments):
    def do(*arguments):
        moments.append(1)
        if len(moments) == when:
            os._exit(9)
        result = function(*arguments)
        moments.append(1)
        if len(moments) == when:
            os._exit(9)
        return result
    return do

class HalfWriter:
    def __init__(self, file):
        self.file = file
    def __enter__(self):
        return self
    def __exit__(self, *_):
        os._exit(8)
    def write(self, content):
        self.file.write(content[: len(content) // 2])
        self.file.flush()
        os._exit(9)

def save_and_die(files, when):
    child = os.fork()
    if child == 0:
        moments = []
        os.fsync, os.replace = cut(os.fsync, when, moments), cut(os.replace, when, moments)
        if when == 0:
            fdopen = os.fdopen
            os.fdopen = lambda *arguments: HalfWriter(fdopen(*arguments))
        files.save(b"new" * 1000)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

for when in range(100):
    folder = Path(sys.argv[1]) / str(when)
    folder.mkdir()
    files = CheckpointFiles(folder)
    for content in (b"old", b"last"):
        files.save(content)
    code = save_and_die(files, when)
    first = read_all(files)[0]
    assert first in (b"last", b"new" * 1000), (when, first)
    if code == 0:
        break
    assert code == 9, (when, code)
    files.save(b"later")
    assert read_all(files)[0] == b"later", when
    assert read_all(files)[1:] in ([b"last"], [b"new" * 1000]), when
print(when)
"""


def test_row_02_wherever_a_save_is_cut_off_the_last_checkpoint_or_the_new_one_loads(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", CUT_SAVES, str(tmp_path)], capture_output=True, text=True
    )

    assert done.returncode == 0, done.stderr
    # Three files, each synced and renamed, one more renamed, the folder synced: both sides of each.
    assert int(done.stdout) >= 2 * (2 * 3 + 1 + 1)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """What the run leaves where nothing happens to it."""
    run = plan(tmp_path_factory.mktemp("whole"))
    assert train(run)[0] == "finished"
    return read_results(run.folder.path)


def flip(path, place, bit):
    content = bytearray(path.read_bytes())
    content[place] ^= 1 << bit
    path.write_bytes(bytes(content))


def check_that_damage_is_seen(folder, trials, chance):
    files = CheckpointFiles(folder)
    paths = [files.newest, files.newest.with_name("checkpoint.pt.sha256")]
    for trial in range(trials):
        path = paths[trial % 2]
        sound = path.read_bytes()
        if trial % 8 < 6:
            flip(path, chance.randrange(len(sound)), chance.randrange(8))
        else:
            path.write_bytes(sound[: chance.randrange(len(sound))])
        with pytest.raises(DamagedCheckpointError, match="does not agree with its SHA-256"):
            files.read(files.newest)
        path.write_bytes(sound)
    assert files.read(files.newest)


def test_row_04_a_flipped_bit_or_a_cut_of_a_checkpoint_or_its_digest_is_seen(tmp_path):
    run = interrupt(tmp_path)

    check_that_damage_is_seen(run.folder.path, 40, random.Random(3))


@pytest.mark.slow
def test_row_04_a_thousand_flips_and_cuts(tmp_path):
    run = interrupt(tmp_path)

    check_that_damage_is_seen(run.folder.path, 1_334, random.Random(4))


def test_row_04_a_damaged_checkpoint_is_told_and_the_one_before_it_used(tmp_path, whole):
    run = interrupt(tmp_path, 8)
    flip(run.folder.checkpoints.newest, 300, 3)

    state, said = train(run)

    assert state == "finished", said
    path = run.folder.checkpoints.newest
    assert (
        f"{path} is damaged: it does not agree with its SHA-256; going on from "
        "checkpoint.previous.pt, step 7"
    ) in said
    assert read_results(run.folder.path) == whole


def test_row_04_without_a_sound_checkpoint_the_run_starts_over_and_says_so(tmp_path, whole):
    run = interrupt(tmp_path, 8)
    for path in run.folder.checkpoints.find():
        flip(path, 300, 3)

    state, said = train(run)

    assert state == "finished", said
    (line,) = [line for line in said if "starts over" in line]
    assert line.endswith(
        "checkpoint.pt is damaged: it does not agree with its SHA-256, checkpoint.previous.pt is "
        "damaged: it does not agree with its SHA-256; the run starts over"
    )
    assert read_results(run.folder.path) == whole
    log = run.folder.log.read_text()
    assert log.index("interrupted after step 8") < log.index("the run starts over")
    assert "begun anew: checkpoint.pt, checkpoint.previous.pt cannot be used\n" in log
    environment = json.loads(run.folder.environment.read_text())
    assert environment["refused_checkpoints"] == ["checkpoint.pt", "checkpoint.previous.pt"]


@pytest.mark.parametrize(
    ("names", "went_on"),
    [
        (["checkpoint.pt"], True),
        (["checkpoint.previous.pt"], True),
        (["checkpoint.pt.sha256", "checkpoint.previous.pt.sha256"], False),
        (["checkpoint.pt", "checkpoint.previous.pt"], False),
    ],
)
def test_row_04_a_folder_in_a_checkpoints_place_is_set_aside(names, went_on, tmp_path, whole):
    run = interrupt(tmp_path, 8)
    for name in names:
        path = run.folder.path / name
        path.unlink()
        path.mkdir()
        (path / "mine.txt").write_text("the user's own")

    state, said = train(run)

    assert state == "finished", said
    assert any("goes on after step" in line for line in said) == went_on
    assert read_results(run.folder.path) == whole
    for name in names:
        assert (run.folder.path / f"aside-1-{name}" / "mine.txt").exists()
    assert len(run.folder.checkpoints.find()) == 2
    assert all(run.folder.checkpoints.read(path) for path in run.folder.checkpoints.find())


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
    assert found["summary"] == whole["summary"]
    assert read_points(run.folder.path) == read_steps(run.folder.path)


def test_row_05_rows_that_are_missing_are_told(tmp_path):
    run = interrupt(tmp_path, 8)
    run.folder.metrics.unlink()

    state, said = train(run)

    assert state == "finished", said
    assert f"warning: {run.folder.metrics}: 5 of 5 rows are missing" in said
    assert read_rows(run.folder.path)[0]["step"] == 9
    assert read_points(run.folder.path) == read_steps(run.folder.path)


def test_row_05_rows_beyond_the_checkpoint_are_not_there_twice(tmp_path, whole):
    run = interrupt(tmp_path, 8)
    # As after a SIGKILL: rows were written that no checkpoint knows of.
    row = b'{"step": 10, "epoch": 2, "elapsed_seconds": 1.0, "train/loss": 9.0}\n'
    run.folder.metrics.write_bytes(run.folder.metrics.read_bytes() + row)

    train(run)

    assert read_results(run.folder.path) == whole


class Payload:
    """Runs a command where it is unpickled without care."""

    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return os.mkdir, (str(self.marker),)


def pack(content):
    buffer = io.BytesIO()
    torch.save(content, buffer)
    return buffer.getvalue()


def change(run, **parts):
    """Returns the run's newest checkpoint with some of its parts replaced."""
    content = torch.load(run.folder.checkpoints.newest, weights_only=True)
    return pack({**content, **parts})


def grow(run, value):
    content = torch.load(run.folder.checkpoints.newest, weights_only=True)
    name = next(iter(content["model"]))
    return pack({**content, "model": {**content["model"], name: value}})


def compress(content):
    buffer = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(content)) as source,
        zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as target,
    ):
        for member in source.infolist():
            target.writestr(member.filename, source.read(member))
        target.writestr("archive/data/999", bytes(10_000_000))
    return buffer.getvalue()


def cut_storage(content):
    """Returns the archive with 4 bytes left of each tensor's values."""
    buffer = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(content)) as source,
        zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as target,
    ):
        for member in source.infolist():
            is_data = "/data/" in member.filename
            target.writestr(member.filename, source.read(member)[: 4 if is_data else None])
    return buffer.getvalue()


HOSTILE = {
    "code in the archive": lambda run, marker: change(run, model=Payload(marker)),
    "code in a bare pickle": lambda run, marker: pickle.dumps(Payload(marker)),
    "a huge shape": lambda run, marker: grow(run, torch.zeros(1).expand(10**6, 10**6)),
    "another type": lambda run, marker: grow(run, torch.zeros(4, 3, 3, 3).double()),
    "a sparse tensor": lambda run, marker: grow(run, torch.eye(3).to_sparse()),
    "packed data": lambda run, marker: compress(change(run)),
    "more values than bytes": lambda run, marker: cut_storage(change(run)),
    "a key too few": lambda run, marker: change(run, model={}),
    "a number that is a text": lambda run, marker: change(run, progress={"step": "1"}),
    "an optimiser of another kind": lambda run, marker: change(
        run, optimizer={0: {"exp_avg": torch.zeros(4, 3, 3, 3)}}
    ),
    "no archive at all": lambda run, marker: b"not a checkpoint",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_row_13_a_foreign_checkpoint_is_refused_and_nothing_executed(name, tmp_path):
    run = interrupt(tmp_path, 3)
    marker = tmp_path / "executed"
    content = HOSTILE[name](run, marker)
    files = run.folder.checkpoints
    for _ in range(2):
        files.save(content)

    state, said = train(run)

    assert not marker.exists()
    assert state == "failed"
    assert any("; move it away, or start over with --force" in line for line in said), said
    assert files.read(files.newest) == content
    assert read_record(run.folder.path).state == "failed"


def test_row_13_code_in_a_checkpoint_is_refused_before_any_run_is_begun(tmp_path):
    run = interrupt(tmp_path, 3)
    marker = tmp_path / "executed"
    content = HOSTILE["code in the archive"](run, marker)
    for _ in range(2):
        run.folder.checkpoints.save(content)

    with pytest.raises(UsageError, match=r"tensors and plain types alone.*--force"):
        prepare([plan(tmp_path)], lambda _: None)
    assert not marker.exists()


def test_row_13_with_a_sound_checkpoint_before_it_the_run_goes_on_from_that(tmp_path, whole):
    run = interrupt(tmp_path, 8)
    run.folder.checkpoints.save(b"not a checkpoint")

    state, said = train(run)

    assert state == "finished", said
    assert any("going on from checkpoint.previous.pt, step 8" in line for line in said)
    assert read_results(run.folder.path) == whole
