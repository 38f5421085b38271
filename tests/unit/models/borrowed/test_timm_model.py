"""Networks of timm take our norms; a stand-in for timm serves where it is not installed."""

import sys
from types import ModuleType

import pytest
import torch
from torch import nn

from bnexp.models import ImpossibleModelError
from bnexp.models.timm.config import TimmConfig
from bnexp.norms.batch.config import BatchNormConfig
from bnexp.norms.group.config import GroupNormConfig
from bnexp.norms.none.config import NoNormConfig

SMALL = (32, 32, 3)


class BatchNormAct2d(nn.BatchNorm2d):
    """A norm that drops and activates, as timm has them."""

    def __init__(self, num_features):
        super().__init__(num_features)
        self.drop = nn.Identity()
        self.act = nn.ReLU(inplace=True)

    def forward(self, inputs):
        return self.act(self.drop(super().forward(inputs)))


def make_tiny(in_chans=3, num_classes=1000, norm=nn.BatchNorm2d):
    return nn.Sequential(
        nn.Conv2d(in_chans, 4, 3), norm(4), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        nn.Linear(4, num_classes),
    )  # fmt: skip


def make_zero_gamma(**fields):
    network = make_tiny(**fields)
    nn.init.zeros_(network[1].weight)
    return network


def make_fused(**fields):
    return make_tiny(norm=BatchNormAct2d, **fields)


def make_strange(**fields):
    network = make_tiny(**fields)
    network[1].add_module("blur", nn.AvgPool2d(3))
    return network


def make_normless(in_chans=3, num_classes=1000):
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(in_chans, num_classes))


@pytest.fixture
def stand_in(monkeypatch):
    """Puts a tiny timm in place and returns what it was asked for."""
    asked = []
    entries = {
        "tiny": make_tiny,
        "zero_gamma": make_zero_gamma,
        "fused": make_fused,
        "strange": make_strange,
        "normless": make_normless,
    }

    def create_model(name, pretrained=False, **fields):
        asked.append((name, pretrained))
        return entries[name](**fields)

    timm = ModuleType("timm")
    timm.is_model = entries.__contains__
    timm.list_models = lambda: list(entries)
    timm.create_model = create_model
    monkeypatch.setitem(sys.modules, "timm", timm)
    return asked


def test_the_network_has_our_norm_and_no_trained_weights(stand_in):
    config = TimmConfig(architecture="tiny", norm=BatchNormConfig(eps=1e-3))

    model = config.build((32, 32, 1), 7)
    assert model[1].eps == 1e-3
    assert model(torch.zeros(2, 1, 32, 32)).shape == (2, 7)
    assert {pretrained for _, pretrained in stand_in} == {False}


def test_norm_sites_are_found_by_building(stand_in):
    config = TimmConfig(architecture="tiny")

    assert config.norm_sites(SMALL) == []
    assert [site.shape for site in config.find_norm_sites(SMALL, 7)] == [(4, 30, 30)]
    assert TimmConfig(architecture="tiny", norm=NoNormConfig()).find_norm_sites(SMALL, 7) == []


@pytest.mark.parametrize("norm", [BatchNormConfig(), GroupNormConfig(num_groups=2)])
def test_a_norm_starts_with_the_gamma_that_the_library_gives_it(stand_in, norm):
    zero, one = (
        TimmConfig(architecture=name, norm=norm).build(SMALL, 7)[1].weight
        for name in ("zero_gamma", "tiny")
    )

    assert zero.tolist() == [0] * 4
    assert one.tolist() == [1] * 4


def test_what_a_norm_does_besides_stays_behind_ours(stand_in):
    config = TimmConfig(architecture="fused", norm=GroupNormConfig(num_groups=2))
    model = config.build(SMALL, 7)

    kinds = {name: type(part) for name, part in model[1].named_children()}
    assert kinds == {"norm": type(config.norm.build(4)), "drop": nn.Identity, "act": nn.ReLU}
    images = torch.randn(2, 3, 32, 32)
    expected = nn.functional.group_norm(model[0](images), 2).relu()
    torch.testing.assert_close(model[:2](images), expected)


def test_without_norms_nothing_is_changed_in_place(stand_in):
    model = TimmConfig(architecture="fused", norm=NoNormConfig()).build(SMALL, 7)

    values = torch.tensor([-1.0])
    assert model[1](values).tolist() == [0]
    assert values.tolist() == [-1]


def test_a_network_without_norms_is_taken_as_such(stand_in):
    config = TimmConfig(architecture="normless", norm=NoNormConfig())

    assert config.find_norm_sites(SMALL, 7) == []
    assert config.build(SMALL, 7)(torch.zeros(2, 3, 32, 32)).shape == (2, 7)


@pytest.mark.parametrize(
    ("architecture", "reason"),
    [
        ("tinny", r"timm has no 'tinny' \(did you mean 'tiny'\?\)"),
        ("zzz", r"timm has no 'zzz'; see timm.list_models\(\)"),
        ("normless", "'normless' has no batch norm to replace; to train .*, set model.norm: none"),
        ("strange", "has a BatchNorm2d with a layer 'blur' in it, which would be lost"),
    ],
)
def test_what_cannot_be_is_told_with_its_key(stand_in, architecture, reason):
    with pytest.raises(ImpossibleModelError, match=reason) as caught:
        TimmConfig(architecture=architecture).find_norm_sites(SMALL, 7)

    assert caught.value.path == ("architecture",)


def test_without_timm_the_extra_to_install_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "timm", None)

    with pytest.raises(ImpossibleModelError, match=r"pip install 'bnexp\[timm\]'") as caught:
        TimmConfig().find_norm_sites(SMALL, 7)
    assert caught.value.path == ("name",)


def test_with_batch_norm_the_network_is_timms_own():
    timm = pytest.importorskip("timm", reason="timm is not installed: pip install 'bnexp[timm]'")
    ours = TimmConfig(architecture="resnet18").build(SMALL, 7)
    theirs = timm.create_model("resnet18", num_classes=7)

    theirs.load_state_dict(ours.state_dict())
    images = torch.randn(2, 3, 32, 32)
    assert torch.equal(ours.eval()(images), theirs.eval()(images))
    assert len(TimmConfig(architecture="resnet18").find_norm_sites(SMALL, 7)) == 20
