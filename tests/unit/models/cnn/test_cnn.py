"""The network that a config describes is the network that is built."""

import math

import pytest
import torch
from pydantic import ValidationError
from torch import nn

from bnexp.config.load import load_experiment
from bnexp.config.shipped import find_shipped
from bnexp.models import ImpossibleModelError
from bnexp.models.cnn.config import CnnConfig, ConvLayer, DropoutLayer, PoolLayer
from bnexp.norms.batch.config import BatchNormConfig
from bnexp.norms.none.config import NoNormConfig
from bnexp.training.initialization import initialize

BATCH, NONE = BatchNormConfig(), NoNormConfig()


def count_parameters(model):
    return sum(parameter.numel() for parameter in model.parameters())


def kinds(block):
    return [type(module) for module in block]


@pytest.mark.parametrize(
    ("placement", "expected"),
    [
        ("before_activation", [nn.Conv2d, nn.BatchNorm2d, nn.ReLU]),
        ("after_activation", [nn.Conv2d, nn.ReLU, nn.BatchNorm2d]),
    ],
)
def test_the_norm_sits_where_the_placement_says(placement, expected):
    config = CnnConfig(layers=(ConvLayer(conv=4),), norm=BATCH, placement=placement)

    assert kinds(config.build((8, 8, 3), 10).layers[0]) == expected


@pytest.mark.parametrize(
    ("norm", "placement", "has_bias"),
    [
        (BATCH, "before_activation", False),
        (BATCH, "after_activation", True),
        (NONE, "before_activation", True),
        (NONE, "after_activation", True),
    ],
)
def test_a_bias_is_left_out_only_where_a_norm_follows_at_once(norm, placement, has_bias):
    config = CnnConfig(layers=(ConvLayer(conv=4),), norm=norm, placement=placement)

    assert (config.build((8, 8, 3), 10).layers[0].conv.bias is not None) == has_bias


def test_a_layer_overrides_norm_placement_and_activation():
    layer = ConvLayer(conv=4, norm=BATCH, placement="after_activation", activation="tanh")
    config = CnnConfig(layers=(ConvLayer(conv=4), layer), norm=NONE)

    first, second = config.build((8, 8, 3), 10).layers
    assert kinds(first) == [nn.Conv2d, nn.Identity, nn.ReLU]
    assert kinds(second) == [nn.Conv2d, nn.Tanh, nn.BatchNorm2d]


def test_batch_norm_adds_two_parameters_a_channel_and_takes_the_bias():
    # conv 64 – BN – ReLU on (8, 3, 32, 32): 64 weights of 27, then 2·64 for γ and β.
    layers = (ConvLayer(conv=64),)
    with_norm = CnnConfig(layers=layers, norm=BATCH).build((32, 32, 3), 10)
    without = CnnConfig(layers=layers, norm=NONE).build((32, 32, 3), 10)

    assert count_parameters(with_norm.layers[0]) == 64 * 27 + 2 * 64
    assert count_parameters(without.layers[0]) == 64 * 27 + 64
    assert with_norm.layers[0](torch.zeros(8, 3, 32, 32)).shape == (8, 64, 32, 32)


def test_the_tutorial_network_has_the_parameters_of_its_closed_form():
    # conv 16 – BN – ReLU – pool – conv 32 – BN – ReLU – pool – flatten – linear 10, 32×32 RGB.
    pool = PoolLayer(pool="max")
    config = CnnConfig(
        layers=(ConvLayer(conv=16), pool, ConvLayer(conv=32), pool), head="flatten", norm=BATCH
    )

    model = config.build((32, 32, 3), 10)

    convolutions, norms = 9 * 3 * 16 + 9 * 16 * 32, 2 * 16 + 2 * 32
    assert count_parameters(model) == convolutions + norms + (32 * 8 * 8 + 1) * 10
    assert model(torch.zeros(2, 3, 32, 32)).shape == (2, 10)


