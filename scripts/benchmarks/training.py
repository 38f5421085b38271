"""How fast bnexp trains next to the usual loop, to Lightning and to the floor.

All sides train the same network on the same pictures: random crops and mirroring, SGD with
Nesterov momentum, half a cosine, an evaluation on the test pictures after each epoch. They take
turns in random order within each round.

- usual: torchvision's dataset and transforms, a DataLoader, `.item()` and a logged loss at every
  step.
- lightning loader: Lightning with the same DataLoader with 2 workers; lightning resident: on
  bnexp's own batches, with the fused optimiser and channels-last memory.
- bnexp: from a YAML file to a run folder with all its files. It evaluates on training pictures,
  too, when it ends, which ratios to Lightning and the usual loop leave out.
- floor: forward, backward and update in plain PyTorch on batches that lie ready, with the
  evaluations of bnexp. It spares memory as bnexp does: ReLUs and sums overwrite what they get, and
  each max pooling comes before its ReLU.
- bnexp fp32 again: bnexp fp32 once more. That their ratio is not 1 is noise.

The C library keeps freed memory for all sides, as it does in bnexp's processes: a step of the
usual loop by itself takes longer.

The benchmark checks itself: each side must have trained the pictures that its time is divided
by, the accuracies must agree, and no side may be faster than the floor.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from scipy import stats

from benchmarks.measuring import Interval, divide, in_turns
from benchmarks.networks import NETWORKS, Network
from benchmarks.pictures import Pictures
from benchmarks.report import BenchmarkError, Report, Table
from benchmarks.sides.bnexp import bnexp_side
from benchmarks.sides.floor import floor_side
from benchmarks.sides.outcome import Outcome, Side, time_run
from benchmarks.sides.usual import usual_side
from bnexp.config.train import SLOW_BF16
from bnexp.system import keep_freed_memory
from bnexp.training.machine.precision import measure_bf16_slowdown
from bnexp.wording import count

LEVEL = 0.01
"""Of the test that the accuracies of a network's sides agree."""
FEWEST_ROUNDS = 5
"""That can show that a side is faster than the floor."""
Outcomes = Mapping[str, Sequence[Outcome]]

GOALS = (
    ("training of bnexp fp32 / of floor fp32", {"tutorial": 0.97, "vgg": 0.98, "resnet20": 0.98}),
    ("training of bnexp bf16 / of floor bf16", {"tutorial": 0.95, "vgg": 0.98, "resnet20": 0.98}),
    ("bnexp fp32 / floor fp32", {"tutorial": 0.92, "vgg": 0.92, "resnet20": 0.92}),
    ("bnexp fp32 / usual 2 workers", {"tutorial": 3.5}),
    ("bnexp bf16 / usual 2 workers", {"tutorial": 4.8}),
    ("bnexp fp32 / lightning resident fp32", {"tutorial": 1.2, "resnet20": 1.03}),
)
"""The least that a ratio is to be, by network."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of this benchmark."""
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=[*NETWORKS])
    parser.add_argument("--images", type=int, help="training pictures, instead of each network's")
    parser.add_argument("--test-images", type=int)
    parser.add_argument("--epochs", type=int)
    parser.add_argument(
        "--precision",
        choices=("fp32", "bf16"),
        help="bf16 measures both; default: bf16 if this processor has instructions for it",
    )
    parser.add_argument(
        "--rounds",
        type=int,
        help="at least 2; default: 15 of the small network, fewer of the others",
    )


def measure(options: argparse.Namespace) -> Report:
    """Trains all sides in turns, and checks them."""
    # bnexp sets it for its process, and it cannot be undone: all sides have it, from the start.
    keep_freed_memory()
    precisions, notes = choose_precisions(options.precision)
    if find_spec("lightning") is None:
        notes.append("Without Lightning, which is not installed: `pip install 'bnexp[bench]'`.")
    source = options.data.name if options.data else "`shapes`, which bnexp draws itself"
    notes.append(f"Pictures: {source}. n is the number of rounds; medians [95 % intervals].")
    found = {}
    with tempfile.TemporaryDirectory() as name:
        for network in choose_networks(options):
            pictures = Pictures.load(options.data, network)
            sides = list_sides(network, pictures, Path(name), precisions)
            warm_up(network, pictures, Path(name), precisions)
            runs = {
                side: partial(train_and_check, network, side, own) for side, own in sides.items()
            }
            found[network] = in_turns(runs, network.rounds, options.seed, options.say)
    return report(found, notes)


