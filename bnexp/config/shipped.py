"""The configs that come with bnexp, by name: what `bnexp init` copies and `bnexp train` finds."""

from __future__ import annotations

import itertools
import os
import re
from dataclasses import dataclass
from pathlib import Path

from bnexp.errors import UsageError, did_you_mean
from bnexp.wording import show_path

_PACKAGE = Path(__file__).parents[1]
SUFFIXES = (".yaml", ".yml")

_NUMBER = re.compile(r"^\d+-")
"""What orders the studies, before the name of each."""


@dataclass(frozen=True)
class ShippedConfig:
    """A config that comes with bnexp."""

    name: str
    """Its path in the folder of configs, without suffix: `quickstart`, `cifar10/bn-vs-none`."""
    path: Path

    @property
    def short_name(self) -> str:
        """The last part of its name: `bn-vs-none`."""
        return self.name.rpartition("/")[2]

    @property
    def bare_name(self) -> str:
        """Its short name without the number that orders it: `placement` of `03-placement`."""
        return _NUMBER.sub("", self.short_name)

    @property
    def opening(self) -> list[str]:
        """The comment that opens the file, line by line: purpose, source, expected, command."""
        lines = self.path.read_text("utf-8").splitlines()
        return list(itertools.takewhile(lambda line: line.startswith("#"), lines))

    def section(self, label: str) -> str:
        """The text after a label in the comment that opens the file, such as `Refuted`."""
        found: dict[str, list[str]] = {"": []}
        for line in self.opening:
            words = line.lstrip("# ")
            if begun := re.match(r"([A-Z][a-z]+): *(.*)", words):
                found[begun[1]] = [begun[2]]
            else:
                found[[*found][-1]].append(words)
        return " ".join(found.get(label, [])).strip()

    @property
    def purpose(self) -> str:
        """The first sentence of its purpose."""
        words = self.section("Purpose") or self.section("")
        found = re.match(r".+?[.?!](?=\s|$)", words)
        return found[0] if found else words


def list_shipped() -> list[ShippedConfig]:
    """Returns all of them, by name, those outside of folders first."""
    inside, beside = _PACKAGE / "configs", _PACKAGE.parent / "configs"
    folder = inside if inside.is_dir() else beside  # in a checkout, they lie beside the package
    found = [
        ShippedConfig(path.relative_to(folder).with_suffix("").as_posix(), path)
        for path in folder.rglob("*.yaml")
    ]
    return sorted(found, key=lambda one: (one.name.count("/"), one.name))


def find_shipped(name: str) -> ShippedConfig:
    """Returns the config of that name, with or without its folder.

    Raises:
        UsageError: There is none, or several in different folders.
    """
    shipped = list_shipped()
    found = [one for one in shipped if name in (one.name, one.short_name)]
    found = found or [one for one in shipped if name == one.bare_name]
    if len(found) == 1 or (found and found[0].name == name):
        return found[0]
    if found:
        names = " and ".join(one.name for one in found)
        raise UsageError(f"'{name}' may be {names}; name its folder too")
    known = {word: None for one in shipped for word in (one.bare_name, one.short_name, one.name)}
    hint = did_you_mean(name, list(known)) or "; `bnexp init` lists all"
    raise UsageError(f"no config '{show_path(Path(name))}' comes with bnexp{hint}")


def find_config(path: Path) -> ShippedConfig | None:
    """Returns the shipped config that a command line means, or None if it means a file.

    What exists, and what is named like a file, is a file.

    Raises:
        UsageError: There is neither such a file nor such a config.
    """
    if os.path.lexists(path):
        return None
    is_file = path.suffix in SUFFIXES
    name = path.with_suffix("").as_posix().removeprefix("configs/") if is_file else path.as_posix()
    try:
        found = find_shipped(name)
    except UsageError as error:
        if is_file:
            return None
        files = [path.with_name(path.name + suffix) for suffix in SUFFIXES]
        there = next((str(file) for file in files if os.path.lexists(file)), None)
        if there:
            raise UsageError(f"no file '{path}'; write {there}") from None
        raise UsageError(f"no such file, and {error}") from None
    if is_file:
        fix = f"write {found.short_name} for the config that comes with bnexp"
        raise UsageError(f"no file '{path}'; {fix}")
    return found
