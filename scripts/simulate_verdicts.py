"""How often bnexp's intervals and verdicts are right: simulated experiments, known truths.

    python scripts/simulate_verdicts.py [--experiments 10000] [--seed 0] [--json FILE]

Every simulated experiment consists of run records as they would be read from disk, and goes
through the same functions as in `bnexp compare`. Accuracies are drawn from normal
distributions around a known difference; paired cells share an effect of the seed. Some
scenarios draw skewed values instead, to show how much the t interval's assumption matters.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import exp, sqrt
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bnexp.analysis.comparison import compare_runs
from bnexp.analysis.results import Comparison
from bnexp.config.sweep.looks import planned_looks
from bnexp.runs.record import RunRecord, Scalar, Summary, flatten

MARGIN = 0.01
"""The claims' smallest effect that matters: one point of accuracy."""

SPREAD = 0.01
"""Standard deviation of a run's accuracy around its cell's mean, without the seed effect."""

SEED_SPREAD = 0.02
"""Standard deviation of what runs with the same seed share."""

Draw = Callable[[random.Random], float]


@dataclass(frozen=True)
class Scenario:
    """One kind of experiment, repeated, and what is counted in it."""

    name: str
    effects: Sequence[float]
    """True difference between each cell and the control."""
    seeds: int
    counts: Callable[[Comparison, Sequence[float]], Mapping[str, bool]]
    """Returns, for each rate, whether the event happened in one experiment."""
    is_paired: bool = True
    direction: str = "higher"
    spreads: tuple[float, float] = (SPREAD, SPREAD)
    """Of the control and of the treatment."""
    draw: Draw = lambda source: source.gauss(0, 1)
    """A value with mean 0 and standard deviation 1."""
    looks: tuple[int, ...] = ()
    """Numbers of seeds to look at; none if it is once, at all of them."""
    claims: int = 1
    """How many of the cells a claim is about, one each."""


def simulate(scenario: Scenario, experiments: int, seed: int) -> dict[str, float]:
    """Returns each rate over the simulated experiments."""
    source = random.Random(f"{scenario.name} {seed}")
    found: Counter[str] = Counter()
    for _ in range(experiments):
        comparison = compare_runs(_make_records(scenario, source))
        found.update(
            name
            for name, happened in scenario.counts(comparison, scenario.effects).items()
            if happened
        )
        found.update(dict.fromkeys(scenario.counts(comparison, scenario.effects), 0))
    return {name: count / experiments for name, count in found.items()}


def _make_records(scenario: Scenario, source: random.Random) -> list[RunRecord]:
    claims = tuple(_claim(scenario.direction, place) for place in range(scenario.claims))
    plan = {"seeds": [*range(scenario.seeds)], "looks": [*scenario.looks]}
    environment = {"threads": 1, **(flatten({"planned": plan}) if scenario.looks else {})}
    shared = [source.gauss(0, SEED_SPREAD) for _ in range(scenario.seeds)]
    cells = [("none", 0.0), *((f"batch{i}", e) for i, e in enumerate(scenario.effects))]
    records = []
    for place, (cell, effect) in enumerate(cells):
        spread = scenario.spreads[min(place, 1)]
        for index in range(scenario.seeds):
            own = spread * scenario.draw(source)
            common = shared[index] if scenario.is_paired else 0.0
            seed = index if scenario.is_paired else index + place * scenario.seeds
            records.append(_record(cell, seed, 0.6 + effect + own + common, claims, environment))
    return records


def _claim(direction: str, place: int) -> dict[str, object]:
    return {
        "statement": "the treatment differs",
        "source": "simulation",
        "treatment": {"model.norm.name": f"batch{place}"},
        "control": {"model.norm.name": "none"},
        "direction": direction,
        "margin": MARGIN,
    }


def _record(
    cell: str,
    seed: int,
    value: float,
    claims: tuple[Mapping[str, object], ...],
    environment: Mapping[str, Scalar],
) -> RunRecord:
    summary = Summary(
        status="finished",
        epochs=1,
        steps=100,
        elapsed_seconds=1.0,
        images_per_second=1000.0,
        peak_memory_bytes=1,
        parameters=1,
        final={"test/accuracy": value},
        best={},
        history={"test/accuracy": (value,)},
    )
    return RunRecord(
        path=Path(f"runs/simulated/norm={cell}/seed={seed}"),
        experiment="simulated",
        cell=f"norm={cell}",
        seed=seed,
        state="finished",
        settings={"model.norm.name": cell},
        config={"model.norm.name": cell},
        environment=environment,
        summary=summary,
        claims=claims,
    )


def _covers(comparison: Comparison, effects: Sequence[float]) -> dict[str, bool]:
    """Returns whether the first treatment's intervals contain the truth."""
    cell = comparison.cells[1]
    parts = {"mean": (cell, 0.6 + effects[0]), "difference": (cell.difference, effects[0])}
    return {
        f"interval of the {name} contains the truth": part.ci_low <= truth <= part.ci_high
        for name, (part, truth) in parts.items()
    }


def _any_clear(comparison: Comparison, effects: Sequence[float]) -> dict[str, bool]:
    verdicts = [cell.difference.verdict for cell in comparison.cells if cell.difference]
    wrong = [
        verdict in ("better", "worse")
        for verdict, effect in zip(verdicts, effects, strict=True)
        if not effect
    ]
    return {"any cell called better or worse": any(wrong)}


