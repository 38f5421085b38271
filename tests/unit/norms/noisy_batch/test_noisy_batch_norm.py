"""The noise after batch norm has the distributions of the experiment."""

import numpy as np
import pytest
import torch
from scipy import stats
from torch import nn

from bnexp.norms.batch.config import BatchNormConfig
from bnexp.norms.noisy_batch.config import NoisyBatchNormConfig

IMAGES, C = 400, 300


def draw(**options):
    layer = NoisyBatchNormConfig(**options).build(C)
    torch.manual_seed(0)
    scales, shifts = layer.draw_noise(torch.zeros(IMAGES, C, 1, 1))
    return scales.view(IMAGES, C).numpy(), shifts.view(IMAGES, C).numpy()


def p_value(sample, distribution):
    return stats.kstest(sample, distribution.cdf).pvalue


def test_the_means_of_a_step_are_uniform_over_the_channels():
    _, shifts = draw(sample_mean_range=0.0)

    assert (shifts == shifts[0]).all()
    assert p_value(shifts[0], stats.uniform(-0.5, 1.0)) > 0.01


def test_the_scales_of_a_step_are_uniform_over_the_channels():
    scales, _ = draw(sample_scale_std=0.0)

    assert (scales == scales[0]).all()
    assert p_value(scales[0], stats.uniform(1.0, 0.25)) > 0.01


def test_the_shifts_of_images_are_uniform_around_their_channels_mean():
    _, shifts = draw(mean_range=0.0)

    assert p_value(shifts.ravel()[::7], stats.uniform(-0.1, 0.2)) > 0.01


def test_the_scales_of_images_are_normal_around_their_channels_scale():
    scales, _ = draw(scale_max=1.0)

    assert p_value(scales.ravel()[::7], stats.norm(1.0, 0.1)) > 0.01


def test_the_noise_of_images_is_independent_of_each_other_and_of_the_channel():
    scales, shifts = draw()

    within = [noise - noise.mean(0) for noise in (scales, shifts)]
    assert abs(np.corrcoef(within[0].ravel(), within[1].ravel())[0, 1]) < 0.01
    assert abs(np.corrcoef(within[0][:-1].ravel(), within[0][1:].ravel())[0, 1]) < 0.01
    assert abs(np.corrcoef(scales.mean(0), shifts.mean(0))[0, 1]) < 0.2


@pytest.mark.parametrize("shape", [(6, 5, 4, 3), (6, 5)], ids=["2d", "1d"])
def test_training_is_batch_norm_with_the_noise_and_evaluation_without(shape):
    layer = NoisyBatchNormConfig().build(5, 2 if len(shape) == 4 else 1)
    plain = (nn.BatchNorm2d if len(shape) == 4 else nn.BatchNorm1d)(5)
    inputs = torch.randn(shape) * 2 + 1

    torch.manual_seed(3)
    outputs = layer(inputs)
    normalized = plain(inputs)
    torch.manual_seed(3)
    scales, shifts = layer.draw_noise(normalized)
    assert scales.shape == (6, 5, *[1] * (len(shape) - 2))
    torch.testing.assert_close(outputs, scales * normalized + shifts)
    assert torch.equal(layer.eval()(inputs), plain.eval()(inputs))


def test_the_noise_repeats_with_the_seed_and_changes_from_step_to_step():
    layer = NoisyBatchNormConfig().build(5)
    inputs = torch.randn(6, 5, 4, 3)

    def step(seed):
        torch.manual_seed(seed)
        return layer(inputs)

    assert torch.equal(step(1), step(1))
    assert not torch.allclose(step(1), step(2), atol=0.01)


def test_without_noise_it_is_batch_norm():
    layer = NoisyBatchNormConfig(
        mean_range=0.0, scale_max=1.0, sample_mean_range=0.0, sample_scale_std=0.0
    ).build(5)
    inputs = torch.randn(6, 5, 4, 3)

    torch.testing.assert_close(layer(inputs), nn.BatchNorm2d(5)(inputs))


@pytest.mark.parametrize("size", [2, 4, 5])
def test_ghost_batches_are_those_of_batch_norm_with_the_noise_of_the_whole_batch(size):
    layer = NoisyBatchNormConfig(normalization_batch_size=size).build(3)
    ghosts = BatchNormConfig(normalization_batch_size=size).build(3)
    inputs = 3 * torch.randn(12, 3, 4, 4) + 2
    scales, shifts = draw_again(layer, inputs)

    torch.manual_seed(5)
    outputs = layer(inputs)

    parts = [
        nn.functional.batch_norm(part, None, None, training=True) for part in inputs.split(size)
    ]
    torch.testing.assert_close(outputs, scales * torch.cat(parts) + shifts, rtol=1e-4, atol=1e-5)
    ghosts(inputs)
    assert torch.equal(layer.running_mean, ghosts.running_mean)
    assert torch.equal(layer.running_var, ghosts.running_var)


def draw_again(layer, inputs):
    torch.manual_seed(5)
    return layer.draw_noise(inputs)
