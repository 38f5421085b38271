"""Made-up runs, as they would be read back from disk."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from bnexp.runs.record import RunRecord, Summary

CLAIM = {
    "statement": "batch norm is better",
    "source": "a paper",
    "treatment": {"model.norm.name": "batch"},
    "control": {"model.norm.name": "none"},
    "direction": "higher",
    "margin": 0.01,
}
"""A claim as a run records it."""

CONFIG = {"name": "study", "train.epochs": 10, "model.norm.name": "none"}


def claim(**changes):
    """Returns the claim with other fields."""
    return {**CLAIM, **changes}


def build_run(
    cell="norm=none",
    seed=0,
    value=0.5,
    *,
    experiment="study",
    state="finished",
    settings=None,
    config=None,
    environment=None,
    claims=(),
    claims_on_record=None,
    problems=(),
    is_damaged=False,
    is_silent=False,
    **summary,
):
    """Returns one run; its settings default to those that the cell's name spells."""
    settings = _spelled(cell) if settings is None else settings
    return RunRecord(
        path=Path("runs") / experiment / cell / f"seed={seed}",
        experiment=experiment,
        cell=cell,
        seed=seed,
        state=state,
        settings=settings,
        config={**CONFIG, "train.seed": seed, **settings} if config is None else config,
        environment=build_environment(seed) if environment is None else environment,
        summary=build_summary(state, value, **summary)
        if state in ("finished", "diverged")
        else None,
        claims=claims,
        claims_on_record=claims_on_record,
        is_damaged=is_damaged,
        is_silent=is_silent,
        problems=problems,
    )


def build_environment(seed=0, **entries):
    """Returns what a run ran on, begun `seed` minutes after midnight: cells take turns."""
    begun = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=seed)
    return {"platform": "Linux", "created": begun.isoformat(), **entries}


def build_summary(
    state="finished", value=0.5, *, metric="test/accuracy", history=None, final=None, speed=1000.0
):
    """Returns what a run measured: one metric, whose history ends with its final value."""
    history = (value,) if history is None else tuple(history)
    return Summary(
        status=state,
        epochs=len(history),
        steps=100 * len(history),
        elapsed_seconds=10.0 * len(history),
        images_per_second=speed,
        peak_memory_bytes=1_000_000,
        parameters=1000,
        final={metric: value, **(final or {})},
        best={},
        history={metric: history} if history else {},
    )


def build_cell(cell, values, **fields):
    """Returns the cell's runs with those final values, seeded from 0."""
    return [build_run(cell, seed, value, **fields) for seed, value in enumerate(values)]


def _spelled(cell):
    pairs = (part.partition("=") for part in cell.split(",") if "=" in part)
    return {"model.norm.name" if key == "norm" else f"data.{key}": value for key, _, value in pairs}
