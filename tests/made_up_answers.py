"""Made-up runs of an experiment with claims, of which one comes out as wanted."""

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from math import exp
from pathlib import Path

from made_up_runs import ENVIRONMENT

from bnexp.config.claim.cells import Variant, axis_value, find_cases
from bnexp.config.claim.config import SHARES, TO_TARGET
from bnexp.config.load import load_experiment
from bnexp.launch.resolved_config import resolved_config
from bnexp.runs.claim_record import claim_digest
from bnexp.runs.measured.diagnostic_tags import is_diagnostic
from bnexp.runs.record import RunRecord, Series, Summary, flatten

BASE = 0.5
"""What accuracies are without an effect; chance is 0.1."""
STEPS = 100
"""Of a whole run; it is evaluated every 10."""
WAYS = {
    "supported": {"higher": 3, "lower": -3, "equal": 0, "not_lower": 0, "not_higher": 0},
    "contradicted": {"higher": -3, "lower": 3, "equal": 3, "not_lower": -3, "not_higher": 3},
}
"""By how many margins the treatment must lie above the control."""


@cache
def load_answered(path, tier):
    """Returns an experiment, with values between the ends of what tuning would try."""
    experiment = load_experiment(path, [], tier)
    return choose_values(experiment) if experiment.tuning else experiment


def choose_values(experiment):
    """Returns the experiment tuned, with another value for each cell than for the one before."""
    tuning, chosen = experiment.tuning, {}
    for place, cell in enumerate(experiment.cells):
        tried = [one for one in tuning.candidates if one.cell == cell]
        found = tried[1 + place % (len(tried) - 2)]
        scores = [{"values": dict(one.values), "mean": 0.5, "n": 1, "diverged": 0} for one in tried]
        record = {
            "over": {key: [*values] for key, values in tuning.config.over.items()},
            "by": tuning.config.by,
            "seeds": [*tuning.config.seeds],
            "arm": dict(tuning.config.only_in or {}) or None,
            "each": dict.fromkeys(tuning.config.each or (), "any") or None,
            "chosen": dict(found.values),
            "at_edge": [],
            "scores": scores,
        }
        chosen[cell] = (found, record)
    return experiment.choose(chosen)


@cache
def begin_runs(path, tier):
    """Returns every run of the experiment as it stands before its first step, seed by seed."""
    experiment = load_answered(path, tier)
    seeds = [*dict.fromkeys(run.seed for run in experiment.runs)]
    looks = [*(experiment.looks or [len(seeds)])]
    planned = {"seeds": seeds, "looks": looks, "cells": len(experiment.cells)}
    begun = datetime(2026, 1, 1, tzinfo=UTC)
    records = []
    specs = sorted(experiment.runs, key=lambda spec: seeds.index(spec.seed))
    for place, spec in enumerate(specs):
        config = resolved_config(spec)
        claims = tuple(config.pop("claim"))
        dataset = {"classes": 10, "test_images": 1000, "train_images": 50_000}
        environment = {
            **ENVIRONMENT,
            "created": (begun + timedelta(minutes=place)).isoformat(),
            "dataset": {**ENVIRONMENT["dataset"], **dataset},
            "planned": planned,
            **({"tuning": spec.tuning} if spec.tuning else {}),
        }
        records.append(
            RunRecord(
                path=Path("runs", experiment.name, spec.cell, f"seed={spec.seed}"),
                experiment=experiment.name,
                cell=spec.cell,
                seed=spec.seed,
                state="finished",
                settings=spec.settings,
                config=flatten(config),
                environment=flatten(environment),
                fingerprint=spec.config.fingerprint(),
                cell_index=spec.cell_index,
                claims=claims,
                claims_on_record=frozenset(claim_digest(one, seeds, looks) for one in claims),
            )
        )
    return records


def answer(path, tier, claim, wanted):
    """Returns the runs of the experiment with results that give a claim the wanted verdict."""
    runs = begin_runs(path, tier)
    variants = {run.cell: Variant(run.cell, run.settings, run.config) for run in runs}
    roles = {cell: find_role(claim, variant) for cell, variant in variants.items()}
    places = {cell: find_place(claim, variant) for cell, variant in variants.items()}
    axes = {
        role: sorted({places[cell] for cell in variants if roles[cell] == role} - {None})
        for role in ("treatment", "control", None)
    }
    shift = WAYS[wanted][claim.direction] * claim.margin_on_scale
    return [
        give(run, claim, shift, roles[run.cell], places[run.cell], axes[roles[run.cell]])
        for run in runs
    ]


