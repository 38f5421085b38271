import pytest
import torch
from torch import nn
from torchvision.ops import StochasticDepth

from bnexp.models.resnet.config import ResNetConfig
from bnexp.norms import NORMS
from bnexp.seeding import derive_seed
from bnexp.training.step import find_seeders

CPU = torch.device("cpu")


class Foreign(nn.Module):
    def forward(self, inputs):
        return inputs + torch.rand(())


@pytest.mark.parametrize(
    "layer", [nn.Dropout(0.5), StochasticDepth(0.5, "row"), nn.RReLU(), Foreign()]
)
def test_a_network_that_may_draw_draws_what_torch_manual_seed_would_give(layer):
    inputs = torch.randn(16, 8)
    (seeder,) = find_seeders(nn.Sequential(nn.Linear(8, 8), layer), CPU)

    torch.manual_seed(derive_seed(3, "step", 5))
    expected = layer(inputs)
    seeder(derive_seed(3, "step", 5))
    assert torch.equal(layer(inputs), expected)


@pytest.mark.parametrize("norm", NORMS)
def test_every_norm_says_whether_it_draws(norm):
    layer = norm().build(64).train()
    model = nn.Sequential(layer)
    torch.manual_seed(0)
    before = torch.get_rng_state()
    layer(torch.randn(4, 64, 3, 3, generator=torch.Generator().manual_seed(1)))
    has_drawn = not torch.equal(torch.get_rng_state(), before)

    assert bool(find_seeders(model, CPU)) == has_drawn


def test_a_network_that_draws_nothing_leaves_the_generator_alone():
    assert find_seeders(ResNetConfig(depth=20).build((32, 32, 3), 10), CPU) == []
