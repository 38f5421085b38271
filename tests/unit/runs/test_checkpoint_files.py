"""The last two checkpoints and their digests."""

import subprocess
import sys

import pytest

from bnexp.runs import CheckpointFiles, DamagedCheckpointError


@pytest.fixture
def files(tmp_path):
    return CheckpointFiles(tmp_path)


def test_the_last_two_are_kept(files, tmp_path):
    for content in (b"one", b"two", b"three"):
        files.save(content)

    assert [files.read(path) for path in files.find()] == [b"three", b"two"]
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "checkpoint.previous.pt",
        "checkpoint.previous.pt.sha256",
        "checkpoint.pt",
        "checkpoint.pt.sha256",
    ]


@pytest.mark.skipif(sys.platform != "linux", reason="asks sha256sum")
def test_the_digests_are_those_that_sha256sum_reads(files, tmp_path):
    for content in (b"one", b"two"):
        files.save(content)

    done = subprocess.run(
        ["sha256sum", "--check", *(path.name for path in tmp_path.glob("*.sha256"))],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_one_that_is_discarded_never_replaces_the_one_before_it(files):
    for content in (b"one", b"two"):
        files.save(content)
    files.discard(files.newest)

    files.save(b"three")

    assert [files.read(path) for path in files.find()] == [b"three", b"one"]


def test_without_its_digest_a_checkpoint_is_not_used(files):
    files.save(b"one")
    files.newest.with_name("checkpoint.pt.sha256").unlink()

    reason = r"cannot be checked: checkpoint.pt.sha256 cannot be read \(No such file or directory\)"
    with pytest.raises(DamagedCheckpointError, match=reason):
        files.read(files.newest)
    files.newest.unlink()
    with pytest.raises(DamagedCheckpointError, match=r"^cannot be read \(No such file"):
        files.read(files.newest)


def test_the_digest_of_the_other_checkpoint_does_not_count(files):
    for content in (b"one", b"two"):
        files.save(content)
    files.newest.write_bytes(files.previous.read_bytes())

    with pytest.raises(DamagedCheckpointError, match="SHA-256"):
        files.read(files.newest)
