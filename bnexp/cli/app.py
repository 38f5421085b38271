"""The `bnexp` command: registers all commands, and turns errors into one line and an exit code."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer
from rich.text import Text

from bnexp.cli.command import Command, Group
from bnexp.cli.output import echo
from bnexp.errors import OUT_OF_MEMORY, BnexpError, ConfigError
from bnexp.launch.screen.output import open_output, print_line
from bnexp.system import is_out_of_memory
from bnexp.version import __version__
from bnexp.wording import wrap_words

EXAMPLE = "Example: `bnexp train quickstart`, then `bnexp compare quickstart`"


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
    from bnexp.cli.check import check
    from bnexp.cli.compare import compare
    from bnexp.cli.data import app as data_app
    from bnexp.cli.doctor import doctor
    from bnexp.cli.export import export
    from bnexp.cli.init import init
    from bnexp.cli.ls import ls
    from bnexp.cli.rm import rm
    from bnexp.cli.schema import schema
    from bnexp.cli.show import show
    from bnexp.cli.tb import tb
    from bnexp.cli.train import plan, train
    from bnexp.cli.trained import evaluate, predict

    app = typer.Typer(
        name="bnexp",
        cls=Group,
        help="What does normalization do to my CNN? Train variants from a YAML file, compare them.",
        no_args_is_help=True,
        epilog=EXAMPLE,
        pretty_exceptions_enable=False,
        rich_markup_mode="markdown",
    )
    app.callback()(_bnexp)
    for command in (
        train,
        plan,
        init,
        compare,
        evaluate,
        predict,
        export,
        show,
        tb,
        ls,
        check,
        doctor,
        rm,
        schema,
    ):
        app.command(cls=Command)(command)
    app.add_typer(data_app, name="data")
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
