"""The last two checkpoints of a run: tensors, metadata and the SHA-256 of both.

`checkpoint.pt` holds the newest tensors and `checkpoint.json` what a resume needs to decide, so
that nobody reads tensors to learn a number. `checkpoint.pt.sha256` holds the digests of both, as
`sha256sum --check` reads them. The one before is `checkpoint.previous.pt` with the same two files.
A checkpoint is sound if its files match its digests. Wherever a save is cut off, one stays sound:

1. the new tensors are written to a temporary file, while both old checkpoints stand;
2. the newest metadata and digests are copied over the previous ones: the newest stands;
3. the newest tensors are renamed to be the previous ones, which makes that one sound;
4. the new metadata and digests are written, then the temporary file is renamed to be the newest.
"""

from __future__ import annotations

import contextlib
import itertools
import re
from pathlib import Path

from bnexp.files import MOST_BYTES, digest, open_atomically, read_foreign, sync_folder

_MOST_BYTES = 16 * 2**30
"""More than any checkpoint; what fits into memory is for the system to say."""


class CheckpointError(Exception):
    """A checkpoint cannot be used; the message says why, as the rest of a sentence."""


class DamagedCheckpointError(CheckpointError):
    """A checkpoint is not what was written, or cannot be read at all."""


class CheckpointFiles:
    """The checkpoints in a run's folder; one process at a time writes them.

    A checkpoint is named by the path of its tensors.
    """

    def __init__(self, folder: Path) -> None:
        self.newest = folder / "checkpoint.pt"
        self.previous = folder / "checkpoint.previous.pt"

    def find(self) -> list[Path]:
        """Returns the checkpoints that are there, the newest first."""
        return [path for path in (self.newest, self.previous) if path.exists()]

    def save(self, tensors: bytes, metadata: bytes) -> None:
        """Makes this the newest checkpoint and the newest the previous one."""
        with open_atomically(self.newest) as file:
            file.write(tensors)
            file.flush()
            self._make_newest_previous()
            digests = _write_digests(self.newest, digest(tensors), metadata)
            _write_beside(self.newest, digests, metadata)
        sync_folder(self.newest.parent)

    def read_metadata(self, path: Path) -> bytes:
        """Returns the content of a checkpoint's JSON file, without a look at its tensors.

        Raises:
            DamagedCheckpointError: It cannot be read, or is not what was written.
            CheckpointError: An earlier version wrote the checkpoint, without metadata.
        """
        digests = _read(_digest_path(path))
        if re.fullmatch(rb"[0-9a-f]{64}  \S+\n", digests) and not _metadata_path(path).exists():
            raise CheckpointError("was written by an earlier version of bnexp")
        metadata = _read(_metadata_path(path))
        if digests != _write_digests(path, digests.decode("latin-1")[:64], metadata):
            raise DamagedCheckpointError("is damaged: it does not match its SHA-256")
        return metadata

    def read_tensors(self, path: Path) -> bytes:
        """Returns the content of a checkpoint's tensor file, which matches its metadata.

        Raises:
            CheckpointError: As for `read_metadata`.
        """
        tensors, metadata = _read(path), self.read_metadata(path)
        if _read(_digest_path(path)) != _write_digests(path, digest(tensors), metadata):
            raise DamagedCheckpointError("is damaged: it does not match its SHA-256")
        return tensors

    def discard(self, path: Path) -> None:
        """Deletes a checkpoint that cannot be used, so that it never replaces a sound one.

        A folder of its name, which no run makes, is renamed and not deleted.
        """
        for one in (_digest_path(path), _metadata_path(path), path):
            remove_or_set_aside(one)

    def _make_newest_previous(self) -> None:
        """Keeps the newest checkpoint as the previous one, whether it is sound or not."""
        try:
            digests = read_foreign(_digest_path(self.newest))
            metadata = read_foreign(_metadata_path(self.newest))
        except FileNotFoundError:
            return
        if self.newest.exists():
            for path in (self.previous, _digest_path(self.previous), _metadata_path(self.previous)):
                set_aside_a_folder(path)
            names = (b"  checkpoint.", b"  checkpoint.previous.")
            _write_beside(self.previous, digests.replace(*names), metadata)
            self.newest.replace(self.previous)


def remove_or_set_aside(path: Path) -> None:
    """Deletes a file, if it is there; a folder gets a free name beside it and keeps its content."""
    if not set_aside_a_folder(path):
        path.unlink(missing_ok=True)


def set_aside_a_folder(path: Path) -> bool:
    """Gives a folder that stands in a file's place a free name; returns whether there was one."""
    is_folder = path.is_dir() and not path.is_symlink()
    if is_folder:
        set_aside(path)
    return is_folder


def set_aside(path: Path) -> None:
    """Gives what has that name a free one beside it, if there is anything."""
    free = (path.with_name(f"aside-{number}-{path.name}") for number in itertools.count(1))
    with contextlib.suppress(FileNotFoundError):
        path.rename(next(name for name in free if not name.exists()))


def _read(path: Path) -> bytes:
    try:
        return read_foreign(path, _MOST_BYTES if path.suffix == ".pt" else MOST_BYTES)
    except OSError as error:
        reason = error.strerror or error
        where = "" if path.suffix == ".pt" else f"cannot be checked: {path.name} "
        raise DamagedCheckpointError(f"{where}cannot be read ({reason})") from error


def _digest_path(path: Path) -> Path:
    return path.with_name(f"{path.name}.sha256")


def _metadata_path(path: Path) -> Path:
    return path.with_suffix(".json")


def _write_digests(path: Path, tensors_digest: str, metadata: bytes) -> bytes:
    metadata_line = f"{digest(metadata)}  {_metadata_path(path).name}"
    return f"{tensors_digest}  {path.name}\n{metadata_line}\n".encode()


def _write_beside(path: Path, digests: bytes, metadata: bytes) -> None:
    """Writes what stands beside a checkpoint's tensors."""
    for target, content in ((_metadata_path(path), metadata), (_digest_path(path), digests)):
        with open_atomically(target) as file:
            file.write(content)
