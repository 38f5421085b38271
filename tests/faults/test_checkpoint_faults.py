"""Rows 2 and 4 of the fault matrix: saves that are cut off, checkpoints that are damaged."""

import json
import random
import subprocess
import sys

import pytest
from interrupted_runs import interrupt, plan, train
from run_results import read_results

from bnexp.runs import CheckpointFiles, DamagedCheckpointError

CUT_SAVES = """
import os, sys
from pathlib import Path
from bnexp.runs.checkpoint_files import CheckpointError, CheckpointFiles

def metadata_of(tensors):
    return b"metadata of " + tensors[:5]

def read_all(files):
    found = []
    for path in files.find():
        try:
            tensors, metadata = files.read_tensors(path), files.read_metadata(path)
            assert metadata == metadata_of(tensors), (tensors, metadata)
            found.append(tensors)
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
        files.save(b"new" * 1000, metadata_of(b"new" * 1000))
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

for when in range(100):
    folder = Path(sys.argv[1]) / str(when)
    folder.mkdir()
    files = CheckpointFiles(folder)
    for content in (b"old", b"last"):
        files.save(content, metadata_of(content))
    code = save_and_die(files, when)
    first = read_all(files)[0]
    assert first in (b"last", b"new" * 1000), (when, first)
    if code == 0:
        break
    assert code == 9, (when, code)
    files.save(b"later", metadata_of(b"later"))
    assert read_all(files)[0] == b"later", when
    assert read_all(files)[1:] in ([b"last"], [b"new" * 1000]), when
print(when)
"""


def test_row_02_wherever_a_save_is_cut_off_the_last_checkpoint_or_the_new_one_loads(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", CUT_SAVES, str(tmp_path)], capture_output=True, text=True
    )

    assert done.returncode == 0, done.stderr
    # Five files, each synced and renamed, one more renamed, the folder synced: both sides of each.
    assert int(done.stdout) >= 2 * (2 * 5 + 1 + 1)


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


def flip_any(path, chance):
    flip(path, chance.randrange(path.stat().st_size), chance.randrange(8))


def cut_anywhere(path, chance):
    path.write_bytes(path.read_bytes()[: chance.randrange(path.stat().st_size)])


def check_that_damage_is_seen(folder, flips, chance):
    """Flips bits of the tensors, half as many of the metadata and digests, and cuts each."""
    files = CheckpointFiles(folder)
    checkpoint, metadata = files.newest, files.newest.with_suffix(".json")
    digest = files.newest.with_name("checkpoint.pt.sha256")
    three = (checkpoint, metadata, digest)
    trials = [(flip_any, checkpoint)] * flips
    trials += [(flip_any, path) for path in (metadata, digest)] * (flips // 3)
    trials += [(cut_anywhere, path) for path in three] * (flips // 6)
    for damage, path in trials:
        sound = path.read_bytes()
        damage(path, chance)
        with pytest.raises(DamagedCheckpointError, match="does not match its SHA-256"):
            files.read_tensors(checkpoint)
        if path == metadata:
            with pytest.raises(DamagedCheckpointError, match="does not match its SHA-256"):
                files.read_metadata(checkpoint)
        path.write_bytes(sound)
    assert files.read_tensors(checkpoint)
    return len(trials)


def test_row_04_a_flipped_bit_or_a_cut_of_tensors_metadata_or_digests_is_seen(tmp_path):
    run = interrupt(tmp_path)

    assert check_that_damage_is_seen(run.folder.path, 30, random.Random(3)) == 30 + 20 + 15


@pytest.mark.slow
def test_row_04_a_thousand_flips_of_tensors_and_others_of_metadata_and_digests_and_cuts(tmp_path):
    run = interrupt(tmp_path)

    assert check_that_damage_is_seen(run.folder.path, 1_000, random.Random(4)) == 1_000 + 666 + 498


@pytest.mark.parametrize("name", ["checkpoint.pt", "checkpoint.json", "checkpoint.pt.sha256"])
def test_row_04_a_damaged_checkpoint_is_named_and_the_one_before_it_used(name, tmp_path, whole):
    run = interrupt(tmp_path, 8)
    flip(run.folder.path / name, 100, 3)

    state, said = train(run)

    assert state == "finished", said
    path = run.folder.checkpoints.newest
    assert (
        f"{path} is damaged: it does not match its SHA-256; continuing from "
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
        "checkpoint.pt is damaged: it does not match its SHA-256, checkpoint.previous.pt is "
        "damaged: it does not match its SHA-256; the run starts over"
    )
    assert read_results(run.folder.path) == whole
    log = run.folder.log.read_text()
    assert log.index("interrupted after step 8") < log.index("the run starts over")
    assert "starting over: checkpoint.pt, checkpoint.previous.pt cannot be used\n" in log
    environment = json.loads(run.folder.environment.read_text())
    assert environment["refused_checkpoints"] == ["checkpoint.pt", "checkpoint.previous.pt"]


@pytest.mark.parametrize(
    ("names", "went_on"),
    [
        (["checkpoint.pt"], True),
        (["checkpoint.previous.pt"], True),
        (["checkpoint.json"], True),
        (["checkpoint.json", "checkpoint.previous.json"], False),
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
    assert any("continues after step" in line for line in said) == went_on
    assert read_results(run.folder.path) == whole
    for name in names:
        assert (run.folder.path / f"aside-1-{name}" / "mine.txt").exists()
    assert len(run.folder.checkpoints.find()) == 2
    assert all(run.folder.checkpoints.read_tensors(path) for path in run.folder.checkpoints.find())
