"""A part says in one sentence what it lacks, and is found by its folder."""

import sys
from abc import abstractmethod
from typing import ClassVar, Literal

import pytest

from bnexp.errors import UsageError
from bnexp.parts import Part, find_parts, part_name


class Shape(Part):
    """A family of parts."""

    docstring_headings: ClassVar[tuple[str, ...]] = ("Area", "Source")

    name: str

    @abstractmethod
    def measure(self): ...


class Round(Shape):
    """Shares a field between some of them."""

    radius: float = 1.0
    """From the centre to the edge."""


def test_a_part_with_all_it_must_have_is_a_class():
    class Disc(Round):
        """A disc.

        Area: π · radius².

        Source: Archimedes.
        """

        name: Literal["disc"] = "disc"

        def measure(self): ...

    assert part_name(Disc) == "disc"
    assert Disc(radius=2.0).radius == 2.0


def lack_a_name():
    class Disc(Round):
        """A disc."""

        def measure(self): ...


def lack_a_method():
    class Disc(Round):
        """A disc.

        Area: π · radius².

        Source: Archimedes.
        """

        name: Literal["disc"] = "disc"


def lack_a_heading():
    class Disc(Round):
        """A disc; its Area: π · radius².

        Source: Archimedes.
        """

        name: Literal["disc"] = "disc"

        def measure(self): ...


def lack_a_docstring_of_a_field():
    class Options(Part):
        """Some options."""

        size: int = 1
        width: int = 1
        height: int = 1
        """Pixels."""


def lack_several_things():
    class Options(Part):
        size: int = 1


@pytest.mark.parametrize(
    ("define", "lacks"),
    [
        (lack_a_name, 'Disc lacks a field `name: Literal["..."] = "..."`'),
        (lack_a_method, "Disc lacks the method `measure`"),
        (lack_a_heading, "Disc lacks in its docstring `Area:`"),
        (lack_a_docstring_of_a_field, "Options lacks a docstring under `size`, `width`"),
        (lack_several_things, "Options lacks a docstring; a docstring under `size`"),
    ],
)
def test_a_part_that_lacks_something_is_refused_at_its_definition(define, lacks):
    with pytest.raises(UsageError) as caught:
        define()

    assert str(caught.value).endswith(lacks)
    assert str(caught.value).startswith(f"the class {__name__}.")


def test_a_class_without_source_is_not_blamed_for_docstrings_that_cannot_be_read():
    namespace = {"Part": Part, "__name__": "typed_at_a_prompt"}

    exec('class Options(Part):\n    """Some options."""\n    size: int = 1\n', namespace)

    assert namespace["Options"]().size == 1


@pytest.fixture
def package(tmp_path, monkeypatch):
    """An importable package without parts, as `bnexp.norms` is one with them."""
    folder = tmp_path / "zoo"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr("bnexp.parts.__file__", str(folder / "parts.py"))
    find_parts.cache_clear()
    yield folder
    find_parts.cache_clear()
    for module in [name for name in sys.modules if name.partition(".")[0] == "zoo"]:
        del sys.modules[module]


CONFIG = """
from typing import Literal
from bnexp.parts import Part

class Animal(Part):
    \"\"\"An animal.\"\"\"
    name: Literal["{name}"] = "{name}"
"""


def write(package, folder, name):
    (package / folder).mkdir()
    (package / folder / "config.py").write_text(CONFIG.format(name=name))


def test_parts_are_found_by_their_folders_in_order(package):
    for name in ("yak", "ant", "cow"):
        write(package, name, name)
    (package / "cage").mkdir()
    (package / "keeper.py").write_text("")

    found = find_parts("zoo", "zoo.plugins", Part)

    assert [part_name(member) for member in found] == ["ant", "cow", "yak"]


def test_a_folder_whose_part_has_another_name_is_refused(package):
    write(package, "ant", "aunt")

    with pytest.raises(
        UsageError, match=r'zoo\.ant\.config has no Part .* `name: Literal\["ant"\]'
    ):
        find_parts("zoo", "zoo.plugins", Part)
