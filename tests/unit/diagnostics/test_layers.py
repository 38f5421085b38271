"""Layers by name: which a config means, and which it names in vain."""

from torch import nn

from bnexp.diagnostics.gradient_norm.config import GradientNormConfig
from bnexp.diagnostics.layers import find_idle, find_layers, find_trained

MODEL = nn.Sequential(nn.Sequential(nn.Linear(2, 2), nn.ReLU()), nn.Linear(2, 2))


def test_layers_come_in_the_networks_order_by_path():
    assert list(find_layers(MODEL, None, find_trained)) == ["0.0", "1"]
    assert list(find_layers(MODEL, ("1", "0.*"), lambda _: True)) == ["0.0", "0.1", "1"]


def test_a_parameter_of_the_network_itself_is_at_its_root():
    model = nn.Module()
    model.token = nn.Parameter(nn.Linear(1, 1).weight)

    assert list(find_layers(model, None, find_trained)) == ["root"]


def test_a_pattern_that_fits_no_layer_is_named_with_its_key():
    configs = (GradientNormConfig(), GradientNormConfig(layers=("0.*", "2.conv")))

    assert list(find_idle(configs, MODEL, 100)) == [
        "diagnostics.1.layers: no layer of the network is called '2.conv'; it has e.g. 1"
    ]


def test_a_diagnostic_that_is_never_due_is_named():
    configs = [GradientNormConfig(every_steps=20), GradientNormConfig(every_steps=21)]

    assert [*find_idle(configs, MODEL, 20)] == [
        "diagnostics.1.every_steps: 21 is more than the 20 steps of the training, so nothing is "
        "measured"
    ]
