"""Trains studies one after the other, and writes down what each of them found."""

from __future__ import annotations

import functools
import hashlib
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rich.console import Console

from bnexp.analysis.claims.looks import find_progress
from bnexp.config.experiment import ExperimentConfig
from bnexp.config.load import Experiment, load_experiment
from bnexp.errors import BnexpError, UsageError
from bnexp.foreign_text import shareable
from bnexp.launch.claims import is_about_time, note_declared_claims
from bnexp.launch.notices import describe_plan, heal_ended
from bnexp.launch.options import LaunchOptions
from bnexp.launch.plan import PlannedRun
from bnexp.launch.screen.output import print_line
from bnexp.launch.screen.progress import WholeProgress
from bnexp.launch.stages.experiment import train_stages
from bnexp.launch.stages.stages import Plan, find_stages, plan_experiment
from bnexp.runs.measured.diagnostics import read_claimed_diagnostics
from bnexp.runs.reading import read_run
from bnexp.runs.record import RunRecord
from bnexp.studies.catalogue import Study
from bnexp.studies.result import DeclaredClaim, Setup, describe_result, digest_claim
from bnexp.studies.results_folder import Family, ResultsFolder
from bnexp.wording import command_to_paste, count, format_duration

_FAILED = 1
_BY_SIGNAL = 128
"""Exit codes above it say that a signal ended the command."""


@dataclass(frozen=True)
class PreparedStudy:
    """A study with its config read and checked."""

    study: Study
    experiment: Experiment
    setup: Setup


def prepare_studies(
    studies: Sequence[Study], tier: str, settings: Sequence[str] = (), device: str | None = None
) -> list[PreparedStudy]:
    """Returns the studies with one of their tiers; nothing is written.

    Raises:
        UsageError: A study has no claims or no such tier, or two have one name.
        ConfigError: A config has mistakes.
    """
    overrides = [*settings, *([f"train.device={device}"] if device else [])]
    prepared: dict[str, PreparedStudy] = {}
    for study in dict.fromkeys(studies):
        experiment = load_experiment(study.path, overrides, tier)
        if not experiment.runs[0].config.claim:
            raise UsageError(f"{study.path} has no claims, so there is nothing to report of it")
        if study.name in prepared:
            raise UsageError(f"two of the studies are called '{study.name}'; rename one")
        setup = _describe_setup(study, tier, experiment, settings)
        prepared[study.name] = PreparedStudy(study, experiment, setup)
    return [*prepared.values()]


def _describe_setup(
    study: Study, tier: str, experiment: Experiment, settings: Sequence[str]
) -> Setup:
    seeds = tuple(dict.fromkeys(run.seed for run in experiment.runs))
    looks = experiment.looks or (len(seeds),)
    configs = experiment.runs[0].config.claim
    claims = tuple(
        DeclaredClaim(digest_claim(claim, seeds, looks), claim.statement, claim.source)
        for claim in configs
    )
    return Setup(
        study=study.name,
        number=study.number,
        purpose=study.purpose,
        refuted=study.refuted,
        tier=tier,
        config=_digest(experiment, [claim.digest for claim in claims]),
        settings=tuple(map(shareable, settings)),
        claims=claims,
        configs=configs,
        seeds=seeds,
        looks=experiment.looks,
        file="" if study.number is not None else study.path.name,
    )


def _digest(experiment: Experiment, claims: Sequence[str]) -> str:
    """Returns a SHA-256 of all that is to be trained and judged, wherever the data lies."""
    tried = experiment.tuning.runs if experiment.tuning else ()
    runs = [[run.cell, run.seed, _fingerprint(run.config)] for run in (*experiment.runs, *tried)]
    content = json.dumps([runs, [*experiment.looks], [*claims]])
    return hashlib.sha256(content.encode()).hexdigest()


def _fingerprint(config: ExperimentConfig) -> str:
    data = config.data
    if "root" in type(data).model_fields:
        data = data.model_copy(update={"root": None})
    return config.model_copy(update={"data": data}).fingerprint()


def note_claims_of(prepared: Sequence[PreparedStudy], runs_dir: Path) -> None:
    """Notes the studies' claims in the runs folder, before any of them is trained.

    Two studies may have runs in common: the one that is trained later was declared before too.

    Raises:
        UsageError: The record cannot be written.
    """
    for one in prepared:
        claims = [claim.digest for claim in one.setup.claims]
        note_declared_claims(runs_dir, claims, one.experiment)


