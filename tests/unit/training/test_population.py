"""Population statistics against sums written out, and their trace: none."""

import copy

import numpy as np
import pytest
import torch
from doctor_cases import PlainBatchNorm
from torch import nn

from bnexp.data.batches import ChannelStatistics, ResidentImages
from bnexp.data.dataset import LabelledImages
from bnexp.norms.batch.config import BatchNormConfig
from bnexp.norms.evonorm.config import EvoNormConfig
from bnexp.norms.noisy_batch.config import NoisyBatchNormConfig
from bnexp.training.evaluation import evaluate
from bnexp.training.population import Evaluator, recalibrate

CPU = torch.device("cpu")


def draw_images(count):
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (count, 6, 6, 3), dtype=np.uint8)
    labelled = LabelledImages(pixels, rng.integers(0, 4, count))
    return ResidentImages(labelled, ChannelStatistics.of(labelled), CPU)


@pytest.fixture
def images():
    return draw_images(60)


@pytest.fixture
def model():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 5, 3),
        nn.BatchNorm2d(5),
        nn.ReLU(),
        nn.Dropout(0.5),
        nn.Flatten(),
        nn.Linear(80, 4),
    )


def score(model, images, kind, batch_size):
    evaluator = Evaluator("fp32", batch_size, images, shared_batch_size=None)
    return evaluator.score(model, images, kind)


def state_of(model):
    return {name: value.clone() for name, value in model.state_dict().items()}


def same(model, before):
    return all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_recalibration_pools_true_moments_over_all_values(model, images):
    recalibrate(model, images, 7, "fp32")

    inputs, _ = images.gather(torch.arange(56))  # 8 whole batches of 7
    features = model[0](inputs).double().transpose(0, 1).flatten(1)
    torch.testing.assert_close(model[1].running_mean.double(), features.mean(1), atol=1e-6, rtol=0)
    torch.testing.assert_close(
        model[1].running_var.double(), features.var(1, unbiased=False), atol=1e-6, rtol=0
    )


def test_recalibration_leaves_out_the_last_images_that_fill_no_batch(model):
    few = draw_images(5)
    recalibrate(model, few, 3, "fp32")

    inputs, _ = few.gather(torch.arange(3))
    mean = model[0](inputs).transpose(0, 1).flatten(1).mean(1)
    torch.testing.assert_close(model[1].running_mean, mean)


def test_moments_far_from_zero_keep_their_digits(images):
    # In float32, squares near 10^6 have no digit left of a variance near 1.
    scale = nn.Conv2d(3, 3, 1, groups=3)
    nn.init.ones_(scale.weight)
    nn.init.constant_(scale.bias, 1000.0)
    model = nn.Sequential(scale, nn.BatchNorm2d(3))
    recalibrate(model, images, 20, "fp32")

    inputs, _ = images.gather(torch.arange(60))
    values = scale(inputs).detach().double().transpose(0, 1).flatten(1)
    torch.testing.assert_close(model[1].running_var.double(), values.var(1, unbiased=False))


@pytest.mark.parametrize("value", [0.3, 1e3 / 3, 13 / 7, 26 / 7, 52 / 7, 53 / 7])
def test_a_constant_channel_has_no_variance_below_zero(images, value):
    constant = nn.Conv2d(3, 1, 1)
    nn.init.zeros_(constant.weight)
    nn.init.constant_(constant.bias, value)
    model = nn.Sequential(constant, nn.BatchNorm2d(1))
    recalibrate(model, images, 7, "fp32")

    assert 0 <= model[1].running_var <= 1e-10 * value**2


def test_pooling_is_right_where_averaging_the_variances_of_small_batches_is_not():
    # Batches of 2 on single values from N(0, 1): the mean biased variance is 1/2, the pooled 1.
    rng = np.random.default_rng(1)
    pixels = np.clip(rng.normal(128, 30, (4000, 1, 1, 1)), 0, 255).astype(np.uint8)
    labelled = LabelledImages(pixels, np.zeros(4000, np.int64))
    images = ResidentImages(labelled, ChannelStatistics.of(labelled), CPU)
    norm = nn.BatchNorm2d(1)

    recalibrate(nn.Sequential(norm), images, 2, "fp32")

    assert norm.running_var.item() == pytest.approx(1.0, abs=1e-3)
    inputs, _ = images.gather(torch.arange(4000))
    averaged = inputs.flatten().view(-1, 2).var(1, unbiased=False).mean().item()
    assert averaged == pytest.approx(0.5, abs=0.03)


