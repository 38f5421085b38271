"""The table of a network says what the network is."""

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from bnexp.models.cnn.config import CnnConfig, ConvLayer, PoolLayer
from bnexp.models.mlp.config import MlpConfig
from bnexp.models.resnet.config import ResNetConfig
from bnexp.models.summary import LayerSummary, summarize_network
from bnexp.models.torchvision.config import TorchvisionConfig
from bnexp.models.vgg.config import VggConfig
from bnexp.norms import NORMS
from bnexp.norms.batch.config import BatchNormConfig
from bnexp.norms.group.config import GroupNormConfig
from bnexp.norms.none.config import NoNormConfig
from bnexp.parts import part_name

IMAGES = (32, 32, 3)


def summarize(config, image_shape=IMAGES):
    sites = config.find_norm_sites(image_shape, 10)
    return summarize_network(config.build(image_shape, 10), sites, image_shape)


def test_each_layer_stands_in_the_order_in_which_an_image_passes():
    config = CnnConfig(layers=(ConvLayer(conv=4), PoolLayer(pool="max")))

    assert summarize(config, (8, 8, 3)).layers == (
        LayerSummary("layers.0.conv", "Conv2d", (4, 8, 8), 108, 2 * 27 * 256, has_bias=False),
        LayerSummary("layers.0.norm", "BatchNorm2d", (4, 8, 8), 8, 0, is_norm=True),
        LayerSummary("layers.0.activation", "ReLU", (4, 8, 8), 0, 0),
        LayerSummary("layers.1", "MaxPool2d", (4, 4, 4), 0, 0),
        LayerSummary("pool", "GlobalAveragePool", (4,), 0, 0),
        LayerSummary("linear", "Linear", (10,), 50, 80, has_bias=True),
    )


@pytest.mark.parametrize(
    "config",
    [
        CnnConfig(norm=NoNormConfig()),
        MlpConfig(),
        VggConfig(depth="small"),
        ResNetConfig(),
        ResNetConfig(norm=NoNormConfig(), residual="fixup", order="full_preactivation"),
        TorchvisionConfig(),
    ],
    ids=lambda config: f"{config.name}-{config.norm.name}",
)
def test_the_layers_add_up_to_the_network(config):
    summary = summarize(config)
    network = config.build(IMAGES, 10)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network.eval()(torch.zeros(1, 3, 32, 32))

    assert summary.flops == counter.get_total_flops()
    assert summary.parameters == sum(value.numel() for value in network.parameters())
    assert sum(layer.parameters for layer in summary.layers) == summary.parameters


def test_resnet20_takes_the_41_million_multiply_adds_that_are_published():
    assert summarize(ResNetConfig()).flops / 2 == pytest.approx(40.8e6, rel=0.01)


@pytest.mark.parametrize("norm", NORMS, ids=part_name)
@pytest.mark.parametrize("model", [CnnConfig, MlpConfig, ResNetConfig])
def test_every_norm_is_found_as_one_layer(model, norm):
    shape = {"num_groups": 4} if "num_groups" in norm.model_fields else {}
    config = model(norm=norm(**shape))
    sites = config.find_norm_sites(IMAGES, 10)
    usable = [site for site in sites if site.norm.find_problem(site.shape, 8) is None]
    if usable != sites:
        pytest.skip(f"{norm.__name__} is impossible in {model.__name__}")

    layers = [layer for layer in summarize(config).layers if layer.is_norm]
    assert [layer.output_shape[0] for layer in layers] == [site.shape[0] for site in sites]


def test_the_parameters_of_norms_and_the_biases_left_out_are_told():
    summary = summarize(ResNetConfig(depth=8))

    assert summary.norm_parameters == 2 * (16 * 3 + 32 * 2 + 64 * 2)
    assert len(summary.biases_left_out) == 7
    assert summary.biases_left_out[0] == "stem.conv1"


def test_a_layer_that_is_passed_twice_has_two_rows_and_counts_once():
    shared = nn.Linear(4, 4)
    network = nn.Sequential(nn.Flatten(), shared, shared)

    summary = summarize_network(network, [], (1, 1, 4))
    rows = [(layer.parameters, layer.flops) for layer in summary.layers if layer.kind == "Linear"]
    assert rows == [(20, 32), (0, 32)]
    assert summary.parameters == 20


def test_the_mode_of_the_network_and_its_buffers_are_left_as_they_were():
    config = CnnConfig(norm=BatchNormConfig())
    network = config.build(IMAGES, 10)
    before = {name: value.clone() for name, value in network.state_dict().items()}

    summarize_network(network, config.norm_sites(IMAGES), IMAGES)

    assert network.training
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert not any(module._forward_hooks for module in network.modules())


def test_norms_that_differ_by_layer_are_all_found():
    layers = (ConvLayer(conv=4, norm=GroupNormConfig(num_groups=2)), ConvLayer(conv=4))

    summary = summarize(CnnConfig(layers=layers), (8, 8, 3))
    assert [layer.name for layer in summary.layers if layer.is_norm] == [
        "layers.0.norm",
        "layers.1.norm",
    ]
