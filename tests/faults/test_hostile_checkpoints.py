"""Row 13 of the fault matrix: checkpoints that come from elsewhere."""

import io
import json
import os
import pickle
import zipfile

import pytest
import torch
from interrupted_runs import interrupt, plan, train
from run_results import read_results

from bnexp.errors import UsageError
from bnexp.launch.prepare import check_conditions
from bnexp.runs import read_run as read_record


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """What the run leaves where nothing happens to it."""
    run = plan(tmp_path_factory.mktemp("whole"))
    assert train(run)[0] == "finished"
    return read_results(run.folder.path)


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
    "a key too many": lambda run, marker: change(run, progress={"step": 1}),
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
    metadata = files.read_metadata(files.newest)
    for _ in range(2):
        files.save(content, metadata)

    state, said = train(run)

    assert not marker.exists()
    assert state == "failed"
    assert any("; move it away, delete only this run (bnexp rm " in line for line in said), said
    assert files.read_tensors(files.newest) == content
    assert read_record(run.folder.path).state == "failed"


def edit_metadata(run, **changes):
    """Returns the newest metadata with some values replaced."""
    files = run.folder.checkpoints
    content = json.loads(files.read_metadata(files.newest))
    for key, value in changes.items():
        place = content["progress"] if key in content["progress"] else content
        place[key] = value
    return json.dumps(content).encode()


HOSTILE_METADATA = {
    "a number that is a text": lambda run: edit_metadata(run, step="1"),
    "a number that is a truth": lambda run: edit_metadata(run, epoch=True),
    "a negative number": lambda run: edit_metadata(run, rows=-1),
    "a history that is a list": lambda run: edit_metadata(run, history=[1.0]),
    "conditions that nest": lambda run: edit_metadata(run, conditions={"torch": {"a": 1}}),
    "a key too many": lambda run: edit_metadata(run, code="import os"),
    "another format": lambda run: edit_metadata(run, format=4),
    "deep nesting": lambda run: b"[" * 100_000,
    "no JSON at all": lambda run: b"not metadata",
    "no text at all": lambda run: bytes(range(256)),
    "nothing": lambda run: b"",
}


@pytest.mark.parametrize("name", HOSTILE_METADATA)
def test_row_13_foreign_metadata_is_refused_before_any_run_is_begun(name, tmp_path):
    run = interrupt(tmp_path, 3)
    files = run.folder.checkpoints
    tensors, metadata = files.newest.read_bytes(), HOSTILE_METADATA[name](run)
    for _ in range(2):
        files.save(tensors, metadata)

    with pytest.raises(UsageError, match=r"checkpoint\.pt (has|was) .*; move it away.*--force"):
        check_conditions([plan(tmp_path)])
    assert train(run)[0] == "failed"
    assert files.read_metadata(files.newest) == metadata


def test_row_13_metadata_that_contradicts_itself_is_refused_by_its_run(tmp_path):
    run = interrupt(tmp_path, 3)
    files = run.folder.checkpoints
    tensors, metadata = files.newest.read_bytes(), edit_metadata(run, step=10**30)
    for _ in range(2):
        files.save(tensors, metadata)

    state, said = train(run)

    assert state == "failed"
    assert any("contradicts itself" in line for line in said), said


def test_row_13_a_checkpoint_of_an_earlier_version_is_refused_before_any_run_is_begun(tmp_path):
    run = interrupt(tmp_path, 3)
    for path in run.folder.checkpoints.find():
        digest = path.with_name(f"{path.name}.sha256")
        digest.write_text(digest.read_text().splitlines()[0] + "\n")
        path.with_suffix(".json").unlink()

    with pytest.raises(UsageError, match=r"checkpoint\.pt was written by an earlier version"):
        check_conditions([plan(tmp_path)])
    assert train(run)[0] == "failed"


def test_row_13_with_a_sound_checkpoint_before_it_the_run_goes_on_from_that(tmp_path, whole):
    run = interrupt(tmp_path, 8)
    files = run.folder.checkpoints
    files.save(b"not a checkpoint", files.read_metadata(files.newest))

    state, said = train(run)

    assert state == "finished", said
    assert any("continuing from checkpoint.previous.pt, step 8" in line for line in said)
    assert read_results(run.folder.path) == whole
