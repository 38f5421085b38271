"""Names on the command line: which config they mean, and how the shell completes them."""

from __future__ import annotations

import contextlib
import itertools
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bnexp.cli.output import say
from bnexp.config.shipped import SUFFIXES, find_config, find_shipped, list_shipped
from bnexp.errors import BnexpError, UsageError

if TYPE_CHECKING:
    from bnexp.runs import RunRecord

_MOST_READ = 20
"""Runs that completion reads to find one that has ended."""


def locate_config(config: Path) -> Path:
    """Returns the file that CONFIG means, and says so if it is one that comes with bnexp.

    Raises:
        UsageError: There is neither such a file nor such a config.
    """
    shipped = find_config(config)
    if shipped is None:
        return config
    say(f"{config} comes with bnexp: {shipped.path}")
    return shipped.path


def find_named_config(target: str, run: str, runs_dir: Path) -> Path | None:
    """Returns the config that a target means: a YAML file, or a shipped one that has no runs.

    `run` is what the target is called as a run.
    """
    is_file = os.path.isfile(target)  # noqa: PTH113 - False too if the name is too long
    if is_file or target.endswith(SUFFIXES):
        return locate_config(Path(target))
    from bnexp.runs.reading import find_folder

    try:
        find_folder(run, runs_dir)
    except UsageError:
        with contextlib.suppress(UsageError):
            find_shipped(target)
            return locate_config(Path(target))
    return None


def complete_shipped(incomplete: str) -> list[str]:
    """Returns the names of shipped configs that begin so, with their folder if that is typed."""
    shipped = list_shipped()
    names = [one.name if "/" in incomplete else one.short_name for one in shipped]
    return [name for name in names if name.startswith(incomplete)]


def complete_config(incomplete: str) -> list[str]:
    """Returns the YAML files, folders and shipped configs that begin so."""
    return [*_complete_files(incomplete), *complete_shipped(incomplete)]


def _complete_files(incomplete: str) -> Iterator[str]:
    """Yields YAML files and folders; hidden ones only if their dot is typed."""
    above, slash, start = incomplete.rpartition("/")
    try:
        entries = sorted(os.scandir(above + slash or "."), key=lambda entry: entry.name)
    except OSError:
        return
    for entry in entries:
        if entry.name.startswith(start or ".") is bool(start):
            if entry.is_dir():
                yield f"{above}{slash}{entry.name}/"
            elif entry.name.endswith(SUFFIXES):
                yield f"{above}{slash}{entry.name}"


def complete_experiment(ctx: typer.Context, incomplete: str) -> list[str]:
    """Returns the names of experiments that begin so."""
    return _list_below(_runs_dir(ctx), "", incomplete)


def complete_run(ctx: typer.Context, incomplete: str) -> list[str]:
    """Returns the experiments that begin so; below one that is typed, its cells, then its runs."""
    above, slash, _ = incomplete.rpartition("/")
    return _list_below(_runs_dir(ctx) / above, above + slash, incomplete)


def complete_metric(ctx: typer.Context, incomplete: str) -> list[str]:
    """Returns the metrics that begin so, of a run of the experiment that is typed, or the newest.

    Of a diagnostic with a figure per layer, all layers together come before each.
    """
    from bnexp.runs.measured.diagnostic_tags import DIAGNOSTICS, split_diagnostic
    from bnexp.runs.measured.diagnostics import read_diagnostics

    run = _find_ended_run(ctx)
    if run is None or run.summary is None:
        return []
    names = dict.fromkeys(run.summary.final)
    for tag in read_diagnostics(run).diagnostics:
        names |= dict.fromkeys((f"{DIAGNOSTICS}{split_diagnostic(tag)[0]}", tag))
    return [name for name in names if name.startswith(incomplete)]


def _find_ended_run(ctx: typer.Context) -> RunRecord | None:
    """Returns a run of the experiment that has ended, if one of its first runs has."""
    from bnexp.runs.reading import list_run_folders, read_run

    runs_dir = _runs_dir(ctx)
    try:
        named = [add_tier(target, ctx.params.get("tier"), runs_dir) for target in ctx.args]
        runs = itertools.islice(list_run_folders(named, runs_dir), _MOST_READ)
        records = (read_run(path, with_config=False) for path in runs)
        return next((run for run in records if run.summary), None)
    except BnexpError:  # no runs, which completion is not to report
        return None


def _list_below(folder: Path, prefix: str, incomplete: str) -> list[str]:
    from bnexp.runs import list_experiments

    names = (f"{prefix}{path.name}" for path in list_experiments(folder))
    return [name for name in names if name.startswith(incomplete)]


def _runs_dir(ctx: typer.Context) -> Path:
    return Path(ctx.params.get("runs_dir") or "runs")


def complete_config_or_experiment(ctx: typer.Context, incomplete: str) -> list[str]:
    """Returns the experiments, YAML files, folders and shipped configs that begin so."""
    return list(dict.fromkeys(complete_experiment(ctx, incomplete) + complete_config(incomplete)))


def complete_tier(ctx: typer.Context, incomplete: str) -> list[str]:
    """Returns the tiers that begin so: of the config that is typed, or with runs of that name."""
    found: dict[str, None] = {}
    for target in ctx.args:  # an option that lacks its value leaves the arguments unassigned
        found |= dict.fromkeys(_list_tiers_of_config(target))
        beginning = f"{target}."
        experiments = _list_below(_runs_dir(ctx), "", beginning)
        found |= dict.fromkeys(name.removeprefix(beginning) for name in experiments)
    return [tier for tier in found if tier.startswith(incomplete)]


def _list_tiers_of_config(config: str) -> list[str]:
    from bnexp.config.tiers import list_tiers
    from bnexp.config.yaml.tree import read_tree

    try:
        shipped = find_config(Path(config))
        return list_tiers(read_tree(shipped.path if shipped else Path(config), []))
    except BnexpError:  # no config, or one with mistakes, which completion is not to report
        return []


def add_tier(target: str, tier: str | None, runs_dir: Path) -> str:
    """Returns the name of an experiment, or of what is in it, as its runs with a tier have it.

    `quickstart/norm=none` with the tier smoke is `quickstart.smoke/norm=none`. A path below
    `runs_dir` is taken as the name that it leads to.
    """
    if tier is None:
        return target
    path = Path(target)
    inside = path.relative_to(runs_dir) if path.is_relative_to(runs_dir) else path
    if inside.is_absolute():
        return str(inside.with_name(f"{inside.name}.{tier}"))
    return str(Path(f"{inside.parts[0]}.{tier}", *inside.parts[1:])) if inside.parts else target


TierOption = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="Tier of the config to put on top of it; its runs go to EXPERIMENT.NAME.",
        autocompletion=complete_tier,
    ),
]

ConfigArgument = Annotated[
    Path,
    typer.Argument(
        metavar="CONFIG",
        help="The experiment's YAML file, or the name of a config that comes with bnexp.",
        autocompletion=complete_config,
    ),
]

RunNamesArgument = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="NAME",
        help="Experiments, cells or runs. [default: all]",
        autocompletion=complete_run,
    ),
]