def _verdict(comparison: Comparison, _: Sequence[float]) -> dict[str, bool]:
    verdict = comparison.claims[0].verdict
    return {
        name: verdict == name
        for name in ("supported", "contradicted", "equivalent", "inconclusive")
    }


def _stops(comparison: Comparison, effects: Sequence[float]) -> dict[str, bool]:
    """Returns the verdict, and whether the interval at the deciding look contains the truth."""
    claim = comparison.claims[0]
    interval = claim.test.interval if claim.test else None
    holds = interval is not None and interval.low <= effects[0] <= interval.high
    return {"interval at the end contains the truth": holds, **_verdict(comparison, effects)}


def _any_supported(comparison: Comparison, _: Sequence[float]) -> dict[str, bool]:
    verdicts = {claim.verdict for claim in comparison.claims}
    return {f"any claim {name}": name in verdicts for name in ("supported", "contradicted")}


def _skewed(source: random.Random) -> float:
    """Returns a log-normal value, shifted and scaled to mean 0 and standard deviation 1."""
    sigma = 0.8
    mean = exp(sigma**2 / 2)
    spread = sqrt((exp(sigma**2) - 1) * exp(sigma**2))
    return -(exp(source.gauss(0, sigma)) - mean) / spread


LOOKS = planned_looks(3, 20)

PAIRED_SPREAD = sqrt(2) * SPREAD
"""Standard deviation of a paired difference."""

SCENARIOS = (
    Scenario("looks at 3 to 20 seeds, no effect", (0.0,), 20, _stops, looks=LOOKS),
    Scenario("looks, effect of 1 standard deviation", (PAIRED_SPREAD,), 20, _stops, looks=LOOKS),
    Scenario(
        "looks, effect of 3 standard deviations", (3 * PAIRED_SPREAD,), 20, _stops, looks=LOOKS
    ),
    Scenario("14 claims without effect, 8 seeds", (0.0,) * 14, 8, _any_supported, claims=14),
    Scenario("coverage, 3 paired seeds", (MARGIN,), 3, _covers),
    Scenario("coverage, 5 paired seeds", (MARGIN,), 5, _covers),
    Scenario("coverage, 10 paired seeds", (MARGIN,), 10, _covers),
    Scenario("coverage, 5 against 5 seeds, Welch", (MARGIN,), 5, _covers, is_paired=False),
    Scenario(
        "coverage, 5 against 5, spreads 1 to 3",
        (MARGIN,),
        5,
        _covers,
        is_paired=False,
        spreads=(SPREAD, 3 * SPREAD),
    ),
    Scenario("no effect, 1 cell, 5 seeds", (0.0,), 5, _any_clear),
    Scenario("no effect, 6 cells, 5 seeds", (0.0,) * 6, 5, _any_clear),
    Scenario("3 of 6 cells without effect, 5 seeds", (0, 0, 0, 0.05, 0.05, 0.05), 5, _any_clear),
    Scenario("claim higher, no effect, 5 seeds", (0.0,), 5, _verdict),
    Scenario("claim higher, no effect, 20 seeds", (0.0,), 20, _verdict),
    Scenario("claim higher, no effect, 5 unpaired", (0.0,), 5, _verdict, is_paired=False),
    Scenario("claim higher, effect = margin, 5 seeds", (MARGIN,), 5, _verdict),
    Scenario("claim higher, effect = margin, 18 seeds", (MARGIN,), 18, _verdict),
    Scenario(
        "claim higher, effect = margin, 17 unpaired", (MARGIN,), 17, _verdict, is_paired=False
    ),
    Scenario("claim higher, effect = -margin, 18 seeds", (-MARGIN,), 18, _verdict),
    Scenario("claim higher, effect = margin / 4, 40 seeds", (MARGIN / 4,), 40, _verdict),
    Scenario("claim equal, effect = margin, 10 seeds", (MARGIN,), 10, _verdict, direction="equal"),
    Scenario("claim equal, no effect, 19 seeds", (0.0,), 19, _verdict, direction="equal"),
    Scenario("claim equal, no effect, 5 seeds", (0.0,), 5, _verdict, direction="equal"),
    Scenario(
        "coverage, skewed values, 5 unpaired", (0.0,), 5, _covers, is_paired=False, draw=_skewed
    ),
    Scenario("claim higher, skewed, no effect, 5 seeds", (0.0,), 5, _verdict, draw=_skewed),
)


def main() -> None:
    """Prints one line per scenario and rate, in percent of the simulated experiments."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--experiments", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    table = Table("scenario", "rate", "%", "± 2 standard errors")
    results = {}
    for scenario in SCENARIOS:
        rates = simulate(scenario, arguments.experiments, arguments.seed)
        results[scenario.name] = rates
        for name, rate in rates.items():
            error = 2 * sqrt(rate * (1 - rate) / arguments.experiments)
            table.add_row(scenario.name, name, f"{100 * rate:.2f}", f"{100 * error:.2f}")
        print(f"{scenario.name}: done", file=sys.stderr)
    Console(width=110).print(table)
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
