"""What every configurable part shares: a frozen, strict config class, and open unions of them.

A *part* is a norm, a model, a dataset or an optimiser. Each lives in one file
with its config class, whose `name` field is a literal; the package lists its
members, and third parties add theirs through entry points.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Sequence
from importlib.metadata import entry_points
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from bnexp.errors import UsageError


class Part(BaseModel):
    """A frozen piece of a config: unknown keys, wrong types and non-finite numbers are errors."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        strict=True,
        allow_inf_nan=False,
        validate_default=True,
        use_attribute_docstrings=True,
    )


P = TypeVar("P", bound=Part)


@functools.cache
def load_plugins(group: str, base: type[P]) -> tuple[type[P], ...]:
    """Loads the config classes that installed packages registered under an entry-point group.

    Raises:
        UsageError: A registered object cannot be imported, or is not a config class of the
            group's kind with a literal `name`.
    """
    found = []
    for entry in sorted(entry_points(group=group), key=lambda entry: entry.name):
        try:
            member = entry.load()
        except Exception as error:
            raise UsageError(
                f"plug-in '{entry.value}' in '{group}' cannot be imported ({error}); uninstall "
                "or mend that package"
            ) from error
        if not (isinstance(member, type) and issubclass(member, base) and part_name(member)):
            raise UsageError(
                f"plug-in '{entry.value}' in '{group}' is not a {base.__module__}.{base.__name__} "
                "with a `name: Literal[...]` field; uninstall or mend that package"
            )
        found.append(member)
    return tuple(found)


def part_name(member: type[Part]) -> str | None:
    """Returns the literal `name` that selects a part in YAML, or None where it has none."""
    field = member.model_fields.get("name")
    values = getattr(field.annotation, "__args__", ()) if field else ()
    return values[0] if len(values) == 1 and isinstance(values[0], str) else None  # type: ignore[misc]


def named_union(members: Sequence[type[Part]]) -> Any:  # noqa: ANN401 - a typing construct
    """Returns a union that `name` selects from; the bare name is short for `{name: ...}`."""
    names = [part_name(member) for member in members]
    for name in names:
        if names.count(name) > 1:
            raise UsageError(f"two installed parts are called '{name}'; uninstall one of them")
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
