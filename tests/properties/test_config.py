"""Whatever the text, the loader answers with a config or with clear problems, and loses nothing."""

import contextlib
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bnexp.config.experiment import ExperimentConfig
from bnexp.config.load import load_experiment
from bnexp.config.yaml_reader import read_yaml
from bnexp.config.yaml_writer import write_yaml
from bnexp.errors import UsageError

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


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
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
