"""Makes the table of what repeated looks at growing data cost: bnexp/analysis/stats/look_levels.py.

    python scripts/simulate_looks.py [--experiments 1000000] [--seed 0] [--check]

Whoever tests at 5 % after 3, 4, 5, … 20 seeds errs far more often than in 5 % of experiments
without an effect. With a constant smaller level at each look (Pocock 1977), the looks together
err in 5 %. How small depends on the looks and on the test: the table holds it for every set of
planned looks, for overall levels from 50 % to 0.05 %. `--check` simulates with another seed
and prints how far the table is off.

Paired t tests are simulated on normal differences; Welch's tests on two normal samples of equal
size, with standard deviations of ratio 1 and 3, of which the smaller level is kept. All are
one-sided: a two-sided test is two of them, and errs in at most twice as many experiments.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from scipy.special import stdtr

from bnexp.analysis.stats.looks import LEVELS, TUNING_SEEDS, table_key
from bnexp.config.sweep.looks import FEWEST, MOST, planned_looks

TABLE = Path(__file__).parents[1] / "bnexp/analysis/stats/look_levels.py"
_CHUNK = 50_000
_RATIOS = {"paired": (None,), "welch": (1.0, 3.0)}


def find_designs() -> Iterator[tuple[int, ...]]:
    """Yields every set of looks that a config can ask for, each once, less single looks."""
    seen = set()
    for fewest in range(FEWEST, MOST + 1):
        for most in range(fewest, MOST + 1):
            looks = planned_looks(fewest, most)
            # Seeds that choose an axis value are not measured.
            for left_out in (0, TUNING_SEEDS):
                measured = tuple(n - left_out for n in looks if n - left_out >= FEWEST)
                if len(measured) > 1 and measured not in seen:
                    seen.add(measured)
                    yield measured


def simulate_t(ratio: float | None, experiments: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns t and its degrees of freedom for each n from FEWEST to MOST and experiment.

    Without a ratio of standard deviations, of paired tests.
    """
    source = np.random.RandomState(seed)
    ts, degrees = [], []
    while experiments:
        size = min(_CHUNK, experiments)
        experiments -= size
        samples = [source.standard_normal((MOST, size))]
        if ratio is not None:
            samples.append(ratio * source.standard_normal((MOST, size)))
        counts = np.arange(1, MOST + 1)[:, None]
        means = [np.cumsum(one, 0) / counts for one in samples]
        squares = [np.cumsum(one**2, 0) for one in samples]
        with np.errstate(divide="ignore", invalid="ignore"):
            errors = [
                (square - counts * mean**2) / (counts - 1) / counts
                for square, mean in zip(squares, means, strict=True)
            ]
            error = sum(errors)
            difference = means[0] - means[1] if ratio is not None else means[0]
            satterthwaite = error**2 / sum(one**2 / (counts - 1) for one in errors)
            ts.append((difference / np.sqrt(error))[FEWEST - 1 :].astype(np.float32))
            degrees.append(satterthwaite[FEWEST - 1 :].astype(np.float32))
    return np.concatenate(ts, 1), np.concatenate(degrees, 1)


def smallest_p(p: np.ndarray, looks: Sequence[int]) -> np.ndarray:
    """Returns each experiment's smallest p over the looks."""
    return p[[look - FEWEST for look in looks]].min(0)


def read_table() -> dict[str, tuple[float, ...]]:
    """Returns the table as it is."""
    from bnexp.analysis.stats.look_levels import NOMINAL

    return NOMINAL


def write_table(levels: dict[str, list[float]], experiments: int, seed: int) -> str:
    """Returns the table as a module."""
    rows = (
        f'    "{key}": ({", ".join(f"{level:.5g}" for level in row)}),'
        for key, row in levels.items()
    )
    opening = f'''"""One-sided levels of one look such that all planned looks err at `LEVELS`.

{experiments:,} simulated experiments, seed {seed}, NumPy {np.__version__}:
`python scripts/simulate_looks.py`, which makes this file.
"""

NOMINAL: dict[str, tuple[float, ...]] = {{'''
    return "\n".join([opening, *rows, "}", ""])


def main(words: Sequence[str]) -> int:
    """Writes the table, or checks it."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--experiments", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args(words)
    levels: dict[str, list[float]] = {}
    known = read_table() if options.check else {}
    worst: dict[float, float] = {}
    for test, ratios in _RATIOS.items():
        for ratio in ratios:
            t, degrees = simulate_t(ratio, options.experiments, options.seed)
            # Without an effect t and -t are alike, so each experiment serves twice.
            p = np.concatenate([stdtr(degrees, sign * t) for sign in (-1, 1)], 1, dtype=np.float32)
            for looks in find_designs():
                key = table_key(looks, test)
                smallest = smallest_p(p, looks)
                found = np.quantile(smallest, LEVELS).tolist()
                levels[key] = [*map(min, found, levels.get(key, found))]
                for level, nominal in zip(LEVELS, known.get(key, ()), strict=False):
                    share = float((smallest <= nominal).mean())
                    worst[level] = max(worst.get(level, 0.0), share / level)
    if options.check:
        for level, share in worst.items():
            print(f"overall level {level:g}: the worst design errs in {share * level:.5f}")
        return 0
    TABLE.write_text(write_table(levels, options.experiments, options.seed), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
