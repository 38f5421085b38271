"""VGG has the convolutions of the paper's table, on the blocks of the plain CNN."""

import pytest
import torch
from torch import nn
from torchvision import models

from bnexp.config.checks import check_experiment
from bnexp.config.experiment import ExperimentConfig
from bnexp.models import ImpossibleModelError
from bnexp.models.cnn.config import CnnConfig
from bnexp.models.vgg.config import VggConfig
from bnexp.norms.none.config import NoNormConfig


def convolutions_of(model):
    return [tuple(m.weight.shape) for m in model.modules() if isinstance(m, nn.Conv2d)]


@pytest.mark.parametrize("depth", [11, 13, 16, 19])
def test_the_convolutions_are_those_of_torchvisions_vgg(depth):
    theirs = getattr(models, f"vgg{depth}")(weights=None, init_weights=False).features

    assert convolutions_of(VggConfig(depth=depth).build((32, 32, 3), 10)) == convolutions_of(theirs)


@pytest.mark.parametrize("depth", [11, 13, 16, 19])
def test_the_parameters_are_those_of_the_closed_form(depth):
    model = VggConfig(depth=depth).build((32, 32, 3), 10)

    shapes = convolutions_of(model)
    weights = sum(out * inner * 9 for out, inner, _, _ in shapes)
    norms = sum(2 * out for out, *_ in shapes)
    assert sum(p.numel() for p in model.parameters()) == weights + norms + 512 * 10 + 10


def test_the_small_one_of_width_16_is_the_default_cnn():
    small = VggConfig(depth="small", width=16).build((32, 32, 3), 10)
    cnn = CnnConfig().build((32, 32, 3), 10)

    shapes = [{name: value.shape for name, value in m.state_dict().items()} for m in (small, cnn)]
    assert shapes[0] == shapes[1]
    small.load_state_dict(cnn.state_dict())
    images = torch.randn(2, 3, 32, 32)
    assert torch.equal(small.eval()(images), cnn.eval()(images))


def test_five_poolings_leave_one_pixel_of_32():
    model = VggConfig(depth=11, width=2, head="flatten").build((32, 32, 3), 10)

    assert model.layers(torch.zeros(2, 3, 32, 32)).shape == (2, 16, 1, 1)


def test_images_too_small_for_five_poolings_are_impossible_with_a_mend():
    with pytest.raises(ImpossibleModelError) as caught:
        VggConfig(depth=13).build((28, 28, 3), 10)

    assert caught.value.path == ("depth",)
    assert str(caught.value) == (
        "28×28 pixels cannot be halved 5 times; use depth: small, which halves 3 times"
    )


def test_a_batch_of_one_fits_a_group_norm_that_sees_more_than_one_pixel():
    # The last stage of VGG-11 normalizes 2×2 pixels, before its pooling.
    sites = VggConfig(depth=11).norm_sites((32, 32, 3))

    assert sites[-1].shape == (512, 2, 2)
    assert {site.path for site in sites} == {("norm",)}
    data = {"name": "shapes", "batch_size": 1, "train_size": 100, "val_size": 0}
    model = {"name": "vgg", "depth": 11, "norm": "group"}
    config = {"name": "x", "data": data, "model": model}
    findings = check_experiment(ExperimentConfig.model_validate(config))
    assert [finding for finding in findings if finding.is_error] == []

    config["model"] = {**model, "norm": "batch"}
    (finding,) = check_experiment(ExperimentConfig.model_validate(config))
    assert (finding.path, finding.is_error) == (("data", "batch_size"), True)


def test_without_a_norm_there_are_no_sites():
    assert VggConfig(norm=NoNormConfig()).norm_sites((32, 32, 3)) == []