def test_a_second_layer_sees_what_the_first_gives_in_training(images):
    model = nn.Sequential(nn.BatchNorm2d(3), nn.ReLU(), nn.BatchNorm2d(3))
    recalibrate(model, images, 20, "fp32")

    first = nn.BatchNorm2d(3)
    features = torch.cat(
        [first(images.gather(torch.arange(i, i + 20))[0]).relu() for i in (0, 20, 40)]
    )
    expected = features.detach().transpose(0, 1).flatten(1).mean(1)
    torch.testing.assert_close(model[2].running_mean, expected, atol=1e-5, rtol=0)


def test_precise_evaluation_is_evaluation_after_recalibration(model, images):
    precise = score(model, images, "precise", 10)

    recalibrate(model, images, 10, "fp32")
    assert evaluate(model, images, "fp32") == precise


def test_batch_evaluation_normalizes_each_batch_by_itself(model, images):
    found = score(model, images, "batch", 20)

    model.eval()
    model[1].train()
    losses, hits = [], 0
    for start in (0, 20, 40):
        inputs, targets = images.gather(torch.arange(start, start + 20))
        logits = model(inputs)
        losses.append(nn.functional.cross_entropy(logits, targets).item())
        hits += (logits.argmax(1) == targets).sum().item()
    assert found.loss == pytest.approx(np.mean(losses), rel=1e-6)
    assert found.accuracy == pytest.approx(hits / 60)


def test_a_last_batch_that_is_too_small_is_filled_up_and_counted_once(model, images):
    found = score(model, images, "batch", 59)

    model.eval()
    model[1].train()
    inputs, targets = images.gather(torch.arange(59))
    hits = (model(inputs).argmax(1) == targets).sum().item()
    inputs, targets = images.gather(torch.tensor([59, *range(58)]))
    hits += (model(inputs).argmax(1) == targets)[0].item()
    assert found.accuracy == pytest.approx(hits / 60)


@pytest.mark.parametrize("is_training", [True, False])
def test_nothing_is_left_behind(is_training, model, images):
    model.train(is_training)
    before = state_of(model)

    score(model, images, "precise", 10)
    score(model, images, "batch", 10)

    assert same(model, before)
    assert {module.training for module in model.modules()} == {is_training}
    assert not model[1]._forward_pre_hooks


def test_frozen_statistics_stay_and_noise_is_left_out(images):
    frozen = BatchNormConfig(frozen=True).build(3)
    noisy = NoisyBatchNormConfig().build(3)
    model = nn.Sequential(frozen, noisy, nn.Flatten(), nn.Linear(108, 4))

    recalibrate(model, images, 20, "fp32")
    assert not frozen.running_mean.any()
    once, twice = (score(model, images, "batch", 20) for _ in range(2))
    assert once == twice


def test_a_norm_that_is_not_made_from_pytorchs_is_evaluated_with_the_same_statistics(images):
    model = nn.Sequential(PlainBatchNorm(3), nn.Flatten(), nn.Linear(108, 4))
    like = nn.Sequential(nn.BatchNorm2d(3), *model[1:])
    before = state_of(model)

    for kind in ("precise", "batch"):
        assert score(model, images, kind, 20).loss == pytest.approx(
            score(like, images, kind, 20).loss, rel=1e-5
        )
    assert same(model, before)
    assert not model[0]._forward_pre_hooks


def test_a_norm_without_a_running_mean_is_evaluated_with_any_statistics(images):
    model = nn.Sequential(EvoNormConfig(variant="B0").build(3), nn.Flatten(), nn.Linear(108, 4))
    inputs, targets = images.gather(torch.arange(60))
    before = state_of(model)

    batch = score(model, images, "batch", 60)
    assert same(model, before)
    in_training = nn.functional.cross_entropy(copy.deepcopy(model)(inputs), targets)
    assert batch.loss == pytest.approx(in_training.item(), rel=1e-5)
    precise = score(model, images, "precise", 20)
    recalibrate(model, images, 20, "fp32")
    torch.testing.assert_close(model[0].running_var, inputs.var((0, 2, 3), correction=0))
    assert evaluate(model, images, "fp32") == precise


def test_a_network_without_norm_scores_the_same_with_all_of_them(images):
    model = nn.Sequential(nn.Flatten(), nn.Linear(108, 4))

    found = evaluate(model, images, "fp32")
    assert score(model, images, "precise", 10) == found
    batched = score(model, images, "batch", 10)
    assert batched.accuracy == found.accuracy


def test_a_layer_with_a_running_mean_alone_is_left_as_it_is(images):
    class Centred(nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("running_mean", torch.ones(3))

        def forward(self, inputs):
            return inputs - self.running_mean.view(1, -1, 1, 1)

    model = nn.Sequential(Centred(), nn.BatchNorm2d(3))
    recalibrate(model, images, 10, "fp32")

    assert torch.equal(model[0].running_mean, torch.ones(3))
    expected = images.gather(torch.arange(len(images)))[0].mean((0, 2, 3)) - 1
    torch.testing.assert_close(model[1].running_mean, expected)
