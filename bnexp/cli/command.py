"""How every command reads its options and shows its help page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from bnexp.errors import did_you_mean, suggest
from bnexp.familiar_names import find_ours
from bnexp.foreign_text import visible

_OptionError: Any = typer.BadParameter.__base__
"""The base of the errors that the command line's parser raises."""


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

    def get_params(self, ctx: typer.Context) -> list[Any]:  # type: ignore[override]
        """Returns the parameters, which show no Python types on the help page."""
        return _hide_types(super().get_params(ctx))


class Group(TyperGroup):
    """A command of commands, which suggests one of them for a name that it does not have."""

    def resolve_command(self, ctx: typer.Context, args: list[str]) -> tuple[Any, ...]:  # type: ignore[override]
        """Returns the command that the first argument names, as the base class does."""
        try:
            return super().resolve_command(ctx, args)
        except _OptionError as error:
            ours = next(find_ours(args[0], self.list_commands(ctx)), None)
            if ours:  # what others call so, before what is spelled alike
                said = error.message.partition(" Did you mean")[0].rstrip(".")
                error.message = f"{said} (did you mean '{ours}'?)"
            raise

    def invoke(self, ctx: typer.Context) -> Any:  # type: ignore[override]  # noqa: ANN401
        """Runs the command that is asked for; what is wrong with its options is said visibly."""
        try:
            return super().invoke(ctx)
        except _OptionError as error:
            error.message = visible(error.message)
            raise

    def get_params(self, ctx: typer.Context) -> list[Any]:  # type: ignore[override]
        """Returns the parameters, which show no Python types on the help page."""
        return _hide_types(super().get_params(ctx))


def _hide_types(parameters: Sequence[Any]) -> list[Any]:
    """Removes `<bool>` beside a flag and `<path>` beside an argument, whose names say enough."""
    for parameter in parameters:
        if getattr(parameter, "is_flag", False):
            parameter.metavar = ""
        elif parameter.param_type_name == "argument":
            parameter.display_type_rich = lambda ctx: ""
    return list(parameters)
