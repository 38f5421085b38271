"""Whatever the text, the loader answers with a config or with clear problems, and loses nothing."""

import contextlib
import itertools
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bnexp.config.experiment import ExperimentConfig
from bnexp.config.load import load_experiment
from bnexp.config.yaml.reader import read_yaml
from bnexp.config.yaml.writer import write_yaml
from bnexp.errors import ConfigError, UsageError

SCALARS = (
    st.none() | st.booleans() | st.integers(-(2**50), 2**50)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), max_size=12)
    | st.sampled_from(["off", "no", "1e-3", "012", "null", "~", "0x1F", ".5", "1_0", "=", "<<"])
)  # fmt: skip
KEYS = st.text("abcdefghij_.", min_size=1, max_size=8)
TREES = st.dictionaries(
    KEYS,
    st.recursive(
        SCALARS,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
        max_leaves=12,
    ),
    min_size=1,
)

WORDS = st.sampled_from(
    ["name", "data", "model", "norm", "batch", "none", "cnn", "layers", "conv", "sweep", "grid",
     "seeds", "extends", "train", "epochs", ": ", "\n", "  ", "- ", "{", "}", "[", "]", ", ",
     "1", "1e-3", "&a ", "*a", "!x ", "'", '"', "#", "|", ">", "\t", "---", "\x00", "é", "?",
     '"\\ud800"', '"\\0"']
)  # fmt: skip


def listed(value):
    if isinstance(value, tuple):
        return [listed(item) for item in value]
    if isinstance(value, dict):
        return {key: listed(item) for key, item in value.items()}
    return value


@given(TREES)
def test_what_is_written_as_yaml_is_read_back_the_same(tree):
    assert listed(read_yaml(write_yaml(tree), "f").plain()) == tree


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(WORDS, max_size=40).map("".join))
def test_any_text_is_a_config_or_a_clear_problem(tmp_path, text):
    path = Path(tmp_path) / "c.yaml"
    path.write_text(text, encoding="utf-8")

    with contextlib.suppress(UsageError):
        load_experiment(path)


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=200))
def test_any_bytes_are_a_config_or_a_clear_problem(tmp_path, content):
    path = Path(tmp_path) / "c.yaml"
    path.write_bytes(content)

    with contextlib.suppress(UsageError):
        load_experiment(path)


AXES = {
    "data.batch_size": [8, 16, 32],
    "model.norm.name": ["none", "batch", "layer"],
    "optim.learning_rate": [0.1, 0.2, 1],
    "train.epochs": [1, 2],
}
PLAIN = {
    "name": "x",
    "data": {"name": "cifar10", "batch_size": 64},
    "model": {"name": "cnn", "layers": [{"conv": 8}, {"pool": "max"}]},
    "optim": {"name": "sgd", "learning_rate": 0.5},
    "train": {"epochs": 3},
}
DEFAULTS = {
    "data.batch_size": 64,
    "model.norm.name": "batch",
    "optim.learning_rate": 0.5,
    "train.epochs": 3,
}


@st.composite
def sweeps(draw):
    """Draws a grid, excludes that each match something, and includes of new cells."""
    keys = draw(st.lists(st.sampled_from(sorted(AXES)), min_size=1, max_size=3, unique=True))
    lists = {key: st.lists(st.sampled_from(AXES[key]), min_size=1, unique=True) for key in keys}
    grid = {key: draw(values) for key, values in lists.items()}
    patterns = {key: st.sampled_from(values) for key, values in grid.items()}
    one_or_more = {
        key: st.sampled_from(values) | st.lists(patterns[key], min_size=1)
        for key, values in grid.items()
    }
    excludes = st.fixed_dictionaries({}, optional=one_or_more).filter(bool)
    everywhere = {key: st.sampled_from(values) for key, values in AXES.items()}
    includes = st.fixed_dictionaries({}, optional=everywhere).filter(bool)
    return grid, draw(st.lists(excludes, max_size=3)), draw(st.lists(includes, max_size=3))


def enumerate_cells(grid, excludes, includes):
    """Returns what the sweep means, cell by cell: the oracle."""
    cells = [dict(zip(grid, row, strict=True)) for row in itertools.product(*grid.values())]
    kept = [
        cell
        for cell in cells
        if not any(
            all(cell[key] in (value if isinstance(value, list) else [value])
                for key, value in pattern.items())
            for pattern in excludes
        )
    ]  # fmt: skip
    shown = [key for part in (grid, *includes) for key in part]
    return kept, [{key: {**DEFAULTS, **cell}[key] for key in shown} for cell in (*kept, *includes)]


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sweeps())
def test_a_sweep_is_its_grid_less_the_excludes_plus_the_includes(tmp_path, sweep):
    grid, excludes, includes = sweep
    path = Path(tmp_path) / "c.yaml"
    parts = {"grid": grid, "exclude": excludes, "include": includes}
    path.write_text(write_yaml({**PLAIN, "sweep": parts}))
    kept, expected = enumerate_cells(grid, excludes, includes)
    full = [{**DEFAULTS, **cell} for cell in (*kept, *includes)]
    is_wrong = not kept or any(cell in full[:index] for index, cell in enumerate(full))

    with pytest.raises(ConfigError) if is_wrong else contextlib.nullcontext():
        experiment = load_experiment(path)

    if not is_wrong:
        assert [dict(run.settings) for run in experiment.runs] == expected
        assert len(experiment.cells) == len(expected)
        path.write_text(write_yaml({**PLAIN, "sweep": {"grid": grid}}))
        assert set(experiment.cells[: len(kept)]) <= set(load_experiment(path).cells)


@settings(max_examples=50)
@given(
    conv=st.lists(st.integers(1, 64), min_size=1, max_size=4),
    norm=st.sampled_from(["none", "batch"]),
    learning_rate=st.floats(1e-6, 10),
    epochs=st.integers(1, 500),
    batch_size=st.integers(2, 512),
)
def test_a_config_survives_being_written_and_read(conv, norm, learning_rate, epochs, batch_size):
    config = ExperimentConfig.model_validate(
        {
            "name": "x",
            "data": {"name": "cifar10", "batch_size": batch_size},
            "model": {
                "name": "cnn",
                "layers": tuple({"conv": channels} for channels in conv),
                "norm": norm,
            },
            "optim": {"name": "sgd", "learning_rate": learning_rate},
            "train": {"epochs": epochs},
        }
    )
    text = write_yaml(config.model_dump(mode="json"))

    again = ExperimentConfig.model_validate(read_yaml(text, "f").plain())

    assert again == config
    assert again.fingerprint() == config.fingerprint()
