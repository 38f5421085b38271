"""What every configurable part shares: a frozen, strict config class, and open unions of them.

A *part* is a norm, a model, a dataset or an optimiser: a config class whose `name` field is a
literal. Norms, models and datasets are found by their folder, and third parties add theirs
through entry points.
"""

from __future__ import annotations

import ast
import functools
import inspect
import operator
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib import import_module
from importlib.metadata import EntryPoints, entry_points
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, ClassVar, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from pydantic.fields import FieldInfo
from pydantic_core import PydanticCustomError

from bnexp.errors import UsageError


class Part(BaseModel):
    """A frozen piece of a config: unknown keys, wrong types and non-finite numbers are errors.

    Defining a subclass that is not documented, or that `name` cannot select, raises a
    UsageError that says what it lacks.
    """

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        strict=True,
        allow_inf_nan=False,
        validate_default=True,
        defer_build=True,  # the whole config's validators hold those of its parts
    )

    docstring_headings: ClassVar[tuple[str, ...]] = ()
    """What the docstring of each part of this kind must explain, in paragraphs that start so."""

    @model_validator(mode="before")
    @classmethod
    def _use_default_names(cls, values: Any) -> Any:  # noqa: ANN401 - any YAML value
        """Lets a mapping without a `name` change options of the field's default part."""
        if not isinstance(values, dict):
            return values
        named = dict(values)
        for key, field in cls.model_fields.items():
            options, default = values.get(key), field.default
            if isinstance(options, dict) and "name" not in options and isinstance(default, Part):
                name = part_name(type(default))
                own = {"name": name} if name else {}
                named[key] = {**own, **default.model_dump(exclude_unset=True), **options}
        return named

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:  # noqa: ANN401 - pydantic's
        super().__pydantic_init_subclass__(**kwargs)
        # Pydantic would read and parse the source of each class by itself, which takes a second.
        for name, text in (_read_field_docs(cls) or {}).items():
            if field := cls.model_fields.get(name):
                field.description = field.description or text
        if lacks := "; ".join(_find_lacks(cls)):
            raise UsageError(f"the class {cls.__module__}.{cls.__qualname__} lacks {lacks}")


P = TypeVar("P", bound=Part)


