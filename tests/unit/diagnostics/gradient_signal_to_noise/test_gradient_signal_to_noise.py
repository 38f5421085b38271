"""Signal and noise of gradients that are known image by image."""

import pytest
import torch
from probed_steps import probe_step
from torch import nn

from bnexp.diagnostics.gradient_signal_to_noise.config import GradientSignalToNoiseConfig
from bnexp.diagnostics.gradient_signal_to_noise.probe import cut_batch
from bnexp.norms.batch.config import BatchNormConfig


class Two(nn.Module):
    def __init__(self):
        super().__init__()
        self.left, self.right = nn.Linear(2, 1, bias=False), nn.Linear(1, 1, bias=False)


def measure(left, right, **fields):
    """Measures a loss whose gradients of the images are the rows of `left` and `right`."""
    model = Two()

    def compute_loss(part):
        products = left[part] @ model.left.weight[0] + right[part] @ model.right.weight[0]
        return products.mean()

    probe = GradientSignalToNoiseConfig(**fields).build(model, 1)
    measured = probe_step(probe, model, compute_loss, images=len(left))
    return {tag.removeprefix("diag/gradient_signal_to_noise/"): v for tag, v in measured.items()}


def test_it_is_what_one_computes_by_hand():
    left = torch.tensor([[2.0, 1.0], [0.0, 3.0], [3.0, -1.0], [3.0, -3.0]])
    right = torch.tensor([[1.0], [3.0], [0.0], [0.0]])
    measured = measure(left, right, microbatches=2)

    # Parts: (1, 2) and (3, -2) with mean (2, 0), V = 10 and S = 4 - 5; 2 and 0: V = 2, S = 1 - 1.
    assert measured == {
        "left": pytest.approx(-1 / 10),
        "right": pytest.approx(0),
        "all": pytest.approx(-1 / 12),
    }


def test_twice_the_images_per_part_double_the_ratio():
    generator = torch.Generator().manual_seed(0)
    left = torch.randn(64_000, 2, generator=generator) + torch.tensor([0.3, 0.0])
    ratios = [
        measure(left, left[:, :1], microbatches=parts)["left"] for parts in (1000, 2000, 4000)
    ]

    # 64, 32 and 16 images with |mean|^2 = 0.09 and variance 2 / images.
    assert ratios == [pytest.approx(0.09 * n / 2, rel=0.1) for n in (64, 32, 16)]


def test_only_named_layers_are_measured_and_all():
    rows = torch.randn(8, 2, generator=torch.Generator().manual_seed(0))
    whole = measure(rows, rows[:, :1])
    chosen = measure(rows, rows[:, :1], layers=("le*",))
    assert chosen == {name: whole[name] for name in ("left", "all")}


@pytest.mark.parametrize("images", [1, 2, 3])
def test_a_batch_too_small_for_two_parts_is_not_measured(images):
    assert measure(torch.ones(images, 2), torch.ones(images, 1)) == {}


@pytest.mark.parametrize(
    ("images", "parts", "group", "expected"),
    [
        (128, 8, 1, [16] * 8),
        (100, 8, 1, [12] * 8),
        (10, 8, 1, [2] * 5),
        (128, 8, 5, [15] * 8),
        (128, 8, 32, [16] * 8),
        (3, 8, 1, [3]),
    ],
)
def test_parts_are_equal_and_hold_whole_ghost_batches(images, parts, group, expected):
    found = cut_batch(images, parts, group)
    assert [part.stop - part.start for part in found] == expected
    assert [part.start for part in found] == [n * expected[0] for n in range(len(expected))]
    assert found[-1].stop <= images


def test_ghost_batches_within_a_part_make_it_that_of_the_training():
    """Each part alone then has the gradient that its images have in the whole batch."""
    torch.manual_seed(0)
    norm = BatchNormConfig(normalization_batch_size=4).build(3, 1)
    model = nn.Sequential(nn.Linear(2, 3), norm, nn.Tanh(), nn.Linear(3, 2))
    inputs, targets = torch.randn(16, 2), torch.arange(16) % 2

    def run(compute_loss):
        probe = GradientSignalToNoiseConfig(microbatches=4).build(model, 1)
        return probe_step(probe, model, compute_loss, images=16, learning_rate=0.0)

    def alone(part):
        return nn.functional.cross_entropy(model(inputs[part]), targets[part])

    def together(part):
        losses = nn.functional.cross_entropy(model(inputs), targets, reduction="none")
        return losses[part].mean()

    found, expected = run(alone), run(together)
    assert found == {tag: pytest.approx(value, rel=1e-4) for tag, value in expected.items()}
