"""First weights are a function of seed and name, with the scheme's standard deviation."""

import math

import pytest
import torch
from torch import nn

from bnexp.models.cnn.config import CnnConfig, ConvLayer
from bnexp.models.initialization import HeConfig, NormalConfig, XavierConfig
from bnexp.models.mlp.config import MlpConfig
from bnexp.models.resnet.config import ResNetConfig
from bnexp.norms.none.config import NoNormConfig
from bnexp.seeding import derive_seed
from bnexp.training.initialization import initialize


def initialized(config, scheme, image_shape=(8, 8, 3), num_classes=10, seed=3):
    model = config.build(image_shape, num_classes)
    initialize(model, seed, scheme)
    return model


def draw(shape, seed, name):
    generator = torch.Generator().manual_seed(derive_seed(seed, "init", name))
    return torch.empty(shape).normal_(generator=generator)


def test_by_default_the_weights_are_those_that_seed_and_name_give_bit_for_bit():
    model = initialized(CnnConfig(), HeConfig(), (32, 32, 3))

    conv, linear = model.layers[1].conv.weight, model.linear.weight
    expected = draw(conv.shape, 3, "layers.1.conv.weight") * math.sqrt(2.0 / (16 * 9))
    assert torch.equal(conv, expected)
    assert torch.equal(linear, draw(linear.shape, 3, "linear.weight") * math.sqrt(1.0 / 64))


@pytest.mark.parametrize(
    ("scheme", "expected"),
    [
        (HeConfig(), math.sqrt(2 / (9 * 64))),
        (HeConfig(scale=0.1), 0.1 * math.sqrt(2 / (9 * 64))),
        (XavierConfig(), math.sqrt(2 / (9 * 64 + 9 * 128))),
        (XavierConfig(scale=10.0), 10 * math.sqrt(2 / (9 * 64 + 9 * 128))),
        (NormalConfig(), 0.01),
        (NormalConfig(std=0.2, scale=3.0), 0.6),
    ],
    ids=repr,
)
def test_convolutions_have_the_standard_deviation_of_the_scheme(scheme, expected):
    layers = (ConvLayer(conv=64), ConvLayer(conv=128))

    weight = initialized(CnnConfig(layers=layers), scheme).layers[1].conv.weight

    assert weight.std().item() == pytest.approx(expected, rel=0.01)


def test_xavier_has_the_standard_deviation_of_pytorchs_own():
    model = initialized(MlpConfig(hidden=(400, 300)), XavierConfig())
    reference = nn.init.xavier_normal_(torch.empty(300, 400))

    assert model.layers[1].linear.weight.std().item() == pytest.approx(
        reference.std().item(), rel=0.02
    )


@pytest.mark.parametrize("scheme", [HeConfig(), XavierConfig(), NormalConfig()])
def test_the_output_layer_alone_keeps_its_own_standard_deviation(scheme):
    model = initialized(MlpConfig(hidden=(300, 300)), scheme, num_classes=300)
    scaled = initialized(
        MlpConfig(hidden=(300, 300)), scheme.model_copy(update={"scale": 2.0}), num_classes=300
    )

    assert model.linear.weight.std().item() == pytest.approx(math.sqrt(1 / 300), rel=0.01)
    assert torch.equal(scaled.linear.weight, 2 * model.linear.weight)


def test_a_layer_with_one_output_has_the_scheme_too():
    model = initialized(CnnConfig(layers=(ConvLayer(conv=1), ConvLayer(conv=8))), HeConfig())

    first = model.layers[0].conv.weight
    assert torch.equal(first, draw((1, 3, 3, 3), 3, "layers.0.conv.weight") * math.sqrt(2 / 27))


def test_hidden_linear_layers_take_the_scheme():
    model = initialized(MlpConfig(hidden=(300, 300)), HeConfig())

    weight = model.layers[1].linear.weight
    assert weight.std().item() == pytest.approx(math.sqrt(2 / 300), rel=0.01)


def test_schemes_differ_by_a_factor_alone_so_that_their_cells_pair():
    he = initialized(CnnConfig(), HeConfig(), (32, 32, 3)).layers[3].conv.weight
    xavier = initialized(CnnConfig(), XavierConfig(), (32, 32, 3)).layers[3].conv.weight

    torch.testing.assert_close(xavier, he * math.sqrt(16 / (16 + 32)))


def test_biases_start_at_zero_under_every_scheme():
    model = initialized(ResNetConfig(depth=8, norm=NoNormConfig()), NormalConfig(std=1.0))

    biases = [value for name, value in model.named_parameters() if name.endswith("bias")]
    assert biases
    assert not any(bias.any() for bias in biases)
