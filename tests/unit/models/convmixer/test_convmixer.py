"""ConvMixer is the paper's: its size by the paper's formula, and its layers."""

import pytest
import torch
from pydantic import ValidationError
from torch import nn

from bnexp.config.checks import check_experiment
from bnexp.config.experiment import ExperimentConfig
from bnexp.models import ImpossibleModelError
from bnexp.models.convmixer.config import ConvMixerConfig
from bnexp.norms.none.config import NoNormConfig


def build(num_classes=10, **fields):
    return ConvMixerConfig(**{"width": 8, "depth": 2, **fields}).build((32, 32, 3), num_classes)


def count_by_formula(h, d, k, p, num_classes=10, c_in=3):
    """The formula in the paper's appendix, in its own letters."""
    return h * (d * (k**2 + h + 6) + c_in * p**2 + num_classes + 3) + num_classes


@pytest.mark.parametrize(
    ("h", "d", "k", "p", "num_classes", "rounded"),
    [
        (256, 8, 5, 2, 10, "0.6M"),
        (256, 8, 9, 1, 10, "0.7M"),
        (768, 32, 7, 7, 1000, "21.1M"),
        (1536, 20, 9, 7, 1000, "51.6M"),
    ],
)
def test_the_parameters_are_those_of_the_papers_formula(h, d, k, p, num_classes, rounded):
    with torch.device("meta"):
        model = build(num_classes, width=h, depth=d, kernel_size=k, patch_size=p)
    parameters = sum(parameter.numel() for parameter in model.parameters())

    assert parameters == count_by_formula(h, d, k, p, num_classes)
    assert f"{parameters / 1e6:.1f}M" == rounded


class Residual(nn.Module):
    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, x):
        return self.inner(x) + x


def build_plain(h, d, k, p):
    """ConvMixer in plain PyTorch, after the listing in the paper's appendix."""

    def unit(conv):
        return nn.Sequential(conv, nn.GELU(), nn.BatchNorm2d(h))

    layers = []
    for _ in range(d):
        layers.append(Residual(unit(nn.Conv2d(h, h, k, groups=h, padding="same"))))
        layers.append(unit(nn.Conv2d(h, h, 1)))
    head = (nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(h, 10))
    return nn.Sequential(unit(nn.Conv2d(3, h, p, stride=p)), *layers, *head)


def test_the_network_computes_what_the_papers_listing_does():
    ours, plain = build(kernel_size=7, patch_size=3), build_plain(8, 2, 7, 3)
    state, values = plain.state_dict(), ours.state_dict().values()
    plain.load_state_dict(dict(zip(state, values, strict=True)))
    inputs = torch.randn(4, 3, 32, 32)

    torch.testing.assert_close(ours(inputs), plain(inputs))
    torch.testing.assert_close(ours.eval()(inputs), plain.eval()(inputs))


def test_convolutions_keep_their_biases_unless_a_norm_follows_at_once():
    def biases(**fields):
        layers = build(**fields).modules()
        return {layer.bias is not None for layer in layers if isinstance(layer, nn.Conv2d)}

    assert biases() == {True}
    assert biases(placement="before_activation") == {False}
    assert biases(placement="before_activation", norm=NoNormConfig()) == {True}


def test_a_border_that_fills_no_patch_is_left_out():
    sites = ConvMixerConfig(width=8, depth=1, patch_size=5).norm_sites((33, 31, 3))

    assert {site.shape for site in sites} == {(8, 6, 6)}


def test_images_smaller_than_a_patch_are_impossible():
    with pytest.raises(ImpossibleModelError, match="is more than the images' 4×8 pixels") as caught:
        ConvMixerConfig(patch_size=5).plan((8, 4, 3))
    assert caught.value.path == ("patch_size",)


def test_an_even_kernel_is_refused():
    with pytest.raises(ValidationError, match="must be odd"):
        ConvMixerConfig(kernel_size=4)


def test_instance_norm_behind_the_activation_is_an_error():
    # The paper's place for the norm is right before the mean over space.
    model = {"name": "convmixer", "norm": "instance"}
    config = {"name": "x", "data": {"name": "cifar10"}, "model": model}

    findings = check_experiment(ExperimentConfig.model_validate(config))
    (error,) = (finding for finding in findings if finding.is_error)
    assert error.path == ("model", "norm")
    assert error.reason.endswith("set model.placement: before_activation, or use another norm")
