"""The studies: the experiments with claims that come with bnexp, by number, and a user's own."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from bnexp.config.shipped import SUFFIXES, ShippedConfig, list_shipped
from bnexp.config.yaml.tree import read_tree
from bnexp.errors import UsageError, did_you_mean
from bnexp.wording import show_path

FOLDER = "studies"
"""Where they lie among the shipped configs."""

_FILE = re.compile(r"(\d+)-(.+)")


@dataclass(frozen=True)
class Study:
    """An experiment whose claims are to be reported together with those of others."""

    number: int | None
    """Its place among those that come with bnexp; None for a user's own."""
    name: str
    """That of the experiment, without a tier."""
    path: Path
    purpose: str
    """What it asks, in the first sentence of its file."""
    refuted: str = ""
    """What would refute its claims, if its file says so."""

    @property
    def title(self) -> str:
        """`1 learning-rate-ceiling`, or the name alone if it has no number."""
        return self.name if self.number is None else f"{self.number} {self.name}"


def list_studies() -> list[Study]:
    """Returns the studies that come with bnexp, in the order of their numbers."""
    found = [
        Study(int(match[1]), match[2], one.path, one.purpose, one.section("Refuted"))
        for one in list_shipped()
        if one.name.startswith(f"{FOLDER}/") and (match := _FILE.fullmatch(one.short_name))
    ]
    return sorted(found, key=lambda study: (study.number or 0, study.name))


def count_claims(study: Study) -> int:
    """Returns how many claims a study has without a tier.

    Raises:
        UsageError, ConfigError: Its file cannot be read.
    """
    claims = read_tree(study.path, []).child("claim")
    return 0 if claims is None else len(claims.items) or int(bool(claims.mapping))


def find_study(name: str) -> Study:
    """Returns the study of that number, name, or both (`1-ceiling`), or that in a YAML file.

    Raises:
        UsageError: There is no such study and no such file.
        ConfigError: The file is not YAML.
    """
    studies = list_studies()
    found = [study for study in studies if _is_called(study, name)]
    if found:
        return found[0]
    path = Path(name)
    if path.suffix in SUFFIXES:
        return _read_own(path, studies)
    known = [study.name for study in studies]
    hint = did_you_mean(name, known) or "; `bnexp study list` lists all"
    raise UsageError(f"no study '{show_path(path)}'{hint}; a study of your own is a YAML file")


def _is_called(study: Study, name: str) -> bool:
    if name.isdecimal():
        return study.number == int(name)
    match = _FILE.fullmatch(name)
    return name == study.name or bool(
        match and (int(match[1]), match[2]) == (study.number, study.name)
    )


def _read_own(path: Path, studies: list[Study]) -> Study:
    """Returns the study in a file, which may be one of ours."""
    shipped = next((study for study in studies if study.path.resolve() == path.resolve()), None)
    if shipped:
        return shipped
    name = read_tree(path, []).child("name")
    if name is None or not isinstance(name.value, str):
        raise UsageError(f"{show_path(path)} has no name; a study needs one (name: …)")
    own = ShippedConfig(path.stem, path)
    return Study(None, name.value, path, own.purpose, own.section("Refuted"))
