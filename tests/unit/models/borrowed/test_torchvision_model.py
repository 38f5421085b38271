"""Networks of torchvision take our norms, and what cannot is told before training."""

import sys

import pytest
import torch
from torch import nn
from torchvision import models

from bnexp.config.experiment import ExperimentConfig
from bnexp.data.shapes.config import ShapesConfig
from bnexp.errors import UsageError
from bnexp.models import ImpossibleModelError
from bnexp.models.borrowed.own import OwnNormsConfig
from bnexp.models.torchvision.config import TorchvisionConfig
from bnexp.norms.batch.config import BatchNormConfig
from bnexp.norms.group.config import GroupNormConfig
from bnexp.norms.none.config import NoNormConfig
from bnexp.training.setup import check_against_dataset

SMALL = (32, 32, 3)


def test_with_batch_norm_the_network_is_torchvisions_own():
    ours = TorchvisionConfig(architecture="resnet18").build(SMALL, 7)
    theirs = models.resnet18(weights=None, num_classes=7)

    theirs.load_state_dict(ours.state_dict())
    images = torch.randn(2, 3, 32, 32)
    assert torch.equal(ours.eval()(images), theirs.eval()(images))


def test_every_norm_of_the_network_is_the_configs():
    config = TorchvisionConfig(norm=GroupNormConfig(num_groups=8))
    kind = type(config.norm.build(64))

    norms = [module for module in config.build(SMALL, 7).modules() if type(module) is kind]
    assert len(norms) == 20
    assert not any(isinstance(m, nn.BatchNorm2d) for m in config.build(SMALL, 7).modules())


def test_the_cifar_stem_keeps_the_size_of_the_image():
    model = TorchvisionConfig(cifar_stem=True).build(SMALL, 10)

    # torchvision's page gives ResNet-18 11,689,512 for a thousand classes and a stem of 7×7.
    expected = 11_689_512 - 990 * (512 + 1) - 64 * 3 * (49 - 9)
    assert sum(p.numel() for p in model.parameters()) == expected == 11_173_962
    assert model.conv1.weight.shape == (64, 3, 3, 3)
    assert model.maxpool(model.conv1(torch.zeros(1, 3, 32, 32))).shape == (1, 64, 32, 32)


@pytest.mark.parametrize(("stem", "first", "last"), [(True, 32, 4), (False, 16, 1)])
def test_norm_sites_are_found_by_building_alone(stem, first, last):
    config = TorchvisionConfig(cifar_stem=stem)

    assert config.norm_sites(SMALL) == []
    shapes = [site.shape for site in config.find_norm_sites(SMALL, 10)]
    assert len(shapes) == 20
    assert shapes[0] == (64, first, first)
    assert shapes[-1] == (512, last, last)
    without = config.model_copy(update={"norm": NoNormConfig()})
    assert without.find_norm_sites(SMALL, 10) == []


@pytest.mark.parametrize(
    ("architecture", "count"),
    [
        ("densenet121", 121),
        ("mnasnet0_5", 52),
        ("mobilenet_v3_small", 34),
        ("shufflenet_v2_x0_5", 56),
        ("vgg11_bn", 8),
    ],
)
def test_every_family_takes_our_norms(architecture, count):
    config = TorchvisionConfig(architecture=architecture, norm=GroupNormConfig(num_groups=2))
    kind = type(config.norm.build(8))

    with torch.device("meta"):  # their values do not matter
        theirs, ours = models.get_model(architecture), config.build(SMALL, 1000)
    assert [name for name, _ in ours.named_parameters()] == [
        name for name, _ in theirs.named_parameters()
    ]
    assert not any(isinstance(module, nn.BatchNorm2d) for module in ours.modules())
    assert sum(type(module) is kind for module in ours.modules()) == count


@pytest.mark.parametrize("architecture", ["googlenet", "regnet_x_400mf"])
def test_norm_sites_of_other_families_are_found(architecture):
    config = TorchvisionConfig(architecture=architecture)

    norms = [m for m in config.build(SMALL, 4).modules() if isinstance(m, nn.BatchNorm2d)]
    assert len(config.find_norm_sites(SMALL, 4)) == len(norms)