@pytest.mark.parametrize(("bias", "left_out"), [(True, 0), ("auto", 16 + 32), (False, 16 + 32)])
def test_the_tutorial_network_has_its_printed_25674_parameters_with_all_biases(bias, left_out):
    spec = load_experiment(find_shipped("tutorial-cnn").path, [f"model.bias={str(bias).lower()}"])
    (config,) = {run.config.model for run in spec.runs if run.config.model.norm.normalizes}

    # conv 16 and conv 32 with bias and γ, β, and Linear(32·8·8, 10).
    assert count_parameters(config.build((32, 32, 3), 10)) == 25_674 - left_out


@pytest.mark.parametrize(("bias", "left_out"), [(True, 0), ("auto", 64)])
def test_the_block_of_the_tutorials_has_its_printed_1920_parameters(bias, left_out):
    spec = load_experiment(find_shipped("conv-block").path, [f"model.bias={str(bias).lower()}"])
    (config,) = {run.config.model for run in spec.runs if run.config.model.norm.normalizes}

    assert count_parameters(config.build((32, 32, 3), 10).layers) == 1_920 - left_out


@pytest.mark.parametrize("placement", ["before_activation", "after_activation"])
@pytest.mark.parametrize("norm", [BATCH, NONE], ids=lambda norm: norm.name)
@pytest.mark.parametrize("bias", [True, False])
def test_biases_are_in_all_convolutions_or_in_none_if_the_config_says_so(bias, norm, placement):
    layers = (ConvLayer(conv=4), ConvLayer(conv=4))
    model = CnnConfig(layers=layers, norm=norm, placement=placement, bias=bias).build((8, 8, 3), 5)

    convolutions = [module for module in model.modules() if isinstance(module, nn.Conv2d)]
    assert [module.bias is not None for module in convolutions] == [bias] * 2
    assert model.linear.bias is not None


def test_a_grouped_convolution_is_pytorchs():
    layers = (ConvLayer(conv=8), ConvLayer(conv=12, groups=4, stride=2))
    model = CnnConfig(layers=layers, norm=NONE).build((8, 8, 3), 5)
    conv, plain = model.layers[1].conv, nn.Conv2d(8, 12, 3, stride=2, padding=1, groups=4)
    plain.load_state_dict(conv.state_dict())
    features = torch.randn(2, 8, 8, 8)

    assert torch.equal(conv(features), plain(features))
    assert conv.weight.shape == (12, 2, 3, 3)
    initialize(model, seed=0)
    depthwise = CnnConfig(layers=(ConvLayer(conv=256), ConvLayer(conv=256, groups=256)), norm=NONE)
    wide = depthwise.build((8, 8, 3), 5)
    initialize(wide, seed=0)
    assert wide.layers[1].conv.weight.std().item() == pytest.approx((2 / 9) ** 0.5, rel=0.05)


@pytest.mark.parametrize(
    ("layers", "said"),
    [
        ((ConvLayer(conv=8, groups=4),), "groups: 4 does not divide the 3 input channels"),
        (
            (PoolLayer(pool="max"), ConvLayer(conv=8, groups=3)),
            "groups: 3 does not divide the 8 output channels",
        ),
    ],
    ids=["input", "output"],
)
def test_groups_that_do_not_divide_the_channels_are_impossible(layers, said):
    with pytest.raises(ImpossibleModelError, match=said) as caught:
        CnnConfig(layers=layers).build((8, 8, 3), 5)
    assert caught.value.path == ("layers", len(layers) - 1)


def test_dropout_between_layers_zeroes_that_share_in_training_and_moves_no_weight():
    def build(share):
        layers = (ConvLayer(conv=4), DropoutLayer(dropout=share), ConvLayer(conv=4))
        config = CnnConfig(layers=layers, norm=BATCH, repeat=2)
        model = config.build((8, 8, 3), 5)
        initialize(model, seed=0)
        return config, model

    (config, dropped), (_, plain) = build(0.25), build(0.0)
    ones = torch.ones(1, 40, 20, 20)

    found = dropped.layers[2](ones)
    assert (found == 0).float().mean().item() == pytest.approx(0.25, abs=0.02)
    assert found.max().item() == pytest.approx(1 / 0.75)
    assert torch.equal(plain.layers[2](ones), ones)
    state, other = dropped.state_dict(), plain.state_dict()
    assert all(torch.equal(state[name], other[name]) for name in other)
    assert [name for name, _ in dropped.layers.named_children()] == ["0", "0_2", "1", "2", "2_2"]
    assert {site.path for site in config.norm_sites((8, 8, 3))} == {("layers", 0), ("layers", 2)}


