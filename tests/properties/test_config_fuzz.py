"""Configs broken at random: the loader answers with an experiment or with clear problems.

BNEXP_FUZZ_INPUTS sets how many inputs the long run has (100,000 by default).
"""

import itertools
import os
import re
import sys
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bnexp.config.load import load_experiment
from bnexp.config.yaml.reader import read_yaml
from bnexp.config.yaml.writer import write_yaml
from bnexp.errors import ConfigError, UsageError

ROOT = Path(__file__).parents[2]
LONG_RUN = int(os.environ.get("BNEXP_FUZZ_INPUTS", "100000"))

SMALL = """\
name: trial
data: {name: cifar10, train_size: 5000, val_size: 500, augment: [random_crop], batch_size: 64}
model:
  name: cnn
  layers: [{conv: 8}, {conv: 16, norm: none}, {pool: max}]
  norm: {name: batch, eps: 1e-5, momentum: 0.1}
optim: {name: sgd, learning_rate: 0.1, schedule: {name: cosine, warmup_epochs: 1}}
train: {epochs: 3, seed: 0}
evaluate: {population_statistics: [ema, precise]}
sweep:
  seeds: 2
  grid:
    model.norm.name: [none, batch, layer]
    data.batch_size: [8, 32]
  zip: {optim.learning_rate: [0.1, 0.3], train.epochs: [2, 4]}
  exclude: [{model.norm.name: none, data.batch_size: [8]}]
  include:
    - {model.norm.name: group, model.norm.num_groups: 4}
"""
TEXTS = (
    SMALL,
    (ROOT / "configs/quickstart.yaml").read_text(encoding="utf-8"),
    (ROOT / "configs/cifar10/resnet20.yaml").read_text(encoding="utf-8"),
)

TOKENS = (
    "\n", " ", "  ", "\t", ":", ": ", ",", "- ", "[", "]", "{", "}", "'", '"', "#", "|", ">",
    "&a ", "*a", "!!python/object:os.system ", "<<: ", "? ", "---\n", "...\n", "%", "@", "\x00",
    "\ufeff", "\x85", "\u2028", "é", "١", "²", "0", "-1", "1e400", "012", ".nan", ".inf", "~",
    "off", "1_0", "9" * 25, '"\\ud800"', '"\\0"', "null", "name", "sweep", "extends", "grid",
)  # fmt: skip
KEYS = (
    "name", "extends", "data", "data.name", "data.root", "data.train_size", "data.val_size",
    "data.augment", "data.batch_size", "data.drop_last", "model", "model.name", "model.layers",
    "model.layers.0", "model.layers.0.conv", "model.layers.1.norm", "model.depth", "model.norm",
    "model.norm.name", "model.norm.num_groups", "model.norm.momentum", "model.placement",
    "model.weight_standardization", "model.initialization", "optim", "optim.name",
    "optim.learning_rate", "optim.schedule", "optim.schedule.warmup_epochs", "optim.decay_norm",
    "train", "train.epochs", "train.seed", "train.device", "train.precision",
    "evaluate.population_statistics", "evaluate.precise_images", "sweep", "sweep.seeds", "a.b.c",
)  # fmt: skip
WORDS = (
    "none", "batch", "group", "layer", "instance", "filter_response", "cnn", "mlp", "resnet", "vgg",
    "torchvision", "timm", "cifar10", "shapes", "image_folder", "sgd", "adamw", "cosine", "ema",
    "constant", "precise", "max", "avg", "flatten", "bf16", "c.yaml", "../x", "/", "", ".", "..",
)  # fmt: skip

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-3, 40)
    | st.sampled_from([2**31, 2**63, 10**18, -(10**17), 1e-300, 1e300, 0.5, -0.0])
    | st.sampled_from(WORDS)
    | st.text(max_size=6)
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(("name", "conv", "pool", "norm", "eps", "x")), inner)
    ),
    max_leaves=5,
)
DOTTED = st.sampled_from(KEYS)
PLAUSIBLE = {
    "data.batch_size": [1, 8, 32, 64],
    "data.train_size": [None, 1000, 5001],
    "data.augment": [[], ["horizontal_flip"], ["random_crop", "horizontal_flip"]],
    "data.drop_last": [True, False],
    "model.norm.name": ["none", "batch", "group", "layer", "filter_response"],
    "model.norm": ["none", {"name": "batch", "eps": 0.1}, "instance"],
    "model.norm.eps": [1e-5, 1],
    "model.norm.num_groups": [1, 4],
    "model.dropout": [0, 0.5],
    "optim.name": ["sgd", "adamw"],
    "optim.learning_rate": [0.1, 0.3, 1],
    "optim.weight_decay": [0, 5e-4],
    "train.epochs": [1, 3, 10],
    "train.precision": ["fp32", "bf16"],
    "evaluate.population_statistics": [["ema"], ["ema", "batch"]],
}
"""Keys with values that most configs can have, so that many inputs are experiments."""

PAIRS = st.sampled_from(
    [(key, value) for key, values in PLAUSIBLE.items() for value in values]
)  # fmt: skip
ANY_PAIRS = PAIRS | PAIRS | PAIRS | st.tuples(DOTTED, VALUES)
LISTS = st.sampled_from(list(PLAUSIBLE.items()))
ANY_LISTS = LISTS | LISTS | LISTS | st.tuples(DOTTED, st.lists(VALUES, max_size=3) | VALUES)


