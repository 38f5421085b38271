"""The last two checkpoints and their digests."""

import subprocess
import sys

import pytest

from bnexp.runs import CheckpointError, CheckpointFiles, DamagedCheckpointError


@pytest.fixture
def files(tmp_path):
    return CheckpointFiles(tmp_path)


def test_the_last_two_are_kept(files, tmp_path):
    for content in (b"one", b"two", b"three"):
        files.save(content, b"{}")

    assert [files.read_tensors(path) for path in files.find()] == [b"three", b"two"]
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "checkpoint.json",
        "checkpoint.previous.json",
        "checkpoint.previous.pt",
        "checkpoint.previous.pt.sha256",
        "checkpoint.pt",
        "checkpoint.pt.sha256",
    ]


@pytest.mark.skipif(sys.platform != "linux", reason="asks sha256sum")
def test_the_digests_are_those_that_sha256sum_reads(files, tmp_path):
    for content in (b"one", b"two"):
        files.save(content, b"{}")

    done = subprocess.run(
        ["sha256sum", "--check", *(path.name for path in tmp_path.glob("*.sha256"))],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_one_that_is_discarded_never_replaces_the_one_before_it(files):
    for content in (b"one", b"two"):
        files.save(content, b"{}")
    files.discard(files.newest)

    files.save(b"three", b"{}")

    assert [files.read_tensors(path) for path in files.find()] == [b"three", b"one"]


def test_without_its_digest_a_checkpoint_is_not_used(files):
    files.save(b"one", b"{}")
    files.newest.with_name("checkpoint.pt.sha256").unlink()

    reason = r"cannot be checked: checkpoint.pt.sha256 cannot be read \(No such file or directory\)"
    with pytest.raises(DamagedCheckpointError, match=reason):
        files.read_tensors(files.newest)
    files.newest.unlink()
    with pytest.raises(DamagedCheckpointError, match=r"^cannot be read \(No such file"):
        files.read_tensors(files.newest)


def test_the_digest_of_the_other_checkpoint_does_not_count(files):
    for content in (b"one", b"two"):
        files.save(content, b"{}")
    files.newest.write_bytes(files.previous.read_bytes())

    with pytest.raises(DamagedCheckpointError, match="SHA-256"):
        files.read_tensors(files.newest)


def test_the_metadata_is_read_and_checked_without_the_tensors(files):
    for number in range(3):
        files.save(b"tensors", b'{"number": %d}' % number)
    for path in files.find():
        path.write_bytes(b"")

    assert [files.read_metadata(path) for path in files.find()] == [
        b'{"number": 2}',
        b'{"number": 1}',
    ]
    files.newest.with_suffix(".json").write_bytes(b'{"number": 3}')
    with pytest.raises(DamagedCheckpointError, match="does not match its SHA-256"):
        files.read_metadata(files.newest)


def test_damaged_metadata_is_not_made_sound_by_the_next_save(files):
    files.save(b"one", b"{}")
    files.newest.with_suffix(".json").write_bytes(b"[]")

    files.save(b"two", b"{}")

    with pytest.raises(DamagedCheckpointError, match="does not match its SHA-256"):
        files.read_metadata(files.previous)


def test_a_checkpoint_of_an_earlier_version_is_refused_in_one_sentence(files):
    files.save(b"one", b"{}")
    digest = files.newest.with_name("checkpoint.pt.sha256")
    digest.write_text(digest.read_text().splitlines()[0] + "\n")
    files.newest.with_suffix(".json").unlink()

    with pytest.raises(CheckpointError, match="was written by an earlier version of bnexp") as seen:
        files.read_metadata(files.newest)
    assert not isinstance(seen.value, DamagedCheckpointError)
