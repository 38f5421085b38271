"""The examples of docs/claims.md, each in a config that its sweep can answer."""

import re
from pathlib import Path

import pytest
import yaml

from bnexp.config.load import load_experiment

PAGE = Path(__file__).parents[4] / "docs/claims.md"
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
]
CONFIG = {
    "name": "example",
    "data": {"name": "shapes", "train_size": 512, "val_size": 128},
    "model": {"name": "cnn", "layers": [{"conv": 32}, {"conv": 32}]},
}


def test_there_are_six_examples():
    assert len(EXAMPLES) == len(SWEEPS) == 6


@pytest.mark.parametrize("place", range(6))
def test_the_example_is_a_claim_that_its_sweep_can_answer(place, tmp_path):
    example = yaml.safe_load(EXAMPLES[place])
    sweep = example.pop("sweep", {"seeds": 5, "grid": SWEEPS[place]})
    (tmp_path / "c.yaml").write_text(yaml.safe_dump({**CONFIG, "sweep": sweep, **example}))

    experiment = load_experiment(tmp_path / "c.yaml")

    assert experiment.runs[0].config.claim
