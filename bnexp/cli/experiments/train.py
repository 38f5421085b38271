"""`bnexp train` and `bnexp plan`."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bnexp.cli.names import ConfigArgument, TierOption, locate_config
from bnexp.cli.options import RunsDirOption, SetOption
from bnexp.cli.output import command_on, echo, print_table, say
from bnexp.console import FoldedName
from bnexp.errors import UsageError
from bnexp.launch.options import LauncherName, LaunchOptions
from bnexp.launch.screen.output import open_output, print_line
from bnexp.wording import count

if TYPE_CHECKING:
    # Importing the config reader takes a while; the other commands need not wait for it.
    from bnexp.analysis.differences.changed_data import Measure
    from bnexp.launch.plan import PlannedRun
    from bnexp.launch.stages.stages import Plan

MOST_SEEDS = 8
"""Seeds that a row of a plan lists one by one."""

ForceOption = Annotated[
    bool, typer.Option("--force", help="Start over: delete what these runs hold, train again.")
]
ExtendOption = Annotated[
    bool,
    typer.Option(
        "--extend",
        help="Go on to more epochs from the last checkpoints of finished, shorter runs, which stay "
        "as they are: the new runs go to NAME.N_epochs. A cosine schedule, whose learning rates "
        "depend on the number of epochs, cannot be extended.",
    ),
]
ResumeOption = Annotated[
    bool,
    typer.Option(
        "--resume-anyway",
        help="Continue runs even if versions, thread count or device have changed since they were "
        "cut off, and record it; by default they are refused.",
    ),
]


def read_jobs(text: str) -> int | None:
    """Returns the number of runs at a time; None for `auto`.

    Raises:
        BadParameter: It is neither.
    """
    if text == "auto":
        return None
    if not text.isdecimal() or int(text) < 1:
        raise typer.BadParameter(f"'{text}' is neither auto nor a number from 1 on")
    return int(text)


JobsOption = Annotated[
    int | None,
    typer.Option(
        "--jobs",
        "-j",
        metavar="N",
        parser=read_jobs,
        help="Number of runs to train at a time, each in a process with its share of the CPU "
        "threads; auto finds out what is fastest. [default: auto]",
    ),
]
FailFastOption = Annotated[
    bool,
    typer.Option(
        "--fail-fast",
        help="Stop as soon as a run fails; runs in progress are saved, as with Ctrl-C.",
    ),
]
ProfileOption = Annotated[
    bool,
    typer.Option(
        "--profile",
        help="Say what the time of the first run goes to, and record a few of its steps for "
        "Perfetto or TensorBoard; its results stay the same.",
    ),
]
LauncherOption = Annotated[
    LauncherName,
    typer.Option(help="local, or ray for a cluster (needs the extra bnexp[ray])."),
]
AddressOption = Annotated[
    str | None,
    typer.Option(
        metavar="ADDRESS",
        help="Address of the Ray cluster: auto, local or ray://HOST:PORT. "
        "[default: a cluster that is running, else local]",
    ),
]
DeviceOption = Annotated[
    str | None,
    typer.Option(metavar="DEVICE", help="auto, cpu, mps, cuda or cuda:N; replaces train.device."),
]


def train(
    config: ConfigArgument,
    settings: SetOption = None,
    tier: TierOption = None,
    runs_dir: RunsDirOption = Path("runs"),
    device: DeviceOption = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only show what would be done, like `bnexp plan`.")
    ] = False,
    extend: ExtendOption = False,
    force: ForceOption = False,
    resume_anyway: ResumeOption = False,
    jobs: JobsOption = None,
    fail_fast: FailFastOption = False,
    launcher: LauncherOption = "local",
    address: AddressOption = None,
    graph: Annotated[
        bool, typer.Option("--graph", help="Also write each network's graph for TensorBoard.")
    ] = False,
    profile: ProfileOption = False,
) -> None:
    """Train one run, or every cell and seed of a sweep.

    Finished runs are skipped, and a run that was cut off continues from its last checkpoint: to
    continue after an interruption, run the same command again.

    Example: `bnexp train quickstart -s train.epochs=3 --jobs 2`
    """
    if dry_run:
        plan(config, settings, tier, runs_dir, device, extend, force)
        return
    if address is not None and launcher != "ray":
        raise UsageError("--address is for Ray only; add --launcher ray")
    from bnexp.analysis.claims.looks import find_progress
    from bnexp.launch.claims import is_about_time
    from bnexp.launch.notices import describe_sources, heal_ended
    from bnexp.launch.stages.experiment import train_stages
    from bnexp.launch.stages.stages import find_stages

    found = _load(
        config,
        settings,
        tier,
        runs_dir,
        device,
        extend,
        force,
        resume_anyway,
        measure=lambda data: data.load(say).fingerprint,
    )
    _warn(heal_ended(found.every))
    if starts := describe_sources(found.settled):
        say(starts)
    if is_about_time(found.runs) and not (launcher == "local" and jobs == 1):
        jobs = 1
        say("a claim is about time, so the runs are trained one at a time")
    if profile:
        _check_profiling(found, is_about_time(found.runs))
    stages = find_stages(found, runs_dir, find_progress)
    name = found.experiment.name
    options = LaunchOptions(launcher, jobs, fail_fast, address, graph, profile)
    code = train_stages(name, stages, options, open_output(sys.stderr))
    _print_next(name, found.runs, runs_dir)
    if code:
        raise typer.Exit(code)


def _check_profiling(found: Plan, has_claim_about_time: bool) -> None:
    if has_claim_about_time:
        raise UsageError(
            "--profile slows a few steps down, and a claim is about time; profile a config "
            "without that claim"
        )
    if all(run.action == "skip" for run in found.every):
        say("--profile has nothing to measure: every run is done; --force trains them again")


def plan(
    config: ConfigArgument,
    settings: SetOption = None,
    tier: TierOption = None,
    runs_dir: RunsDirOption = Path("runs"),
    device: DeviceOption = None,
    extend: ExtendOption = False,
    force: ForceOption = False,
) -> None:
    """Check a config, list its runs and say how long they take; writes and trains nothing.

    Example: `bnexp plan quickstart -s sweep.seeds=5`
    """
    from bnexp.analysis.claims.looks import find_progress
    from bnexp.launch.notices import describe_sources
    from bnexp.launch.stages.durations import describe_durations
    from bnexp.launch.stages.stages import leave_out_unneeded
    from bnexp.models.borrowed.base import BorrowedConfig

    whole = _load(config, settings, tier, runs_dir, device, extend, force)
    found, news = leave_out_unneeded(whole, find_progress)
    experiment, planned = found.experiment, found.runs
    resumed = sum(run.action in ("resume", "extend") for run in planned)
    title = f"{experiment.name}: {count(len(planned), 'run')} in {runs_dir / experiment.name}"
    title += f", {resumed} of them from a checkpoint" if resumed else ""
    rows = []
    for cell, group in itertools.groupby(planned, key=lambda run: run.spec.cell):
        runs = list(group)
        done = sum(run.action == "skip" for run in runs)
        seeds = _write_seeds([run.spec.seed for run in runs])
        rows.append((FoldedName(cell), seeds, str(len(runs) - done), str(done)))
    print_table(("cell", "seeds", "to do", "done"), rows, ("to do", "done"), title)
    starts = describe_sources(found.settled)
    for line in [*news, *([starts] if starts else []), *describe_durations(found)]:
        echo(line)
    if any(isinstance(run.spec.config.model, BorrowedConfig) for run in planned):
        echo(
            "the network is known only once it is built, so it is not checked here; bnexp show "
            "builds it, and so does bnexp train before it writes anything"
        )
    if not all(run.spec.config.data.facts() for run in planned):
        echo(
            "what the data holds is known only once it is read, so the config is not checked "
            "against it here; bnexp train does that before it writes anything"
        )


def _write_seeds(seeds: Sequence[int]) -> str:
    is_long = len(seeds) > MOST_SEEDS and [*seeds] == [*range(seeds[0], seeds[-1] + 1)]
    return f"{seeds[0]} … {seeds[-1]}" if is_long else " ".join(map(str, seeds))


def _warn(warnings: Iterable[str]) -> None:
    console = open_output(sys.stderr)
    for warning in warnings:
        print_line(console, f"warning: {warning}")


def _load(
    config: Path,
    settings: list[str] | None,
    tier: str | None,
    runs_dir: Path,
    device: str | None,
    extend: bool,
    force: bool,
    resume_anyway: bool = False,
    measure: Measure | None = None,
) -> Plan:
    """Returns what to do for each run of the experiment; prints what is suspicious."""
    from bnexp.config.load import load_experiment
    from bnexp.launch.extension import as_extension
    from bnexp.launch.notices import describe_plan
    from bnexp.launch.stages.stages import plan_experiment

    overrides = [*(settings or []), *([f"train.device={device}"] if device else [])]
    experiment = load_experiment(locate_config(config), overrides, tier)
    if extend:
        experiment = as_extension(experiment)
    if runs_dir.exists() and not runs_dir.is_dir():
        raise UsageError(f"--runs-dir {runs_dir} is a file; name a folder")
    plan = plan_experiment(experiment, runs_dir, force, resume_anyway)
    _warn(describe_plan(plan, measure))
    return plan


def _print_next(name: str, planned: Sequence[PlannedRun], runs_dir: Path) -> None:
    """Prints the commands that now make sense: if all runs failed, there is nothing to compare."""
    from bnexp.runs import ENDED, read_run

    output = open_output(sys.stdout)
    if any(read_run(run.folder.path, with_config=False).state in ENDED for run in planned):
        output.print(f"compare:     {command_on(name, 'compare', runs_dir)}")
    if any(run.folder.is_begun for run in planned):
        output.print(f"TensorBoard: {command_on(name, 'tb', runs_dir)}")