def train_and_check(network: Network, name: str, side: Side, seed: int) -> Outcome:
    """Returns what a side did.

    Raises:
        BenchmarkError: It did not train what its time would be divided by.
    """
    outcome = time_run(side(seed))
    images = network.epochs * network.images
    if (outcome.steps, outcome.images) != (network.steps, images):
        raise BenchmarkError(
            f"{network.name}: {name} trained {outcome.images:,} pictures in {outcome.steps:,} "
            f"steps, not {images:,} in {network.steps:,}"
        )
    return outcome


def report(found: Mapping[Network, Outcomes], notes: Sequence[str] = ()) -> Report:
    """Returns tables and problems of what was trained."""
    tables = [make_table(network, outcomes) for network, outcomes in found.items()]
    return Report(
        {"networks": {network.name: list_figures(own) for network, own in found.items()}},
        [*tables, make_goals(found)],
        notes,
        [problem for network, own in found.items() for problem in find_problems(network, own)],
    )


def choose_networks(options: argparse.Namespace) -> Iterator[Network]:
    """Yields the networks that the options name, of the size that they ask for."""
    sizes = ("images", "test_images", "epochs", "rounds")
    asked = {key: getattr(options, key) for key in sizes if getattr(options, key) is not None}
    for name in options.networks:
        yield replace(NETWORKS[name], **asked)


def choose_precisions(asked: str | None) -> tuple[Sequence[str], list[str]]:
    """Returns the precisions to measure and, if bf16 is left out for its slowness, why."""
    slowdown = measure_bf16_slowdown() if asked is None else 0.0
    if asked == "fp32" or slowdown > SLOW_BF16:
        reason = f"a convolution takes {slowdown:.2g} times as long as in fp32"
        why = "Without bf16, for which this processor has no instructions or PyTorch uses none "
        why += f"({reason}); "
        return ("fp32",), [f"{why}`--precision bf16` measures it all the same."] * (not asked)
    return ("fp32", "bf16"), []


def list_sides(
    network: Network, pictures: Pictures, folder: Path, precisions: Sequence[str]
) -> dict[str, Side]:
    """Returns the sides by name."""
    work = (network, pictures)
    sides = {
        "usual 0 workers": usual_side(*work, folder / "usual", workers=0),
        "usual 2 workers": usual_side(*work, folder / "usual", workers=2),
    }
    if find_spec("lightning") is not None:
        from benchmarks.sides.lightning import lightning_side

        for kind in ("loader", "resident"):
            for precision in precisions:
                sides[f"lightning {kind} {precision}"] = lightning_side(
                    *work, folder / "lightning", precision, is_resident=kind == "resident"
                )
    for precision in precisions:
        sides[f"bnexp {precision}"] = bnexp_side(*work, folder, precision)
        sides[f"floor {precision}"] = floor_side(*work, precision)
    first = f"bnexp {precisions[0]}"
    return {**sides, f"{first} again": sides[first]}


def warm_up(network: Network, pictures: Pictures, folder: Path, precisions: Sequence[str]) -> None:
    """Runs every side for one batch, so that none pays for imports and first calls."""
    sizes = {"train_size": min(128, network.images), "test_size": min(128, network.test_images)}
    images, test_images = sizes.values()
    small = replace(network, images=images, test_images=test_images, epochs=1)
    few = replace(
        pictures,
        config={**pictures.config, **sizes},
        train=pictures.train.subset(np.arange(images)),
        test=pictures.test.subset(np.arange(test_images)),
    )
    for side in list_sides(small, few, folder, precisions).values():
        side(0)()


def list_figures(outcomes: Outcomes) -> dict[str, dict[str, list[float]]]:
    """Returns what the JSON holds of each side: one value per round."""
    figures = {}
    for side, runs in outcomes.items():
        figures[side] = {
            "images_per_second": [run.images / run.seconds for run in runs],
            "shared_images_per_second": [run.images / run.shared_seconds for run in runs],
            "accuracy": [run.accuracy for run in runs],
        }
        if all(run.training_seconds for run in runs):
            speeds = [run.images / (run.training_seconds or 1) for run in runs]
            figures[side]["training_images_per_second"] = speeds
    return figures


