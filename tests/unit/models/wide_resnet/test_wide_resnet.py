"""The wide residual network is the paper's: its sizes, its blocks, dropout between convolutions."""

import pytest
import torch
from pydantic import ValidationError
from torch import nn
from torch.nn import functional

from bnexp.models.layers import ZeroPaddedShortcut
from bnexp.models.wide_resnet.config import WideResNetConfig
from bnexp.norms.none.config import NoNormConfig


def build(**fields):
    return WideResNetConfig(**{"depth": 16, "widen_factor": 2, **fields}).build((32, 32, 3), 10)


def count_parameters(**fields):
    with torch.device("meta"):
        return sum(parameter.numel() for parameter in build(**fields).parameters())


def count_by_hand(depth, k, num_classes=10):
    """Stem, then per block two norms and convolutions, projections, last norm, linear layer."""
    n = (depth - 4) // 6
    total, seen = 27 * 16, 16
    for width in (16 * k, 32 * k, 64 * k):
        total += seen * width if seen != width else 0
        for _ in range(n):
            total += 2 * seen + 9 * seen * width + 2 * width + 9 * width * width
            seen = width
    return total + 2 * seen + (seen + 1) * num_classes


@pytest.mark.parametrize(
    ("depth", "widen_factor", "published"),
    [
        (40, 1, "0.6M"),
        (40, 4, "8.9M"),
        (16, 8, "11.0M"),
        (28, 10, "36.5M"),
    ],
)
def test_the_parameters_are_as_many_as_in_the_paper(depth, widen_factor, published):
    parameters = count_parameters(depth=depth, widen_factor=widen_factor)

    assert parameters == count_by_hand(depth, widen_factor)
    assert f"{parameters / 1e6:.1f}M" == published


def test_wrn_28_10_has_the_parameters_of_other_implementations():
    # Listed by pytorchcv and others.
    assert count_parameters(depth=28, widen_factor=10) == 36_479_194


class PlainBlock(nn.Module):
    """The paper's block in plain PyTorch; its attributes have the authors' names."""

    def __init__(self, in_channels, channels, stride):
        super().__init__()
        self.bn1 = nn.BatchNorm2d(in_channels)
        self.conv1 = nn.Conv2d(in_channels, channels, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, 1, 1, bias=False)
        changes = in_channels != channels
        self.shortcut = nn.Conv2d(in_channels, channels, 1, stride, bias=False) if changes else None

    def forward(self, x):
        seen = functional.relu(self.bn1(x))
        branch = self.conv2(functional.relu(self.bn2(self.conv1(seen))))
        return branch + (self.shortcut(seen) if self.shortcut else x)


NAMES = {
    "before.norm1": "bn1",
    "branch.conv1": "conv1",
    "branch.norm2": "bn2",
    "branch.conv2": "conv2",
    "shortcut.conv": "shortcut",
}


@pytest.mark.parametrize(
    ("index", "in_channels", "channels", "stride"),
    [(0, 16, 32, 1), (1, 32, 32, 1), (2, 32, 64, 2), (3, 64, 64, 1)],
)
def test_a_block_computes_what_the_papers_block_does(index, in_channels, channels, stride):
    block, plain = build().blocks[index], PlainBlock(in_channels, channels, stride)
    # The copy is complete: strict loading refuses missing and unknown names.
    plain.load_state_dict(
        {
            f"{NAMES[name.rpartition('.')[0]]}.{name.rpartition('.')[2]}": value
            for name, value in block.state_dict().items()
        }
    )
    inputs = torch.randn(3, in_channels, 8, 8)

    torch.testing.assert_close(block(inputs), plain(inputs))
    torch.testing.assert_close(block.eval()(inputs), plain.eval()(inputs))


def test_dropout_stands_between_the_convolutions_of_each_block_and_nowhere_else():
    model = build(dropout=0.3)

    dropped = [module for module in model.modules() if isinstance(module, nn.Dropout)]
    assert [module.p for module in dropped] == [0.3] * len(model.blocks)
    names = [name for name, _ in model.blocks[1].branch.named_children()]
    assert names == ["conv1", "norm2", "activation2", "dropout1", "conv2"]
    assert model.state_dict().keys() == build().state_dict().keys()


def test_dropout_works_in_training_alone():
    torch.manual_seed(0)
    model, inputs = build(dropout=0.5, norm=NoNormConfig()), torch.randn(1, 3, 32, 32)

    assert not torch.equal(model(inputs), model(inputs))
    assert torch.equal(model.eval()(inputs), model(inputs))


def test_the_first_stage_widens_an_identity_shortcut_without_halving_the_image():
    first, *_ = build(shortcut="identity").blocks

    assert isinstance(first.shortcut, ZeroPaddedShortcut)
    assert first(torch.zeros(1, 16, 8, 8)).shape == (1, 32, 8, 8)


def test_another_depth_is_refused_with_the_nearest():
    with pytest.raises(ValidationError, match=r"must be 6n\+4.*; the nearest are 16 and 22"):
        WideResNetConfig(depth=20)