def find_role(claim, variant):
    for case in find_cases(claim):
        for side, wanted in case.sides.items():
            if variant.has(wanted):
                return side
    return None


def find_place(claim, variant):
    return claim.reduction and axis_value(variant, claim.reduction)


def give(run, claim, shift, role, place, axis):
    """Returns the run with what its place in the claim asks for."""
    source = random.Random(f"{run.cell} {run.seed}")
    noise = 0.0005 * source.gauss(0, 1)
    is_treated = role == "treatment"
    accuracy = BASE + noise
    val = BASE - 0.01 * abs(axis.index(place) - len(axis) // 2) if place in axis else BASE
    own = shift if is_treated else 0.0
    name = claim.reduction.name if claim.reduction else None
    if claim.is_against_number:
        # No accuracy lies below 0, nor does a network's lie far below chance.
        level = claim.control + own
        is_score = len(claim.tags) == 1
        return measure(run, claim, (max(level, 0.1) if is_score else level) + noise, val)
    if name == "largest_stable":
        is_far = is_treated == (shift > 0)
        is_stable = axis.index(place) < (len(axis) - 1 if is_far else 1) if place in axis else True
        return measure(run, claim, accuracy if is_stable else 0.1, val)
    if name == "range":
        is_best = place in axis and axis.index(place) == len(axis) // 2
        return measure(run, claim, accuracy + (0.1 + own if is_best else 0.0), val)
    if name == "contrast":
        return measure(run, claim, accuracy + (own if place == 1 else 0.0), val)
    if claim.metric in SHARES:
        is_failing = is_treated == (shift > 0) and role is not None
        return measure(run, claim, 0.1 if is_failing else accuracy, val)
    if claim.metric in TO_TARGET:
        arrival = 50 if not is_treated else 20 if shift < 0 else None
        return measure(run, claim, accuracy, val, arrival)
    if claim.as_ == "ratio":
        return measure(run, claim, exp(own + noise), val)
    return measure(run, claim, accuracy + own, val)


def measure(run, claim, value, val, arrival="whole"):
    """Returns the run with a summary in which the claim's metric has this value."""
    tags = claim.tags
    epochs = run.config["train.epochs"]
    figures = {"test/accuracy": BASE, "train/accuracy": BASE, "train_eval/accuracy": BASE}
    figures |= {"val/accuracy": val, "test/loss": 1.0}
    if len(tags) == 2:
        figures |= {tags[0]: 0.3 + value, tags[1]: 0.3}
    elif tags[0] in (*SHARES, *TO_TARGET):
        figures["test/accuracy"] = value
    elif not is_diagnostic(tags[0]) and "/" in tags[0]:
        figures[tags[0]] = value
    history = {tag: (float(figure),) * epochs for tag, figure in figures.items()}
    extra, diagnostics = {}, {}
    if arrival != "whole":
        steps = tuple(range(10, STEPS + 1, 10))
        last = value - (0.1 if arrival is None else -0.1 if arrival == 20 else 0.0)
        curve = tuple(last if step >= (arrival or 0) else 0.2 for step in steps)
        ends = tuple(
            curve[round(STEPS / epochs * (epoch + 1)) // 10 - 1] for epoch in range(epochs)
        )
        history["test/accuracy"] = (*ends[:-1], last)
        extra = {"evaluated_steps": steps, "evaluations": {"test/accuracy": curve}}
    if is_diagnostic(tags[0]):
        names = [f"{tags[0]}/{layer}" for layer in ("a", "b")] if claim.layers else [tags[0]]
        series = Series(
            tuple(range(1, epochs + 1)), tuple(range(1, epochs + 1)), (float(value),) * epochs
        )
        diagnostics = dict.fromkeys(names, series)
    is_memory = tags[0] == "training_memory_bytes"
    summary = Summary(
        status="finished",
        epochs=epochs,
        steps=STEPS,
        elapsed_seconds=10.0,
        images_per_second=1000.0 * (value if tags[0] == "images_per_second" else 1.0),
        peak_memory_bytes=10**6,
        parameters=1000,
        final={tag: values[-1] for tag, values in history.items()},
        best={},
        history=history,
        training_memory_bytes=round(1000 * round(value, 1)) if is_memory else 1000,
        **extra,
    )
    return replace(run, summary=summary, diagnostics=diagnostics)
