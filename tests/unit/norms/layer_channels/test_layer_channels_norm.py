"""Layer norm over the channels of each pixel against PyTorch's and ConvNeXt's."""

import pytest
import torch
from torch import nn
from torchvision.models.convnext import LayerNorm2d

from bnexp.norms.layer.config import LayerNormConfig
from bnexp.norms.layer_channels.config import LayerChannelsNormConfig

C = 12


def make_inputs(*size):
    torch.manual_seed(0)
    return torch.randn(5, C, *size) * 3 + 2


def randomize(layer):
    torch.manual_seed(1)
    layer.weight.data, layer.bias.data = torch.rand(C), torch.randn(C)
    return layer


@pytest.mark.parametrize("eps", [1e-6, 0.5])
@pytest.mark.parametrize(
    "memory_format", [torch.contiguous_format, torch.channels_last], ids=["first", "last"]
)
def test_it_is_pytorchs_layer_norm_of_each_pixel(memory_format, eps):
    layer = randomize(LayerChannelsNormConfig(eps=eps).build(C))
    inputs = make_inputs(4, 3).contiguous(memory_format=memory_format)

    pixels = nn.functional.layer_norm(
        inputs.permute(0, 2, 3, 1), (C,), layer.weight, layer.bias, eps
    )
    torch.testing.assert_close(layer(inputs), pixels.permute(0, 3, 1, 2))


def test_it_is_the_layer_of_torchvisions_convnext_with_its_eps():
    ours, torchvisions = LayerChannelsNormConfig().build(C), LayerNorm2d(C, eps=1e-6)
    torchvisions.load_state_dict(randomize(ours).state_dict())

    torch.testing.assert_close(ours(make_inputs(4, 3)), torchvisions(make_inputs(4, 3)))


def test_each_pixel_is_normalized_by_itself_unlike_in_layer_norm():
    inputs = make_inputs(4, 3)
    changed = inputs.clone()
    changed[:, :, 0, 0] *= 10
    alone = LayerChannelsNormConfig().build(C)

    torch.testing.assert_close(alone(changed)[:, :, 1:], alone(inputs)[:, :, 1:])
    together = LayerNormConfig().build(C)
    assert not torch.allclose(together(changed)[:, :, 1:], together(inputs)[:, :, 1:], atol=0.1)


def test_over_features_it_is_layer_norm():
    ours, layer = LayerChannelsNormConfig(eps=1e-5).build(C, 1), LayerNormConfig().build(C, 1)

    torch.testing.assert_close(ours(make_inputs()), layer(make_inputs()))


def test_without_affine_it_learns_nothing():
    layer = LayerChannelsNormConfig(affine=False).build(C)

    assert not list(layer.parameters())
    expected = nn.functional.layer_norm(make_inputs(4, 3).movedim(1, -1), (C,)).movedim(-1, 1)
    torch.testing.assert_close(layer(make_inputs(4, 3)), expected, rtol=1e-4, atol=1e-4)


def test_one_channel_has_no_variance():
    config = LayerChannelsNormConfig()

    assert "one value per pixel (1 channel); use more" in config.find_problem((1, 8, 8), 8)
    assert config.find_problem((2, 1, 1), 1) is None