def compare(outcomes: Outcomes, words: str) -> Interval | None:
    """Returns a ratio of speeds, e.g. "bnexp fp32 / usual 2 workers"; None without such sides.

    It is of the work that both do. "training of" in front takes their training alone.
    """
    sides = words.removeprefix("training of ").replace("/ of ", "/ ").split(" / ")
    if not set(sides) <= set(outcomes):
        return None
    evaluate_alike = len({side.startswith(("bnexp", "floor")) for side in sides}) == 1
    kind = "" if evaluate_alike else "shared_"
    kind = "training_" if words.startswith("training of ") else kind
    figures = [list_figures({side: outcomes[side]})[side] for side in sides]
    return divide(*(one[f"{kind}images_per_second"] for one in figures))


def make_table(network: Network, outcomes: Outcomes) -> Table:
    """Returns the speeds of a network's sides, and what they are of the usual loop and floor."""
    rows = []
    for side, runs in outcomes.items():
        precision = "bf16" if "bf16" in side else "fp32"
        figures = list_figures({side: runs})[side]
        alone = ""
        if "training_images_per_second" in figures:
            share = compare(outcomes, f"training of {side} / of floor {precision}")
            speed = statistics.median(figures["training_images_per_second"])
            alone = f"{speed:,.0f}; {share:.3f}"
        accuracies = [run.accuracy for run in runs]
        rows.append(
            (
                side,
                f"{statistics.median(figures['images_per_second']):,.0f}",
                f"{compare(outcomes, f'{side} / usual 2 workers'):.2f}",
                f"{compare(outcomes, f'{side} / floor {precision}'):.3f}",
                alone,
                f"{statistics.mean(accuracies):.1%} ± {statistics.stdev(accuracies):.1%}",
            )
        )
    epochs, tests = count(network.epochs, "epoch"), f"{network.test_images:,} to test"
    sizes = f"{epochs} of {network.images:,} pictures, {tests}, n = {network.rounds}"
    title = f"**{network.name}**, {sizes}:"
    header = ("side", "images/s", "× usual 2 workers", "of the floor",
              "training alone: images/s; of the floor", "accuracy")  # fmt: skip
    return Table(header, rows, title)


def make_goals(found: Mapping[Network, Outcomes]) -> Table:
    """Returns which ratios are as large as they are to be."""
    rows = []
    for words, least in GOALS:
        for network, outcomes in found.items():
            goal = least.get(network.name)
            ratio = goal and compare(outcomes, words)
            if ratio:
                result = "met" if ratio.median >= goal else "**missed**"
                rows.append((network.name, words, f"{ratio:.3f}", f"{goal:g}", result))
    return Table(("network", "ratio of speeds", "measured", "goal", ""), rows)


def find_problems(network: Network, outcomes: Outcomes) -> Iterator[str]:
    """Yields why the figures cannot be believed."""
    yield from find_odd_accuracies(network, outcomes)
    yield from find_impossible(network, outcomes)


def find_odd_accuracies(network: Network, outcomes: Outcomes) -> Iterator[str]:
    """Yields that accuracies differ by more than noise, if they do.

    An F test of one-way analysis of variance at 1 %. The variance within sides counts as no less
    than that of a share of so many test pictures.
    """
    values = np.array([[run.accuracy for run in runs] for runs in outcomes.values()])
    sides, rounds = values.shape
    means, mean = values.mean(1), values.mean()
    within = max(values.var(1, ddof=1).mean(), mean * (1 - mean) / network.test_images)
    p = stats.f.sf(rounds * means.var(ddof=1) / within, sides - 1, sides * (rounds - 1))
    if not p >= LEVEL:
        shown = ", ".join(f"{side} {own:.1%}" for side, own in zip(outcomes, means, strict=True))
        yield f"{network.name}: accuracies differ by more than noise (F test, p = {p:.1g}): {shown}"


def find_impossible(network: Network, outcomes: Outcomes) -> Iterator[str]:
    """Yields the sides that are faster than the floor: none can be, each does all that it does.

    Nothing is said of fewer than five rounds, in all of which chance alone may favour a side.
    """
    if len(next(iter(outcomes.values()))) < FEWEST_ROUNDS:
        return
    for side, runs in outcomes.items():
        floor = outcomes[f"floor {'bf16' if 'bf16' in side else 'fp32'}"]
        if runs is floor:
            continue
        ratios = [divide([one.shared_seconds for one in floor],
                         [run.shared_seconds for run in runs])]  # fmt: skip
        if all(run.training_seconds for run in runs):
            ratios.append(divide([one.training_seconds or 0 for one in floor],
                                 [run.training_seconds or 0 for run in runs]))  # fmt: skip
        for ratio in ratios:
            if ratio.low > 1:
                yield (
                    f"{network.name}: {side} is {ratio:.3f} times as fast as the floor, which is "
                    "impossible"
                )