class StudyTrainer:
    """Trains the studies of a report with its whole family in view."""

    def __init__(
        self,
        folder: ResultsFolder,
        family: Family,
        runs_dir: Path,
        options: LaunchOptions,
        console: Console,
    ) -> None:
        self._folder = folder
        self._family = family
        self._runs_dir = runs_dir
        self._options = options
        self._console = console

    def train(self, prepared: Sequence[PreparedStudy]) -> int:
        """Trains what is left of each study, stores its result, and returns the exit code.

        A study that fails does not stop the others; a signal does.

        Raises:
            UsageError: A folder holds other runs, or a result cannot be read: nothing was started.
            KeyboardInterrupt: Ctrl-C came between two studies; how to go on was said.
        """
        whole = self._plan_all(prepared)
        note_claims_of([one for one in prepared if not self._is_done(one)], self._runs_dir)
        code = 0
        try:
            for number, one in enumerate(prepared, start=1):
                whole.begin(one.study.title)
                self._say(f"study {number} of {len(prepared)}: {whole.text}")
                ended = self._try_one(one, whole)
                if ended > _BY_SIGNAL:
                    return ended
                whole.finish()
                code = max(code, ended)
        except KeyboardInterrupt:
            self._say("stopped; the same command continues:")
            self._console.print(f"  {command_to_paste(['bnexp', *sys.argv[1:]])}")
            raise
        return code

    def _plan_all(self, prepared: Sequence[PreparedStudy]) -> WholeProgress:
        """Returns how many runs there are at most, and how many of them are done."""
        left, done = {}, 0
        for one in prepared:
            if not self._is_done(one):
                plan = plan_experiment(one.experiment, self._runs_dir, is_forced=False)
                skipped = sum(run.action == "skip" for run in plan.every)
                left[one.study.title] = len(plan.every) - skipped
                done += skipped
        return WholeProgress(left, done)

    def _try_one(self, one: PreparedStudy, whole: WholeProgress) -> int:
        try:
            return self._train_one(one, whole)
        except BnexpError as error:
            self._say(f"error: {error}")
            return _FAILED

    def _train_one(self, one: PreparedStudy, whole: WholeProgress) -> int:
        name = one.study.name
        if self._is_done(one):
            self._put_texts(one)
            self._say(f"{name}: {self._folder.result(name)} has its result already")
            return 0
        plan = plan_experiment(one.experiment, self._runs_dir, is_forced=False)
        others = self._family.count_others(name)
        for warning in [*describe_plan(plan, self._measure, others), *heal_ended(plan.every)]:
            self._say(f"warning: {warning}")
        options = replace(self._options, whole=whole)
        if is_about_time(plan.runs) and options.jobs != 1:
            options = replace(options, jobs=1)
            self._say("a claim is about time, so the runs are trained one at a time")
        judge = functools.partial(find_progress, others=others)
        stages = find_stages(plan, self._runs_dir, judge)
        code = train_stages(one.experiment.name, stages, options, self._console)
        if not code:
            self._store(one, plan)
        return code

    def _store(self, one: PreparedStudy, plan: Plan) -> None:
        measured = read_claimed_diagnostics(_read(plan.runs))
        result = describe_result(one.setup, measured, [*_read(plan.tuning)])
        path = self._folder.write_result(result)
        time = f"{format_duration(result.wall_seconds)} for {count(len(measured), 'run')}"
        self._say(f"{one.study.name}: {time}; its result is in {path}")

    def _put_texts(self, one: PreparedStudy) -> None:
        """Brings what a stored result says of its claims up to the config, if that has changed."""
        result = self._folder.read_result(one.study.name)
        if result and (present := one.setup.put_texts(result)) != result:
            self._folder.write_result(present)

    def _is_done(self, one: PreparedStudy) -> bool:
        """Whether there is a result of exactly this config, even if its runs are elsewhere."""
        result = self._folder.read_result(one.study.name)
        return result is not None and result.config == one.setup.config

    def _say(self, line: str) -> None:
        print_line(self._console, line)

    def _measure(self, data: object) -> str:
        return data.load(self._say).fingerprint  # type: ignore[attr-defined, no-any-return]


def _read(planned: Iterable[PlannedRun]) -> Iterator[RunRecord]:
    for run in planned:
        if run.folder.is_begun:
            yield read_run(run.folder.path)
