"""Row 13 of the fault matrix: checkpoints that come from elsewhere."""

import io
import os
import pickle
import zipfile

import pytest
import torch
from interrupted_runs import interrupt, plan, train
from run_results import read_results

from bnexp.errors import UsageError
from bnexp.launch.prepare import prepare
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
    assert any("; move it away, remove this run alone (bnexp rm " in line for line in said), said
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
