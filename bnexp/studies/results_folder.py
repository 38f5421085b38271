"""The folder of a report: which studies it is about, and what each of them found."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import ConfigDict, TypeAdapter, ValidationError

from bnexp.errors import UsageError
from bnexp.files import decode_json, digest, encode_json, read_foreign, write_bytes_atomically
from bnexp.foreign_text import shorten_words
from bnexp.studies.result import DeclaredClaim, StudyResult
from bnexp.studies.shown import ShownFiles

T = TypeVar("T")

FAMILY = "family.json"
SHOWN = "shown.json"
_SEAL = "sha256"
"""The key under which each file has the digest of the rest: an edit is noticed, not believed."""
_PNG = b"\x89PNG\r\n"
_WIDTH = 100
_RESULT = TypeAdapter(StudyResult)
_SHOWN = TypeAdapter(ShownFiles)


@dataclass(frozen=True)
class DeclaredStudy:
    """A study of the family, with its claims as they were declared."""

    study: str
    number: int | None
    claims: tuple[DeclaredClaim, ...]

    @property
    def digests(self) -> list[str]:
        """What its claims are known by."""
        return [claim.digest for claim in self.claims]


@dataclass(frozen=True)
class Family:
    """The studies whose claims are judged together, declared before they are trained."""

    __pydantic_config__ = ConfigDict(extra="ignore")

    format: Literal[1]
    tier: str
    declared: str
    """When, in UTC."""
    studies: tuple[DeclaredStudy, ...]

    @property
    def size(self) -> int:
        """The number of claims."""
        return sum(len(study.claims) for study in self.studies)

    def find(self, name: str) -> DeclaredStudy | None:
        """Returns the study of that name, if it belongs to the family."""
        return next((study for study in self.studies if study.study == name), None)

    def count_others(self, name: str) -> int:
        """Returns how many claims the other studies have."""
        return sum(len(study.claims) for study in self.studies if study.study != name)


_FAMILY = TypeAdapter(Family)


class ResultsFolder:
    """Knows every path of a report's results, and reads and writes them."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def family(self) -> Path:
        """The declaration of the family."""
        return self.path / FAMILY

    def result(self, study: str) -> Path:
        """What a study found."""
        return self.path / f"{study}.json"

    @property
    def events(self) -> Path:
        """The report for TensorBoard."""
        return self.path / "_tensorboard"

    def beside(self, study: str) -> Path:
        """The folder of what is shown of a study beside its result."""
        return self.path / study

    def read_family(self) -> Family | None:
        """Returns the declared family; None if there is none yet.

        Raises:
            UsageError: The file cannot be read.
        """
        return _read(self.family, _FAMILY, "the declaration of a report's studies")

    def write_family(self, family: Family) -> None:
        """Declares the family.

        Raises:
            UsageError: The file cannot be written.
        """
        _write(self.family, _FAMILY, family)

    def read_result(self, study: str) -> StudyResult | None:
        """Returns what a study found; None if there is nothing of it.

        Raises:
            UsageError: The file cannot be read, or is not about this study.
        """
        path = self.result(study)
        found = _read(path, _RESULT, "the result of a study")
        if found is None:
            return None
        if fault := _find_fault(found, study):
            raise _refuse(path, "the result of a study", fault)
        return found

    def write_result(self, result: StudyResult) -> Path:
        """Writes what a study found, and returns the path.

        Raises:
            UsageError: The file cannot be written.
        """
        path = self.result(result.study)
        _write(path, _RESULT, result)
        return path

    def read_shown(self, study: str) -> ShownFiles:
        """Returns what is shown of a study beside its result; nothing if there is nothing.

        Raises:
            UsageError: The list of it cannot be read.
        """
        found = _read(self.beside(study) / SHOWN, _SHOWN, "the list of a study's figures")
        return found or ShownFiles()

    def write_shown(self, study: str, shown: ShownFiles, files: Mapping[str, bytes]) -> None:
        """Writes the files beside a result, then the list of them.

        Raises:
            UsageError: They cannot be written.
        """
        folder = self.beside(study)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for name, content in files.items():
                write_bytes_atomically(folder / name, content)
        except OSError as error:
            raise UsageError(f"{folder} cannot be written: {error.strerror or error}") from error
        _write(folder / SHOWN, _SHOWN, shown)

    def read_picture(self, study: str, name: str) -> bytes:
        """Returns a figure of a study.

        Raises:
            UsageError: It cannot be read, or is no PNG.
        """
        path = self.beside(study) / name
        try:
            content = read_foreign(path)
        except OSError as error:
            raise UsageError(f"{path} cannot be read: {error.strerror or error}") from error
        if not content.startswith(_PNG):
            raise UsageError(f"{path} is no PNG; delete {path.with_name(SHOWN)} to have it redrawn")
        return content


def _find_fault(result: StudyResult, study: str) -> str | None:
    """Returns what in a result contradicts itself, or its name."""
    if result.study != study:
        return f"it is about the study '{result.study}'"
    for attempt in result.attempts:
        looks = attempt.looks
        if not (looks and attempt.plan.looks and all(look.parts for look in looks)):
            return f"the claim '{attempt.claim.statement}' has no look"
        for evidence in (look.evidence for look in looks if look.evidence):
            ps = (evidence.p_for, evidence.p_against, evidence.p_equivalence)
            if not all(p is None or 0 <= p <= 1 for p in ps):
                return f"a p-value of the claim '{attempt.claim.statement}' is not in [0, 1]"
    return None


def _read(path: Path, kind: TypeAdapter[T], name: str) -> T | None:
    try:
        content = read_foreign(path)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror or error}") from error
    try:
        found = kind.validate_json(content)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        fault = ": ".join(filter(None, (place, first["msg"])))
        raise _refuse(path, name, fault) from error
    tree = decode_json(content)
    if tree.pop(_SEAL, None) != digest(encode_json(tree)):
        raise _refuse(path, name, "its SHA-256 is not that of what it says")
    return found


def _refuse(path: Path, name: str, fault: str) -> UsageError:
    return UsageError(
        f"{path} is not {name} as this version of bnexp writes it: {shorten_words(fault)}; move it "
        "away, and train the study again or restore the file"
    )


def _write(path: Path, kind: TypeAdapter[T], value: T) -> None:
    tree = json.loads(kind.dump_json(value))
    text = _lay_out({**tree, _SEAL: digest(encode_json(tree))}, 0)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_bytes_atomically(path, f"{text}\n".encode())
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror or error}") from error


def _lay_out(value: Any, indent: int) -> str:  # noqa: ANN401 - any JSON
    """Returns JSON in which what fits on a line stands on one."""
    flat = json.dumps(value, ensure_ascii=False, allow_nan=False)
    if len(flat) + indent <= _WIDTH or not isinstance(value, dict | list) or not value:
        return flat
    inner = " " * (indent + 1)
    if isinstance(value, list):
        lines: Sequence[str] = [_lay_out(one, indent + 1) for one in value]
        opening, closing = "[]"
    else:
        lines = [f"{json.dumps(key)}: {_lay_out(one, indent + 1)}" for key, one in value.items()]
        opening, closing = "{}"
    body = ",\n".join(f"{inner}{line}" for line in lines)
    return f"{opening}\n{body}\n{' ' * indent}{closing}"
