"""The seal of a run that ended: `manifest.json` with the SHA-256 of each file that it left.

It also says which run it is of, since `status.json`, which says so too, changes for ever.

It is written before `summary.json`, so that a run with a summary and without a sound manifest was
changed by somebody else. It guards against accidents and edits, not against a forger, who can
write both.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from bnexp.files import (
    decode_json,
    digest,
    encode_json,
    open_foreign,
    read_foreign,
    write_bytes_atomically,
)

MANIFEST = "manifest.json"
PREDICTIONS = "predictions.npz"
MODEL = "model.py"
TRACE = "profile.pt.trace.json.gz"

_SEALED = (
    "config.yaml", "environment.json", "metrics.jsonl", "checkpoint.json", "checkpoint.pt",
    PREDICTIONS, MODEL, TRACE,
)  # fmt: skip
"""Besides the summary: the others may change after the run has ended, or can be made again."""

_ALTERED = "is not what the run wrote: its SHA-256 differs from that in manifest.json"


class Seal:
    """What `manifest.json` says of the files in a run's folder."""

    def __init__(self, folder: str | Path) -> None:
        self._folder = folder
        self.problem: str | None = None
        """Why it cannot be used, in a sentence."""
        self._digests: Mapping[str, str] = {}
        self.identity: Mapping[str, Any] = {}
        """What the status says of its run: experiment, cell, settings, seed and fingerprint."""
        path = f"{folder}/{MANIFEST}"
        try:
            content = decode_json(read_foreign(path))
            self._digests, self.identity = dict(content["sha256"]), dict(content["identity"])
        except FileNotFoundError:
            self.problem = f"{path}, the seal of the run's files, is missing"
        except OSError as error:
            self.problem = f"{path} cannot be read: {error.strerror or error}"
        except (ValueError, KeyError, TypeError):
            self.problem = f"{path} is not a manifest"

    def covers(self, name: str) -> bool:
        """Returns whether the run left a file of that name."""
        return name in self._digests

    def digest_of(self, name: str) -> str | None:
        """Returns the SHA-256 that a file had, or None if the run left none of that name."""
        return self._digests.get(name)

    def find_problem(self, name: str, content: bytes | None) -> str | None:
        """Returns why a file, with that content or missing, is not what the run wrote, or None."""
        if self.problem:
            return self.problem
        if content is None:
            return f"{Path(self._folder, name)} is missing"
        if self._digests.get(name) == digest(content):
            return None
        return f"{Path(self._folder, name)} {_ALTERED}"

    def find_other_identity(self, status: Mapping[str, Any]) -> str | None:
        """Returns why a status, if there is any, is not that of the sealed run, or None."""
        if self.identity.items() <= status.items():
            return None
        # The place of a cell in its sweep may change.
        sealed = {key: value for key, value in self.identity.items() if key != "cell_index"}
        other = [key for key, value in sealed.items() if status.get(key) != value]
        if not status or not other:
            return None
        return f"{self._folder}: status.json and manifest.json differ in {', '.join(other)}"

    def find_broken(self, *names: str) -> Iterator[tuple[str, str]]:
        """Yields the name of each sealed file that is missing or altered, and the problem.

        Only the named files are read, or all.
        """
        if self.problem:
            yield MANIFEST, self.problem
            return
        for name in names or self._digests:
            path = Path(self._folder, name)
            try:
                found = _digest_file(path)
            except OSError as error:
                yield name, f"{path} cannot be read: {error.strerror or error}"
            else:
                if found != self._digests.get(name):
                    yield name, f"{path} {_ALTERED}"


def write_seal(folder: Path, identity: Mapping[str, Any], written: Mapping[str, str]) -> None:
    """Seals which run it is, and its files.

    `written` has the SHA-256 of those that need not stand there yet, or as they were written.
    """
    others = (name for name in _SEALED if name not in written and (folder / name).is_file())
    digests = {name: _digest_file(folder / name) for name in others} | dict(written)
    write_bytes_atomically(
        folder / MANIFEST, encode_json({"identity": dict(identity), "sha256": digests})
    )


def _digest_file(path: Path) -> str:
    with open_foreign(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
