"""The `bnexp` command: registers all commands, and turns errors into one line and an exit code."""

from __future__ import annotations

import os
import sys
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from bnexp import __version__
from bnexp.errors import BnexpError, ConfigError, did_you_mean, suggest
from bnexp.familiar_names import find_ours
from bnexp.launch.screen.output import open_output

_OptionError: Any = typer.BadParameter.__base__
"""The base of the errors that the command line's parser raises."""


def _print_version(is_wanted: bool) -> None:
    if is_wanted:
        typer.echo(f"bnexp {__version__}")
        raise typer.Exit


def _bnexp(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    pass


class Command(TyperCommand):
    """A command that suggests an option or a config's key for an option that it does not have."""

    def parse_args(self, ctx: typer.Context, args: list[str]) -> list[str]:  # type: ignore[override]
        """Returns the arguments that are left, as the base class does."""
        try:
            return super().parse_args(ctx, args)
        except _OptionError as error:
            if hasattr(error, "possibilities"):  # of an option that does not exist
                error.message += self._suggest(error.option_name)
                error.possibilities = None
            raise

    def _suggest(self, name: str) -> str:
        own = [option for parameter in self.params for option in parameter.opts]
        if list(find_ours(name, own)) or "--set" not in own:
            return did_you_mean(name, own)
        from bnexp.config.experiment import ExperimentConfig
        from bnexp.config.yaml.problems import find_in_sections

        keys = find_in_sections(ExperimentConfig, name.strip("-").replace("-", "_"))
        hint = suggest(f"-s {key}=…" for key in keys) or did_you_mean(name, own)
        return hint or "; keys of the config are set with -s KEY=VALUE"


def build_app() -> typer.Typer:
    """Returns the command line with every command."""
    from bnexp.cli.compare import compare
    from bnexp.cli.data import app as data_app
    from bnexp.cli.ls import ls
    from bnexp.cli.rm import rm
    from bnexp.cli.show import show
    from bnexp.cli.tb import tb
    from bnexp.cli.train import plan, train

    app = typer.Typer(
        name="bnexp",
        help="What does normalization do to my CNN? Train variants from a YAML file, compare them.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode="markdown",
    )
    app.callback()(_bnexp)
    for command in (train, plan, compare, show, tb, ls, rm):
        app.command(cls=Command)(command)
    app.add_typer(data_app, name="data")
    return app


def main() -> None:
    """Runs the command line and exits: 0 success, 1 a failure, 2 bad usage, 130 interrupted."""
    try:
        build_app()()
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
        message = f"{type(error).__name__}: {error}"
        _print_error(BnexpError(f"unexpected {message} (set BNEXP_DEBUG=1 to see where)"))
        sys.exit(1)


def _print_error(error: BnexpError) -> None:
    console = open_output(sys.stderr)
    if isinstance(error, ConfigError):
        for problem in error.problems:
            console.print(str(problem), markup=False)
        return
    console.print("[bold red]error:[/] ", end="")
    console.print(str(error), markup=False)