def keys_of(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """Returns a config class's fields by the keys that YAML has for them."""
    return {field.alias or name: field for name, field in model.model_fields.items()}


def find_late(
    package: str, group: str, base: type[P], members: str, union: str
) -> Callable[[str], Any]:
    """Returns the `__getattr__` of a package that holds parts: their list, and their union.

    Both are made when first asked for, so that the module of a plug-in can be imported first:
    it needs the base class, and the list needs the plug-in.
    """

    def get(name: str) -> Any:  # noqa: ANN401 - a list or a typing construct
        if name == members:
            return find_parts(package, group, base)
        if name == union:
            return named_union(find_parts(package, group, base))
        raise AttributeError(f"module {package!r} has no attribute {name!r}")

    return get


@functools.cache
def find_parts(package: str, group: str, base: type[P]) -> tuple[type[P], ...]:
    """Returns the parts in the folders of a package, by name, then those of plug-ins.

    Every folder with a `config.py` holds one part, whose `name` is that of the folder.

    Raises:
        UsageError: A folder or a plug-in does not hold such a part.
    """
    root = Path(__file__).parent.joinpath(*package.split(".")[1:])
    folders = sorted(path.parent.name for path in root.glob("*/config.py"))
    own = (_find_part_in(f"{package}.{folder}.config", folder, base) for folder in folders)
    return (*own, *load_plugins(group, base))


def _find_part_in(module: str, name: str, base: type[P]) -> type[P]:
    try:
        found = import_module(module)
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"
        raise UsageError(f"{module} cannot be imported ({reason}); fix it") from error
    for member in vars(found).values():
        if isinstance(member, type) and issubclass(member, base) and part_name(member) == name:
            return member
    raise UsageError(
        f"{module} has no {base.__name__} with the name of its folder: "
        f'`name: Literal["{name}"] = "{name}"`'
    )


@functools.cache
def load_plugins(group: str, base: type[P]) -> tuple[type[P], ...]:
    """Returns the config classes that installed packages registered under an entry-point group.

    Raises:
        UsageError: A registered object cannot be imported, or is not a part of the group's kind.
    """
    members = []
    for entry in sorted(list_entry_points(group), key=lambda entry: entry.name):
        plugin, fix = f"plug-in '{entry.value}' in '{group}'", "fix or uninstall that package"
        try:
            member = entry.load()
        except UsageError as error:
            raise UsageError(f"{plugin}: {error}") from error
        except Exception as error:
            reason = f"{type(error).__name__}: {error}"
            raise UsageError(f"{plugin} cannot be imported ({reason}); {fix}") from error
        if not (isinstance(member, type) and issubclass(member, base) and part_name(member)):
            kind = f"{base.__module__}.{base.__name__}"
            raise UsageError(f"{plugin} is not a {kind} with a `name: Literal[...]` field; {fix}")
        members.append(member)
    return tuple(members)


def list_entry_points(group: str) -> EntryPoints:
    """Returns what installed packages registered under a group."""
    found: EntryPoints = _read_entry_points().select(group=group)
    return found


@functools.cache
def _read_entry_points() -> Any:  # noqa: ANN401 - of another type in each version of Python
    return entry_points()  # those of every group, since it reads a file of every package


def part_name(member: type[Part]) -> str | None:
    """Returns the literal `name` that selects a part in YAML, or None if it has none."""
    field = member.model_fields.get("name")
    values = getattr(field.annotation, "__args__", ()) if field else ()
    return values[0] if len(values) == 1 and isinstance(values[0], str) else None  # type: ignore[misc]


def _find_lacks(member: type[Part]) -> Iterator[str]:
    """Yields what a config class lacks: a literal name, methods or documentation."""
    name, doc = part_name(member), member.__doc__ or ""
    if name:
        yield from (f"the method `{method}`" for method in sorted(member.__abstractmethods__))
    elif not member.__abstractmethods__ and any(
        issubclass(base, Part) and base.__abstractmethods__ for base in member.__mro__[1:]
    ):
        yield 'a field `name: Literal["..."] = "..."`'
    yield from _find_other_forms(member)
    if not doc:
        yield "a docstring"
    fields = member.model_fields.items()
    undocumented = [key for key, field in fields if key != "name" and not field.description]
    if undocumented and _read_field_docs(member) is not None:
        yield f"a docstring under {_join(undocumented)}"
    headings = [
        f"{heading}:"
        for heading in member.docstring_headings
        if name and doc and not re.search(rf"^\s*{heading}: ", doc, re.MULTILINE)
    ]
    if headings:
        yield f"in its docstring {_join(headings)}"


def _find_other_forms(member: type[Part]) -> Iterator[str]:
    """Yields how to write the methods and properties that bnexp could not use as they are."""
    for name, own in vars(member).items():
        bases = (vars(base) for base in member.__mro__[1:])
        expected = next((base[name] for base in bases if name in base), None)
        if name.startswith(("_", "model_")):  # pydantic's own, the latter
            continue
        if isinstance(expected, property) and inspect.isfunction(own):
            yield f"`@property` above `{name}`"
        elif inspect.isfunction(expected):
            words = inspect.signature(expected).parameters
            try:
                inspect.signature(own).bind(**dict.fromkeys(words))
            except TypeError:
                yield f"the form `{name}({', '.join(words)})`"


def _read_field_docs(member: type[Part]) -> Mapping[str, str] | None:
    """Returns the docstring under each field of a class; None if its source cannot be read.

    That is so if it was typed at a prompt.
    """
    file = getattr(sys.modules.get(member.__module__), "__file__", None)
    return _read_class_docs(file).get(member.__qualname__) if file else None


@functools.cache
def _read_class_docs(file: str) -> Mapping[str, Mapping[str, str]]:
    """Returns the docstrings under the fields of all classes in a file, by their qualified name."""
    try:
        tree = ast.parse(Path(file).read_bytes())
    except (OSError, SyntaxError):
        return {}
    return dict(_find_class_docs(tree, ""))


def _find_class_docs(node: ast.AST, above: str) -> Iterator[tuple[str, Mapping[str, str]]]:
    if isinstance(node, ast.ClassDef):
        yield f"{above}{node.name}", dict(_find_docs_below(node.body))
        above += f"{node.name}."
    elif isinstance(node, ast.FunctionDef):
        above += f"{node.name}.<locals>."
    for child in getattr(node, "body", ()):
        yield from _find_class_docs(child, above)


def _find_docs_below(body: Sequence[ast.stmt]) -> Iterator[tuple[str, str]]:
    for statement, text in pairwise(body):
        match statement, text:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(
                value=ast.Constant(value=str(doc))
            ):
                yield name, inspect.cleandoc(doc)


def _join(names: Sequence[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def named_union(members: Sequence[type[Part]]) -> Any:  # noqa: ANN401 - a typing construct
    """Returns a union that `name` selects from; the bare name is short for `{name: ...}`.

    Raises:
        UsageError: Two parts have the same name.
    """
    names = [part_name(member) for member in members]
    for name in names:
        if names.count(name) > 1:
            places = [member.__module__ for member in members if part_name(member) == name]
            raise UsageError(f"two parts are called '{name}' ({_join(places)}); rename one")
    annotated: Any = Annotated  # built at run time, which type checkers do not follow
    choices: Any = functools.reduce(operator.or_, members)
    if len(members) > 1:
        choices = annotated[choices, Field(discriminator="name")]
    return annotated[choices, BeforeValidator(_expand_shorthand)]


def _expand_shorthand(value: Any) -> Any:  # noqa: ANN401 - any YAML value may stand there
    if isinstance(value, str):
        return {"name": value}
    if isinstance(value, dict) and "name" not in value:
        raise PydanticCustomError("union_tag_not_found", "needs a name")
    return value
