"""Networks of timm take our norms; a stand-in for timm serves where it is not installed."""

import sys
from types import ModuleType

import pytest
import torch
from torch import nn

from bnexp.models import ImpossibleModelError
from bnexp.models.timm.config import TimmConfig
from bnexp.norms.batch.config import BatchNormConfig
from bnexp.norms.none.config import NoNormConfig

SMALL = (32, 32, 3)


class BatchNormAct2d(nn.BatchNorm2d):
    """A norm with its activation, as timm has them."""


def make_tiny(in_chans=3, num_classes=1000, norm_layer=nn.BatchNorm2d):
    # timm passes these two on to every layer.
    norm = norm_layer(4, device=None, dtype=None)
    return nn.Sequential(
        nn.Conv2d(in_chans, 4, 3), norm, nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        nn.Linear(4, num_classes),
    )  # fmt: skip


def make_fused(**fields):
    return make_tiny(**{"norm_layer": BatchNormAct2d, **fields})


def make_normless(in_chans=3, num_classes=1000):
    return nn.Sequential(nn.Flatten(), nn.Linear(in_chans, num_classes))


@pytest.fixture
def stand_in(monkeypatch):
    """Puts a tiny timm in place and returns what it was asked for."""
    asked = []
    entries = {"tiny": make_tiny, "fused": make_fused, "normless": make_normless}

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


@pytest.mark.parametrize(
    ("architecture", "reason"),
    [
        ("tinny", r"timm has no 'tinny' \(did you mean 'tiny'\?\)"),
        ("zzz", r"timm has no 'zzz'; see timm.list_models\(\)"),
        ("normless", "'normless' takes no norm_layer, so its norm cannot be chosen"),
        ("fused", "the norms of 'fused' carry its activations"),
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
