"""The last two checkpoints of a run, each with its SHA-256: `checkpoint.pt` is the newest.

`checkpoint.pt.sha256` holds the digest in the form that `sha256sum -c` reads, and so does
`checkpoint.previous.pt.sha256`. A checkpoint is sound where both agree. However a save is cut
off, at least one stays sound:

1. the new one is written to a temporary file, while both old ones stand;
2. the newest's digest becomes the previous one's, which is now unsound: the newest stands;
3. the newest is renamed to be the previous, which is sound by that;
4. the new digest is written, and the temporary file is synced and renamed to be the newest.
"""

from __future__ import annotations

import hashlib
import itertools
from pathlib import Path

from bnexp.files import open_atomically, sync_folder, write_text_atomically


class CheckpointError(Exception):
    """A checkpoint cannot be used; the message says why, as the rest of a sentence."""


class DamagedCheckpointError(CheckpointError):
    """A checkpoint is not what was written, or cannot be read at all."""


class CheckpointFiles:
    """The checkpoints in a run's folder; one process at a time writes them."""

    def __init__(self, folder: Path) -> None:
        self.newest = folder / "checkpoint.pt"
        self.previous = folder / "checkpoint.previous.pt"

    def find(self) -> list[Path]:
        """Returns the checkpoints that are there, the newest first."""
        return [path for path in (self.newest, self.previous) if path.exists()]

    def save(self, content: bytes) -> None:
        """Makes `content` the newest checkpoint and the newest the previous one."""
        with open_atomically(self.newest) as file:
            file.write(content)
            file.flush()
            self._make_newest_previous()
            _write_digest(self.newest, hashlib.sha256(content).hexdigest())
        sync_folder(self.newest.parent)

    def read(self, path: Path) -> bytes:
        """Returns a checkpoint's content.

        Raises:
            DamagedCheckpointError: It cannot be read, or is not what was written.
        """
        try:
            content = path.read_bytes()
        except OSError as error:
            raise DamagedCheckpointError(f"cannot be read ({error.strerror or error})") from error
        digest = _digest_path(path)
        try:
            line = digest.read_bytes()
        except OSError as error:
            reason = error.strerror or error
            raise DamagedCheckpointError(
                f"cannot be checked: {digest.name} cannot be read ({reason})"
            ) from error
        if line != _digest_line(path, hashlib.sha256(content).hexdigest()).encode():
            raise DamagedCheckpointError("is damaged: it does not agree with its SHA-256")
        return content

    def discard(self, path: Path) -> None:
        """Removes a checkpoint that cannot be used, so that it never replaces a sound one.

        A folder of its name, which no run makes, is renamed and not removed.
        """
        remove_or_set_aside(_digest_path(path))
        remove_or_set_aside(path)

    def _make_newest_previous(self) -> None:
        try:
            digest = _digest_path(self.newest).read_text().partition(" ")[0]
        except FileNotFoundError:
            return
        if self.newest.exists():
            for path in (self.previous, _digest_path(self.previous)):
                set_aside_a_folder(path)
            _write_digest(self.previous, digest)
            self.newest.replace(self.previous)


def remove_or_set_aside(path: Path) -> None:
    """Removes a file, if it is there; a folder gets a free name beside it and keeps its content."""
    if not set_aside_a_folder(path):
        path.unlink(missing_ok=True)


def set_aside_a_folder(path: Path) -> bool:
    """Gives a folder that stands in a file's place a free name; returns whether there was one."""
    is_folder = path.is_dir() and not path.is_symlink()
    if is_folder:
        free = (path.with_name(f"aside-{number}-{path.name}") for number in itertools.count(1))
        path.rename(next(name for name in free if not name.exists()))
    return is_folder


def _digest_path(path: Path) -> Path:
    return path.with_name(f"{path.name}.sha256")


def _digest_line(path: Path, digest: str) -> str:
    return f"{digest}  {path.name}\n"


def _write_digest(path: Path, digest: str) -> None:
    write_text_atomically(_digest_path(path), _digest_line(path, digest))
