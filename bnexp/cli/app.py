"""The `bnexp` command: knows all commands, and turns errors into one line and an exit code."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Annotated, Any

import typer
from rich.text import Text
from typer.main import get_command

from bnexp.cli.command import Command, Group
from bnexp.cli.output import echo
from bnexp.errors import OUT_OF_MEMORY, BnexpError, ConfigError
from bnexp.launch.screen.output import open_output, print_line
from bnexp.launch.stop import exiting_at_once
from bnexp.system import is_out_of_memory
from bnexp.version import __version__
from bnexp.wording import wrap_words

EXAMPLE = "Example: `bnexp train quickstart`, then `bnexp compare quickstart`"


_HOMES = {
    "train": "experiments.train",
    "plan": "experiments.train",
    "init": "experiments.init",
    "compare": "results.compare",
    "study": "experiments.study",
    "evaluate": "runs.trained",
    "predict": "runs.trained",
    "export": "results.export",
    "show": "runs.show",
    "tb": "results.tb",
    "ls": "runs.ls",
    "check": "runs.check",
    "doctor": "experiments.doctor",
    "rm": "runs.rm",
    "schema": "experiments.schema",
    "data": "experiments.data",
}
"""In which module of `bnexp.cli` each command is, in the order of the help page."""


class _Commands(Mapping[str, Any]):
    """Every command by its name; none is imported before it is asked for."""

    def __getitem__(self, name: str) -> Any:  # noqa: ANN401 - typer's own
        return _build_command(name, _HOMES[name])

    def __iter__(self) -> Iterator[str]:
        return iter(_HOMES)

    def __len__(self) -> int:
        return len(_HOMES)


@functools.cache
def _build_command(name: str, module: str) -> Any:  # noqa: ANN401 - typer's own
    with exiting_at_once():
        found = getattr(import_module(f"bnexp.cli.{module}"), name)
    if isinstance(found, typer.Typer):
        return get_command(found)
    alone = typer.Typer(
        add_completion=False, pretty_exceptions_enable=False, rich_markup_mode="markdown"
    )
    alone.command(cls=Command)(found)
    return get_command(alone)


class _AllCommands(Group):
    """The command of all commands."""

    def __init__(self, **options: Any) -> None:  # noqa: ANN401 - those of the base class
        super().__init__(**options)
        self.commands = _Commands()  # type: ignore[assignment]


def _print_version(is_wanted: bool) -> None:
    if is_wanted:
        echo(f"bnexp {__version__}")
        raise typer.Exit


def _bnexp(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    pass


def build_app() -> typer.Typer:
    """Returns the command line with every command."""
    app = typer.Typer(
        name="bnexp",
        cls=_AllCommands,
        help="What does normalization do to my CNN? Train variants from a YAML file, compare them.",
        no_args_is_help=True,
        epilog=EXAMPLE,
        pretty_exceptions_enable=False,
        rich_markup_mode="markdown",
    )
    app.callback()(_bnexp)
    return app


def main() -> None:
    """Runs the command line and exits: 0 success, 1 a failure, 2 bad usage, 130 interrupted."""
    try:
        build_app()(prog_name="bnexp")
    except BnexpError as error:
        _print_error(error)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        # Whatever read the output is gone; nobody would see a message.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except Exception as error:
        if os.environ.get("BNEXP_DEBUG"):
            raise
        if is_out_of_memory(error):
            _print_error(BnexpError(OUT_OF_MEMORY))
            sys.exit(1)
        message = f"{type(error).__name__}: {error}"
        _print_error(BnexpError(f"unexpected {message} (set BNEXP_DEBUG=1 to see where)"))
        sys.exit(1)


def _print_error(error: BnexpError) -> None:
    console = open_output(sys.stderr)
    if isinstance(error, ConfigError):
        for problem in error.problems:
            print_line(console, str(problem))
        return
    first, *others = f"error: {error}".split("\n")
    head = Text(wrap_words(first, console.width) if console.is_terminal else first)
    head.stylize("bold red", 0, len("error:"))
    console.print(head)
    for line in others:
        print_line(console, line)
