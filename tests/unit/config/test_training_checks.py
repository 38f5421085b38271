"""Ways of training that are impossible for a config are reported at the key to change."""

import pytest

from bnexp.config.load import load_experiment
from bnexp.errors import ConfigError

CONFIG = """\
name: trial
data: {name: cifar10, batch_size: 64}
model: {name: cnn, layers: [{conv: 8}, {conv: 8}]}
train: {epochs: 30}
"""


@pytest.fixture
def load(tmp_path):
    def load_config(*overrides):
        path = tmp_path / "c.yaml"
        path.write_text(CONFIG)
        return load_experiment(path, overrides)

    return load_config


@pytest.mark.parametrize(
    "overrides",
    [
        ["data.classes_per_batch=1"],
        ["data.classes_per_batch=10"],
    ],
)
def test_what_is_possible_is_neither_an_error_nor_warned_of(load, overrides):
    assert load(*overrides).warnings == ()


@pytest.mark.parametrize(
    ("overrides", "key", "reason"),
    [
        (["data.classes_per_batch=11"], "data.classes_per_batch", "11 is more than the 10 classes"),
        (
            ["data.classes_per_batch=8", "data.batch_size=4"],
            "data.classes_per_batch",
            "8 is more than the 4 images of a batch",
        ),
    ],
)
def test_what_is_impossible_is_reported_at_its_key(load, overrides, key, reason):
    with pytest.raises(ConfigError) as caught:
        load(*overrides)

    assert f"{key}" in str(caught.value)
    assert reason in str(caught.value)