def test_a_network_can_keep_its_own_norms():
    own = TorchvisionConfig(architecture="shufflenet_v2_x0_5", norm=OwnNormsConfig())
    batch = own.model_copy(update={"norm": BatchNormConfig()})

    for one, other in zip(
        own.build(SMALL, 4).modules(), batch.build(SMALL, 4).modules(), strict=True
    ):
        assert type(one) is type(other)
    shapes, expected = (
        [(site.norm, site.shape) for site in config.find_norm_sites(SMALL, 4)]
        for config in (own, batch)
    )
    assert shapes == expected


@pytest.mark.parametrize(
    ("fields", "path", "reason"),
    [
        ({"architecture": "resnet81"}, "architecture", r"no 'resnet81' \(did you mean 'resnet18'"),
        ({"architecture": "?"}, "architecture", "torchvision has no '[?]'; it has alexnet, "),
        (
            {"architecture": "squeezenet1_0"},
            "architecture",
            "'squeezenet1_0' has no batch norm to replace; to train .* set model.norm: none",
        ),
        (
            {"architecture": "convnext_tiny", "norm": NoNormConfig()},
            "architecture",
            r"'convnext_tiny' has no batch norm to replace \(it has LayerNorm2d, LayerNorm\); to "
            "train it as it is, set model.norm: own",
        ),
        (
            {"architecture": "vit_b_16", "norm": OwnNormsConfig()},
            "architecture",
            "'vit_b_16' does not fit images of 32×32 pixels and 3 channels",
        ),
        (
            {"architecture": "mobilenet_v2", "cifar_stem": True},
            "cifar_stem",
            "only ResNets have the convolution and max-pooling that it replaces",
        ),
    ],
)
def test_what_cannot_be_is_told_with_its_key(fields, path, reason):
    with pytest.raises(ImpossibleModelError, match=reason) as caught:
        TorchvisionConfig(**fields).find_norm_sites(SMALL, 10)

    assert caught.value.path == (path,)


def check(model, **data):
    config = {"name": "x", "data": {"name": "shapes", **data}, "model": model}
    dataset = ShapesConfig().load(lambda _: None)
    check_against_dataset(ExperimentConfig.model_validate(config), dataset)


def test_a_wrong_architecture_is_a_config_problem_before_training():
    with pytest.raises(UsageError, match=r"^model.architecture: torchvision has no 'resnet81'"):
        check({"name": "torchvision", "architecture": "resnet81"})


def test_norms_that_cannot_work_are_found_once_the_network_is_built():
    model = {"name": "torchvision", "norm": {"name": "group", "num_groups": 48}}

    with pytest.raises(UsageError, match=r"^model.norm: .*48"):
        check(model)


def test_a_batch_of_one_at_one_pixel_is_found_once_the_network_is_built():
    # ImageNet's stem leaves 1×1 of 32×32 pixels in the last stage.
    with pytest.raises(UsageError, match=r"^model.norm: .* one value per channel"):
        check({"name": "torchvision"}, batch_size=1, train_size=100, val_size=0)
    # With more pixels, one image has a variance, but a poor one.
    with pytest.raises(UsageError, match=r"^data.batch_size: batch norm cannot normalize a batch"):
        check({"name": "torchvision", "cifar_stem": True}, batch_size=1, train_size=100, val_size=0)


def test_a_torchvision_that_does_not_match_torch_is_told_in_one_line(tmp_path, monkeypatch):
    (tmp_path / "torchvision").mkdir()
    (tmp_path / "torchvision/__init__.py").write_text(
        'raise RuntimeError("operator torchvision::nms does not exist\\nmore")'
    )
    for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.syspath_prepend(tmp_path)
    versions = {"torch": "2.13.0+cpu", "torchvision": "0.28.0+cu130"}
    monkeypatch.setattr("bnexp.models.torchvision.config.version", versions.__getitem__)

    with pytest.raises(UsageError) as caught:
        check({"name": "torchvision"})

    assert str(caught.value) == (
        "model.name: torchvision 0.28.0+cu130 does not work with torch 2.13.0+cpu "
        "(operator torchvision::nms does not exist): reinstall the two together, e.g. with "
        "`pip install --upgrade --force-reinstall torch torchvision`, both from one package index"
    )


def test_the_norm_is_the_configs_in_a_resnet_with_batch_norm_options():
    config = TorchvisionConfig(norm=BatchNormConfig(momentum=0.5, eps=1e-3))

    norms = [m for m in config.build(SMALL, 7).modules() if isinstance(m, nn.BatchNorm2d)]
    assert {(norm.momentum, norm.eps) for norm in norms} == {(0.5, 1e-3)}
