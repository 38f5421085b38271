"""The densely connected network is the paper's: its size, its layers, its transitions."""

import pytest
import torch
from pydantic import ValidationError
from torch import nn
from torch.nn import functional
from torchvision.models import DenseNet

from bnexp.config.checks import check_experiment
from bnexp.config.experiment import ExperimentConfig
from bnexp.models import ImpossibleModelError
from bnexp.models.densenet.config import DenseNetConfig
from bnexp.norms.none.config import NoNormConfig

BC = {"bottleneck": True, "compression": 0.5}


def build(**fields):
    return DenseNetConfig(**{"depth": 10, "growth_rate": 4, **fields}).build((32, 32, 3), 10)


def count_by_hand(depth, k, bottleneck=False, compression=1.0, num_classes=10):
    """Weights of the convolutions, γ and β before each but the first, and the linear layer."""
    channels = 2 * k if bottleneck and compression < 1 else 16
    total = 27 * channels
    for block in range(3):
        for _ in range((depth - 4) // (6 if bottleneck else 3)):
            inner = 4 * k if bottleneck else channels
            if bottleneck:
                total += 2 * channels + channels * inner
            total += 2 * inner + 9 * inner * k
            channels += k
        if block < 2:
            kept = int(compression * channels)
            total += 2 * channels + channels * kept
            channels = kept
    return total + 2 * channels + (channels + 1) * num_classes


@pytest.mark.parametrize(
    ("depth", "growth_rate", "options", "published"),
    [
        (40, 12, {}, "1.0M"),
        (100, 12, {}, "7.0M"),
        (100, 24, {}, "27.2M"),
        (100, 12, BC, "0.8M"),
        (250, 24, BC, "15.3M"),
        (190, 40, BC, "25.6M"),
    ],
)
def test_the_parameters_are_as_many_as_in_the_paper(depth, growth_rate, options, published):
    with torch.device("meta"):
        model = build(depth=depth, growth_rate=growth_rate, **options)
    parameters = sum(parameter.numel() for parameter in model.parameters())

    assert parameters == count_by_hand(depth, growth_rate, **options)
    assert f"{parameters / 1e6:.1f}M" == published


def test_densenet_bc_is_torchvisions_behind_another_stem():
    ours = build(depth=16, **BC)
    theirs = DenseNet(growth_rate=4, block_config=(2, 2, 2), num_init_features=8, num_classes=10)
    theirs.features.conv0 = nn.Conv2d(3, 8, 3, padding=1, bias=False)
    for name in ("norm0", "relu0", "pool0"):
        theirs.features.set_submodule(name, nn.Identity())
    state, values = theirs.state_dict(), ours.state_dict().values()
    theirs.load_state_dict(dict(zip(state, values, strict=True)))
    inputs = torch.randn(4, 3, 32, 32)

    torch.testing.assert_close(ours(inputs), theirs(inputs))
    torch.testing.assert_close(ours.eval()(inputs), theirs.eval()(inputs))


def norm(inputs):
    return functional.batch_norm(inputs, None, None, training=True)


@pytest.mark.parametrize("placement", ["before_activation", "after_activation"])
def test_a_layer_appends_what_it_computes_to_all_that_it_sees(placement):
    layer = build(placement=placement).blocks[0][1]
    inputs = torch.randn(3, 20, 8, 8)

    is_before = placement == "before_activation"
    seen = functional.relu(norm(inputs)) if is_before else norm(functional.relu(inputs))
    outputs = layer(inputs)
    assert outputs.shape == (3, 24, 8, 8)
    assert torch.equal(outputs[:, :20], inputs)
    torch.testing.assert_close(outputs[:, 20:], layer.branch.conv(seen))


def test_only_norms_that_come_at_once_take_the_place_of_biases():
    def biases(**fields):
        layers = build(**fields).modules()
        return {layer.bias is not None for layer in layers if isinstance(layer, nn.Conv2d)}

    assert biases() == {False}
    assert biases(placement="after_activation") == {True}
    assert biases(norm=NoNormConfig()) == {True}


def test_a_transition_halves_the_image_and_compresses_the_channels():
    blocks = build(compression=0.7).blocks
    features, sizes = torch.zeros(2, 16, 33, 32), []
    for block in blocks:
        features = block(features)
        sizes.append(tuple(features.shape[1:]))

    # 16 + 2·4 = 24, of which ⌊16.8⌋ are kept; 16 + 8 = 24 again.
    assert sizes == [(16, 16, 16), (16, 8, 8), (24, 8, 8)]


@pytest.mark.parametrize(("options", "convolutions"), [({}, 9), ({"depth": 16, **BC}, 15)])
def test_dropout_follows_every_convolution_but_the_first(options, convolutions):
    model = build(dropout=0.2, **options)

    kinds = [
        type(module) for module in model.modules() if isinstance(module, nn.Conv2d | nn.Dropout)
    ]
    assert kinds == [nn.Conv2d, *[nn.Conv2d, nn.Dropout] * (convolutions - 1)]
    assert model.state_dict().keys() == build(**options).state_dict().keys()


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"depth": 41}, r"must be 3n\+4, e.g. 22, 40 and 100; the nearest are 40 and 43"),
        ({"depth": 43, "bottleneck": True}, r"must be 6n\+4, .*; the nearest are 40 and 46"),
        ({"depth": 7, "bottleneck": True}, "the nearest is 10"),
        ({"compression": 0.0}, "greater than 0"),
    ],
)
def test_what_cannot_be_is_refused(fields, reason):
    with pytest.raises(ValidationError, match=reason):
        DenseNetConfig(**fields)


def test_images_that_cannot_be_halved_twice_are_impossible():
    with pytest.raises(ImpossibleModelError, match="3×8 pixels cannot be halved 2 times"):
        DenseNetConfig().plan((8, 3, 3))


def test_instance_norm_right_before_the_mean_is_an_error_that_names_no_head():
    model = {"name": "densenet", "norm": "instance", "placement": "after_activation"}
    config = {"name": "x", "data": {"name": "cifar10"}, "model": model}

    (error,) = (
        finding
        for finding in check_experiment(ExperimentConfig.model_validate(config))
        if finding.is_error
    )
    assert error.path == ("model", "norm")
    assert error.reason.endswith("set model.placement: before_activation, or use another norm")
