"""`bnexp init`."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from bnexp.cli.names import complete_shipped
from bnexp.cli.output import print_table, say
from bnexp.config.shipped import ShippedConfig, find_shipped, list_shipped
from bnexp.errors import UsageError
from bnexp.wording import command_to_paste


def init(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="NAME",
            help="The config to copy. [default: list them all]",
            autocompletion=complete_shipped,
        ),
    ] = None,
    target: Annotated[
        Path | None,
        typer.Option("--to", metavar="FILE", help="Where to write it. [default: ./NAME.yaml]"),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that exists.")] = False,
) -> None:
    """List the configs that come with bnexp, or copy one to start from.

    The copy is complete in itself, and has a comment on each key. The schema beside it lets
    editors explain and check what you write.

    Example: `bnexp init bn-vs-none --to mine.yaml`
    """
    if name is None:
        if target or force:
            raise UsageError("name the config to copy; `bnexp init` alone lists them")
        _print_shipped()
        return
    _copy(find_shipped(name), target, force)


def _print_shipped() -> None:
    shipped = list_shipped()
    short = Counter(one.short_name for one in shipped)
    rows = [
        (one.short_name if short[one.short_name] == 1 else one.name, _find_data(one), one.purpose)
        for one in shipped
    ]
    print_table(("config", "data", "purpose"), rows)
    say("copy one:  bnexp init NAME")
    say("train one: bnexp train NAME")


def _copy(shipped: ShippedConfig, target: Path | None, force: bool) -> None:
    from bnexp.config.schema import write_schema
    from bnexp.config.whole import SCHEMA_FILE, write_whole
    from bnexp.files import write_bytes_atomically

    path = target or Path(f"{shipped.short_name}.yaml")
    if path.exists() and not force:
        raise UsageError(f"{path} exists; replace it with --force, or name another file with --to")
    schema = path.with_name(SCHEMA_FILE)
    try:
        write_bytes_atomically(schema, write_schema().encode())
        write_bytes_atomically(path, write_whole(shipped, str(path)).encode())
    except OSError as error:
        raise UsageError(f"cannot write '{path}': {error.strerror}") from error
    say(f"written: {path}, and {schema} for editors")
    say(f"next: {command_to_paste(['bnexp', 'plan', str(path)])}")


def _find_data(shipped: ShippedConfig) -> str:
    """Returns the name of the dataset that a config trains on."""
    from bnexp.config.yaml.tree import read_tree

    name = read_tree(shipped.path, []).child("data", "name")
    return str(name.value) if name else ""