def mappings(pairs, most):
    """Draws mappings of keys to values."""
    return st.lists(pairs, max_size=most, unique_by=lambda pair: pair[0]).map(dict)


def or_anything(strategy):
    return strategy | strategy | strategy | VALUES


@st.composite
def changed_texts(draw):
    """Draws a valid config with lines and characters deleted, doubled, moved and replaced."""
    text = draw(st.sampled_from(TEXTS))
    for _ in range(draw(st.integers(1, 4))):
        kind = draw(st.integers(0, 5))
        lines = text.splitlines(keepends=True) or [""]
        line = draw(st.integers(0, len(lines) - 1))
        place = draw(st.integers(0, len(text)))
        if kind == 0:
            del lines[line]
            text = "".join(lines)
        elif kind == 1:
            lines.insert(draw(st.integers(0, len(lines))), lines[line])
            text = "".join(lines)
        elif kind == 2:
            text = text[:place] + text[place + draw(st.integers(1, 8)) :]
        elif kind == 3:
            text = text[:place]
        else:
            replaced = draw(st.integers(0, 3)) if kind == 4 else 0
            text = text[:place] + draw(st.sampled_from(TOKENS)) + text[place + replaced :]
    return text.encode("utf-8", "surrogatepass")


@st.composite
def changed_trees(draw):
    """Draws a valid config with a few values at random keys, as overrides would set them."""
    pairs = draw(st.lists(ANY_PAIRS, min_size=1, max_size=3))
    overrides = [f"{key}={write_inline(value)}" for key, value in pairs]
    return draw(st.sampled_from(TEXTS)).encode(), overrides


SWEEPS = st.fixed_dictionaries(
    {},
    optional={
        "seeds": or_anything(st.integers(1, 3) | st.lists(st.integers(-1, 5), max_size=3)),
        "grid": or_anything(mappings(ANY_LISTS, 3)),
        "zip": or_anything(mappings(st.tuples(DOTTED, st.lists(VALUES, max_size=2)), 2)),
        "exclude": or_anything(st.lists(mappings(ANY_PAIRS, 2), max_size=2)),
        "include": or_anything(st.lists(mappings(ANY_PAIRS, 3), max_size=3)),
        "max_runs": or_anything(st.sampled_from([2, 50, 10**5])),
    },
)


def write_inline(value):
    """Returns a value in YAML's flow style, on one line."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {write_inline(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(write_inline, value)) + "]"
    return write_yaml({"x": value}).removeprefix("x:").strip()


def with_sweep(sweep):
    return (SMALL.partition("sweep:")[0] + f"sweep: {write_inline(sweep)}\n").encode(), []


INPUTS = {
    "changed text": changed_texts().map(lambda content: (content, [])),
    "values at random keys": changed_trees(),
    "random sweep": SWEEPS.map(with_sweep),
    "random text": st.text(max_size=200).map(lambda text: (text.encode(), [])),
    "random marks": st.lists(st.sampled_from((*TOKENS, "a", "b: ", "x ")), max_size=14).map(
        lambda parts: ("".join(parts).encode("utf-8", "surrogatepass"), [])
    ),
    "random bytes": st.binary(max_size=200).map(lambda content: (content, [])),
}


def load(path, content, overrides):
    """Loads a config and returns what it is; anything but an experiment or problems is raised."""
    path.write_bytes(content)
    try:
        experiment = load_experiment(path, overrides)
    except UsageError as error:
        check_problems(error)
        return "clear problems" if isinstance(error, ConfigError) else "a clear error"
    check_experiment(experiment)
    return "an experiment"


def check_problems(error):
    assert str(error).strip()
    str(error).encode()
    if isinstance(error, ConfigError):
        assert error.problems
        assert all(min(found.line, found.column) >= 1 for found in error.problems)
        assert all(found.reason.strip() for found in error.problems)


def check_experiment(experiment):
    assert experiment.runs
    assert re.fullmatch(r"[A-Za-z0-9._-]{1,80}", experiment.name)
    assert len({(run.cell, run.seed) for run in experiment.runs}) == len(experiment.runs)
    for cell in experiment.cells:
        assert re.fullmatch(r"[A-Za-z0-9._=,+()-]{1,120}", cell)
        assert cell.strip(".")


@pytest.mark.parametrize("kind", INPUTS)
def test_whatever_is_in_a_file_it_is_an_experiment_or_a_clear_problem(kind, tmp_path):
    fuzz(kind, tmp_path, 50)


def test_every_text_of_up_to_four_marks_is_a_tree_or_clear_problems():
    for length in range(1, 5):
        for text in map("".join, itertools.product("[]{}?:,-'# a", repeat=length)):
            try:
                read_yaml(text, "c.yaml")
            except ConfigError as error:
                check_problems(error)


@pytest.mark.slow
@pytest.mark.parametrize("kind", INPUTS)
def test_a_long_run_of_whatever_is_in_a_file(kind, tmp_path, capsys):
    outcomes = fuzz(kind, tmp_path, LONG_RUN // len(INPUTS))

    with capsys.disabled():
        sys.stdout.write(f"\n{outcomes.total():,} inputs of {kind}: {dict(outcomes)}\n")


def fuzz(kind, folder, count):
    """Loads that many drawn inputs, and returns what became of them."""
    outcomes = Counter()

    @settings(
        max_examples=count, deadline=None, database=None, suppress_health_check=list(HealthCheck)
    )
    @given(INPUTS[kind])
    def run(drawn):
        outcomes[load(folder / "c.yaml", *drawn)] += 1

    run()
    return outcomes
