"""The examples of docs/claims.md, each in a config that its sweep can answer."""

import re
from pathlib import Path

import pytest
import yaml

from bnexp.config.load import load_experiment
from bnexp.errors import ConfigError

PAGE = Path(__file__).parents[4] / "docs/claims.md"
SHIPPED = PAGE.parents[1] / "configs/quickstart.yaml"
EXAMPLES = re.findall(r"```yaml\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
SWEEPS = [
    {"model.norm.name": ["none", "batch"]},
    None,
    {"model.norm.name": ["batch", "group"]},
    {
        "model.norm.name": ["none", "batch"],
        "model.activation": ["relu", "tanh", "sigmoid"],
    },
    {"model.norm.name": ["batch", "group"], "data.batch_size": [4, 128]},
    {"model.norm.name": ["none", "batch"]},
    {"model.norm.name": ["none", "batch"]},
]
CONFIG = {
    "name": "example",
    "data": {"name": "shapes", "train_size": 512, "val_size": 128},
    "model": {"name": "cnn", "layers": [{"conv": 32}, {"conv": 32}]},
}


def test_there_are_seven_examples():
    assert len(EXAMPLES) == len(SWEEPS) == 7


@pytest.mark.parametrize("place", range(7))
def test_the_example_is_a_claim_that_its_sweep_can_answer(place, tmp_path):
    example = yaml.safe_load(EXAMPLES[place])
    sweep = example.pop("sweep", {"seeds": 5, "grid": SWEEPS[place]})
    (tmp_path / "c.yaml").write_text(yaml.safe_dump({**CONFIG, "sweep": sweep, **example}))

    experiment = load_experiment(tmp_path / "c.yaml")

    assert experiment.runs[0].config.claim


def test_tuning_seeds_choose_before_the_first_look(tmp_path):
    reduction = {
        "name": "best",
        "over": "optim.learning_rate",
        "tuning_seeds": [0, 4],
    }
    claim = {
        "statement": "s",
        "source": "s",
        "treatment": {"model.norm.name": "batch"},
        "control": {"model.norm.name": "none"},
        "direction": "higher",
        "margin": 0.01,
        "reduction": reduction,
    }
    grid = {"model.norm.name": ["none", "batch"], "optim.learning_rate": [0.01, 0.1, 1.0]}

    def load(seeds):
        content = {**CONFIG, "sweep": {"seeds": seeds, "grid": grid}, "claim": claim}
        (tmp_path / "c.yaml").write_text(yaml.safe_dump(content))
        return load_experiment(tmp_path / "c.yaml")

    assert load(5).runs
    with pytest.raises(ConfigError, match="seed 4 comes after the first look"):
        load({"min": 3, "max": 8})
    with pytest.raises(ConfigError, match="seed 4 is not among the sweep's seeds"):
        load(4)


def test_a_key_that_python_cannot_name_is_a_key_like_any_other():
    with pytest.raises(ConfigError, match=r"claim\.as_: unknown key \(did you mean 'as'"):
        load_experiment(SHIPPED, ["claim.as_=ratio"])
    assert load_experiment(SHIPPED, ["claim.as=ratio"]).runs[0].config.claim[0].as_ == "ratio"