def test_strides_and_odd_sizes_agree_with_what_pytorch_computes():
    layers = (
        ConvLayer(conv=4, kernel_size=5, stride=2),
        PoolLayer(pool="avg"),
        ConvLayer(conv=6, stride=3),
    )
    config = CnnConfig(layers=layers, head="flatten", norm=BATCH)
    model = config.build((33, 27, 1), 3)

    features, seen = torch.zeros(2, 1, 33, 27), []
    for module in model.layers:
        features = module(features)
        seen.append(tuple(features.shape[1:]))
    assert [site.shape for site in config.norm_sites((33, 27, 1))] == [seen[0], seen[2]]
    assert model.linear.in_features == features[0].numel()
    assert model(torch.zeros(2, 1, 33, 27)).shape == (2, 3)


def test_norm_sites_name_the_layers_and_the_shapes_they_see():
    config = CnnConfig(
        layers=(
            ConvLayer(conv=4),
            PoolLayer(pool="max"),
            ConvLayer(conv=8),
            ConvLayer(conv=2, norm=NONE),
        ),
        norm=BATCH,
    )

    sites = config.norm_sites((8, 8, 3))
    assert [(site.path, site.shape) for site in sites] == [
        (("layers", 0), (4, 8, 8)),
        (("layers", 2), (8, 4, 4)),
    ]


def test_a_pooling_with_nothing_left_to_pool_is_impossible():
    config = CnnConfig(layers=(ConvLayer(conv=4), *[PoolLayer(pool="max")] * 4))

    with pytest.raises(ImpossibleModelError, match="gets only 1×1 pixels") as caught:
        config.build((8, 8, 3), 10)
    assert caught.value.path == ("layers", 4)


@pytest.mark.parametrize(("pool", "expected"), [("max", 4.0), ("avg", 2.5)])
def test_a_pooling_takes_the_largest_or_the_mean_of_its_window(pool, expected):
    config = CnnConfig(layers=(ConvLayer(conv=4), PoolLayer(pool=pool)))
    window = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]])

    assert config.build((8, 8, 3), 10).layers[1](window).tolist() == [[[[expected]]]]


@pytest.mark.parametrize(
    ("activation", "expected"),
    [
        ("relu", 0.0),
        ("leaky_relu", -0.02),
        ("elu", math.expm1(-2)),
        ("prelu", -0.5),
        ("gelu", -2 * (1 + math.erf(-2 / math.sqrt(2))) / 2),
        ("silu", -2 / (1 + math.exp(2))),
        ("tanh", math.tanh(-2)),
        ("sigmoid", 1 / (1 + math.exp(2))),
        ("identity", -2.0),
    ],
)
def test_an_activation_is_the_one_of_that_name(activation, expected):
    config = CnnConfig(layers=(ConvLayer(conv=4),), activation=activation)
    layer = config.build((8, 8, 3), 10).layers[0].activation

    assert layer(torch.tensor([[[[-2.0]]]])).item() == pytest.approx(expected, abs=1e-6)


def test_global_average_pooling_is_pytorchs_adaptive_one():
    model = CnnConfig(layers=(ConvLayer(conv=4),)).build((5, 7, 3), 2)
    features = torch.randn(3, 4, 5, 7)

    expected = nn.AdaptiveAvgPool2d(1)(features).flatten(1)
    torch.testing.assert_close(model.pool(features), expected)


def test_dropout_zeroes_inputs_of_the_linear_layer_in_training_alone():
    model = CnnConfig(layers=(ConvLayer(conv=4),), dropout=0.5).build((5, 7, 3), 2)
    features = torch.ones(1, 1000)

    assert (model.dropout(features) == 0).float().mean().item() == pytest.approx(0.5, abs=0.1)
    assert torch.equal(model.eval().dropout(features), features)


