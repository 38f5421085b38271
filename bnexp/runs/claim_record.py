"""The record of claims: when each was first seen, and when each run first had a result.

`claims.jsonl` in the runs folder is only ever appended to; `train --force` and `rm` leave it
alone. From it a comparison tells a claim that stood before its results from one that was
written, or changed, when they were known: so are those of a run that goes on from a shorter one,
since who decides to train longer has seen how the shorter one came out. It proves nothing against
whoever deletes it, or trains in another folder.

It also notes when each run was trained, so that a time is not judged if another run took its
share of the machine.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from math import inf
from pathlib import Path
from typing import Any

from bnexp.files import decode_json, open_foreign, open_to_write, sync_folder

FILE = "claims.jsonl"
"""Its name in the runs folder."""

_DESCRIPTION = ("statement", "source", "published")
"""What can change in a claim while the same is tested."""

_LONGEST_LINE = 16 * 2**20
"""In bytes; more than a line about 100,000 runs has."""

_DIGITS = 16
"""How much is kept of the SHA-256 of claims and configs."""


def claim_digest(claim: Mapping[str, Any], seeds: Sequence[int], looks: Sequence[int]) -> str:
    """Returns what a claim is known by: what it tests, with which seeds and looks."""
    tested = {key: value for key, value in claim.items() if key not in _DESCRIPTION}
    content = {"tested": tested, "seeds": [*seeds], "looks": [*looks]}
    text = json.dumps(content, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:_DIGITS]


@dataclass(frozen=True)
class ClaimRecord:
    """What a runs folder's record says, by the fingerprint of a run (its config with its seed)."""

    before_result: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """The claims about a run that were seen before it had a result, by their digests."""
    with_result: frozenset[str] = frozenset()
    """The runs that had a result."""
    beside_others: frozenset[str] = frozenset()
    """The runs of which one was trained while another one of this folder was."""

    def find_claims(self, fingerprint: str | None, *, has_ended: bool) -> frozenset[str] | None:
        """Returns the claims that stood before a run had a result.

        None if it has one by now, and the record does not know of it.
        """
        key = (fingerprint or "")[:_DIGITS]
        if has_ended and key not in self.with_result:
            return None
        return self.before_result.get(key, frozenset())

    def was_beside_others(self, fingerprint: str | None) -> bool:
        """Returns whether another run that ended in this folder was trained at the same time."""
        return (fingerprint or "")[:_DIGITS] in self.beside_others


def read_record(runs_dir: Path) -> ClaimRecord:
    """Returns the record of a runs folder; it is empty if there is none, or none to be read."""
    path = runs_dir / FILE
    try:
        status = path.stat()
    except (OSError, ValueError):
        return ClaimRecord()
    return _read(path, status.st_mtime_ns, status.st_size)


@functools.lru_cache(maxsize=16)
def _read(path: Path, _time: int, _size: int) -> ClaimRecord:
    seen: dict[str, set[str]] = {}
    ended: dict[str, frozenset[str]] = {}
    spans: list[tuple[float, float, str]] = []
    for entry in _read_entries(path):
        for run in _texts(entry.get("extended")):  # what is extended had results by then
            ended.setdefault(run, frozenset())
        result = entry.get("result")
        if isinstance(result, str):
            ended.setdefault(result, frozenset(seen.get(result, ())))
            if span := _read_span(entry.get("span")):
                spans.append((*span, result))
            continue
        claims, runs = _texts(entry.get("claims")), _texts(entry.get("runs"))
        for run in runs:
            seen.setdefault(run, set()).update(claims)
    begun = {run: frozenset(claims) for run, claims in seen.items()}
    return ClaimRecord({**begun, **ended}, frozenset(ended), frozenset(_find_overlapping(spans)))


def _find_overlapping(spans: Iterable[tuple[float, float, str]]) -> Iterator[str]:
    """Yields the runs whose span overlaps another one's."""
    last, last_run = -inf, ""
    for start, end, run in sorted(spans):
        if start < last:
            yield from (run, last_run)
        if end > last:
            last, last_run = end, run


def _read_span(value: Any) -> tuple[float, float] | None:  # noqa: ANN401 - any JSON
    match value:
        case [int() | float() as start, int() | float() as end]:
            return float(start), float(end)
    return None


def _read_entries(path: Path) -> Iterable[Mapping[str, Any]]:
    """Yields what the lines say; one that a killed process left torn is passed over."""
    try:
        with open_foreign(path) as file:
            while line := file.readline(_LONGEST_LINE):
                try:
                    entry = decode_json(line)
                except ValueError:
                    continue
                if isinstance(entry, dict):
                    yield entry
    except OSError:
        return


def _texts(value: Any) -> list[str]:  # noqa: ANN401 - any JSON
    return [one for one in value if isinstance(one, str)] if isinstance(value, list) else []


def note_claims(runs_dir: Path, digests: Collection[str], fingerprints: Iterable[str]) -> None:
    """Notes that these claims, about these runs, were seen now, unless that is known.

    Raises:
        OSError: The record cannot be written.
    """
    record = read_record(runs_dir)
    runs = [fingerprint[:_DIGITS] for fingerprint in fingerprints]
    new = [run for run in runs if not record.before_result.get(run, frozenset()) >= {*digests}]
    if digests and new:
        _append(runs_dir, {"claims": [*digests], "runs": new})


def note_extended(runs_dir: Path, fingerprints: Iterable[str]) -> None:
    """Notes that these runs extend an experiment whose results are known by now.

    No claim stands before their results, whatever is noted later.

    Raises:
        OSError: The record cannot be written.
    """
    known = read_record(runs_dir).with_result
    runs = [fingerprint[:_DIGITS] for fingerprint in fingerprints]
    if new := [run for run in runs if run not in known]:
        _append(runs_dir, {"extended": new})


def note_result(runs_dir: Path, fingerprint: str, seconds: float) -> None:
    """Notes that a run has a result, and that it was trained for the last so many seconds.

    Raises:
        OSError: The record cannot be written.
    """
    now = time.time()
    span = [round(now - seconds, 3), round(now, 3)]
    _append(runs_dir, {"result": fingerprint[:_DIGITS], "span": span})


def _read_last(handle: int) -> bytes:
    os.lseek(handle, -1, os.SEEK_END)
    return os.read(handle, 1)


def _append(runs_dir: Path, entry: Mapping[str, Any]) -> None:
    at = datetime.now(UTC).isoformat(timespec="milliseconds")
    line = json.dumps({"at": at, **entry}) + "\n"
    path = runs_dir / FILE
    is_new = not path.exists()
    handle = open_to_write(path, os.O_RDWR | os.O_APPEND)
    try:
        size = os.fstat(handle).st_size
        # A process that was killed may have left half a line.
        is_torn = size > 0 and _read_last(handle) != b"\n"
        os.write(handle, b"\n" * is_torn + line.encode())
        os.fsync(handle)
    finally:
        os.close(handle)
    if is_new:
        sync_folder(runs_dir)
