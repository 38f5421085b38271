"""The multilayer perceptron has the layers and the parameters that its config says."""

import pytest
import torch
from torch import nn

from bnexp.models.mlp.config import MlpConfig
from bnexp.norms.batch.config import BatchNormConfig
from bnexp.norms.none.config import NoNormConfig

BATCH, NONE = BatchNormConfig(), NoNormConfig()


def count_parameters(model):
    return sum(parameter.numel() for parameter in model.parameters())


def test_the_mlp_with_batch_norm_has_270346_parameters():
    # 784-256-256-10: each linear layer with its bias, then γ and β of both hidden layers.
    model = MlpConfig().build((28, 28, 1), 10)

    linear = (784 + 1) * 256 + (256 + 1) * 256 + (256 + 1) * 10
    assert count_parameters(model) == linear + 2 * (2 * 256) == 270_346
    assert model(torch.zeros(3, 1, 28, 28)).shape == (3, 10)


@pytest.mark.parametrize(
    ("placement", "expected"),
    [
        ("before_activation", [nn.Linear, nn.BatchNorm1d, nn.ReLU]),
        ("after_activation", [nn.Linear, nn.ReLU, nn.BatchNorm1d]),
    ],
)
def test_each_hidden_layer_has_its_norm_where_the_placement_says(placement, expected):
    model = MlpConfig(hidden=(5, 6, 7), placement=placement).build((4, 4, 3), 2)

    layers = [[type(part) for part in layer if not isinstance(part, nn.Identity)]
              for layer in model.layers]  # fmt: skip
    assert layers == [expected] * 3
    assert [layer.linear.out_features for layer in model.layers] == [5, 6, 7]
    assert type(model.linear) is nn.Linear


@pytest.mark.parametrize(
    ("bias", "norm", "placement", "has_bias"),
    [
        (True, BATCH, "before_activation", True),
        (False, BATCH, "before_activation", False),
        (False, BATCH, "after_activation", True),
        (False, NONE, "before_activation", True),
    ],
)
def test_a_bias_is_left_out_only_on_request_and_where_a_norm_follows(
    bias, norm, placement, has_bias
):
    model = MlpConfig(bias=bias, norm=norm, placement=placement).build((4, 4, 3), 2)

    assert [layer.linear.bias is not None for layer in model.layers] == [has_bias] * 2
    assert model.linear.bias is not None


def test_dropout_follows_every_hidden_layer():
    model = MlpConfig(dropout=0.25).build((4, 4, 3), 2)

    assert [type(layer[-1]) for layer in model.layers] == [nn.Dropout] * 2
    assert model.layers[0].dropout.p == 0.25


def test_norm_sites_see_features_without_space():
    sites = MlpConfig(hidden=(5, 6)).norm_sites((4, 4, 3))

    assert [site.shape for site in sites] == [(5, 1, 1), (6, 1, 1)]
    assert MlpConfig(norm=NONE).norm_sites((4, 4, 3)) == []


def test_the_memory_format_of_the_images_changes_nothing():
    model = MlpConfig().build((4, 4, 3), 2).eval()
    images = torch.randn(3, 3, 4, 4)

    assert torch.equal(model(images), model(images.to(memory_format=torch.channels_last)))