@pytest.mark.parametrize("placement", ["before_activation", "after_activation"])
def test_networks_with_and_without_norm_start_from_the_same_weights(placement):
    def build(norm):
        model = CnnConfig(norm=norm, placement=placement).build((32, 32, 3), 10)
        initialize(model, seed=3)
        return dict(model.named_parameters())

    with_norm, without = build(BATCH), build(NONE)
    shared = with_norm.keys() & without.keys()
    weights = {name for name in without if name.endswith("weight")}
    assert weights <= shared
    assert all(torch.equal(with_norm[name], without[name]) for name in shared)


def test_another_seed_gives_other_weights_and_the_same_seed_the_same():
    def first_weight(seed):
        model = CnnConfig().build((32, 32, 3), 10)
        initialize(model, seed)
        return model.layers[0].conv.weight.detach().clone()

    assert torch.equal(first_weight(1), first_weight(1))
    assert not torch.equal(first_weight(1), first_weight(2))


def test_initial_weights_have_the_standard_deviation_of_he():
    model = CnnConfig(layers=(ConvLayer(conv=256), ConvLayer(conv=256))).build((8, 8, 3), 100)
    initialize(model, seed=0)

    weight = model.layers[1].conv.weight
    assert weight.std().item() == pytest.approx((2 / (9 * 256)) ** 0.5, rel=0.01)
    assert model.linear.weight.std().item() == pytest.approx((1 / 256) ** 0.5, rel=0.02)
    assert not model.linear.bias.any()


STRIDED = (ConvLayer(conv=4, stride=2), ConvLayer(conv=6), PoolLayer(pool="max"), ConvLayer(conv=5))


@pytest.mark.parametrize("repeat", [1, 2, 4])
def test_repeats_deepen_the_network_and_keep_every_size(repeat):
    config = CnnConfig(layers=STRIDED, repeat=repeat)
    rows = [[layer, *[layer.model_copy(update={"stride": 1})] * (repeat - 1)] for layer in STRIDED]
    written_out = [
        layer for row in rows for layer in (row if isinstance(row[0], ConvLayer) else row[:1])
    ]
    repeated = config.build((16, 16, 3), 10)
    expected = CnnConfig(layers=tuple(written_out)).build((16, 16, 3), 10)

    assert sum(isinstance(module, nn.Conv2d) for module in repeated.modules()) == 3 * repeat
    assert [str(part) for part in repeated.modules() if not [*part.children()]] == [
        str(part) for part in expected.modules() if not [*part.children()]
    ]
    shapes = [site.shape for site in config.norm_sites((16, 16, 3))]
    assert shapes == [
        (c, size, size) for c, size in ((4, 8), (6, 8), (5, 4)) for _ in range(repeat)
    ]
    assert {site.path for site in config.norm_sites((16, 16, 3))} == {
        ("layers", 0), ("layers", 1), ("layers", 3)
    }  # fmt: skip


def test_the_first_of_a_row_starts_with_the_weights_that_the_layer_has_alone():
    shallow, deep = (
        CnnConfig(layers=(ConvLayer(conv=4), ConvLayer(conv=4)), repeat=n).build((8, 8, 3), 10)
        for n in (1, 3)
    )
    initialize(shallow, seed=1)
    initialize(deep, seed=1)

    weights, others = shallow.state_dict(), deep.state_dict()
    # The second layer has 4 input channels at either depth, and the first has the image's.
    assert all(torch.equal(weights[name], others[name]) for name in weights)
    assert "layers.0_3.conv.weight" in others
    assert not torch.equal(others["layers.0_2.conv.weight"], others["layers.0_3.conv.weight"])


@pytest.mark.parametrize("repeat", [0, 257])
def test_impossible_numbers_of_copies_are_refused(repeat):
    with pytest.raises(ValidationError):
        CnnConfig(repeat=repeat)
