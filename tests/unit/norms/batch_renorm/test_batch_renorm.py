"""Batch renormalization against the paper's algorithm and its two limits."""

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch import nn

from bnexp.norms.batch_renorm.config import BatchRenormConfig
from bnexp.norms.batch_renorm.layer import Limit
from bnexp.norms.reference import compute_statistics, differentiate

EPS = 1e-5
AT_ONCE = {"warmup_steps": 0, "r_max_steps": 0, "d_max_steps": 0}
WIDE = BatchRenormConfig(r_max=1e6, d_max=1e6, **AT_ONCE)


def make_inputs(seed=0, images=8, scale=3.0, shift=2.0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(images, 4, 3, 2, generator=generator) * scale + shift


def renormalize(x, mean, std, r_max, d_max):
    """The paper's algorithm 1 in NumPy, with γ = 1 and β = 0: outputs and the new averages."""
    batch_mean, batch_variance = compute_statistics(x)
    batch_std = np.sqrt(batch_variance + EPS)
    r = np.clip(batch_std / std, 1 / r_max, r_max)
    d = np.clip((batch_mean - mean) / std, -d_max, d_max)
    along = (1, -1, 1, 1)
    y = (x - batch_mean.reshape(along)) / batch_std.reshape(along)
    y = y * r.reshape(along) + d.reshape(along)
    return y, mean + 0.1 * (batch_mean - mean), std + 0.1 * (batch_std - std)


@pytest.mark.parametrize(("r_max", "d_max"), [(1.0, 0.0), (1.2, 0.3), (3.0, 5.0), (1e6, 1e6)])
def test_steps_are_those_of_the_papers_algorithm(r_max, d_max):
    layer = BatchRenormConfig(r_max=r_max, d_max=d_max, **AT_ONCE).build(4)
    mean, std = np.zeros(4), np.full(4, np.sqrt(1 + EPS))

    for step in range(5):
        inputs = make_inputs(step)
        expected, mean, std = renormalize(inputs.double().numpy(), mean, std, r_max, d_max)
        np.testing.assert_allclose(layer(inputs).detach(), expected, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(layer.running_mean, mean, rtol=1e-5)
    np.testing.assert_allclose((layer.running_var + EPS).sqrt(), std, rtol=1e-5)
    assert layer.num_batches_tracked == 5


@pytest.mark.parametrize("size", [2, 4, 3, 8, 20])
@pytest.mark.parametrize(
    "memory_format", [torch.contiguous_format, torch.channels_last], ids=["first", "last"]
)
def test_each_ghost_batch_is_renormalized_by_itself_and_all_move_the_averages_once(
    size, memory_format
):
    config = BatchRenormConfig(r_max=1.2, d_max=0.3, normalization_batch_size=size, **AT_ONCE)
    layer = config.build(4).double()
    layer.weight.data, layer.bias.data = torch.tensor([[0.5, 1, 2, -1], [1, 0, -1, 2]]).double()
    mean, std = torch.zeros(4).double(), torch.full((4,), (1 + EPS) ** 0.5).double()

    for step in range(4):
        inputs = make_inputs(step).double().contiguous(memory_format=memory_format)
        one, other = inputs.clone().requires_grad_(), inputs.clone().requires_grad_()
        outputs, means, stds = [], 0, 0
        for part in other.split(size):
            part_mean = part.mean((0, 2, 3))
            part_std = (part.var((0, 2, 3), correction=0) + EPS).sqrt()
            r = (part_std / std).clamp(1 / 1.2, 1.2).detach()
            d = ((part_mean - mean) / std).clamp(-0.3, 0.3).detach()
            m, s, r, d, weight, bias = (
                value.view(1, -1, 1, 1)
                for value in (part_mean, part_std, r, d, layer.weight, layer.bias)
            )
            outputs.append(weight * ((part - m) / s * r + d) + bias)
            means, stds = means + len(part) * part_mean, stds + len(part) * part_std
        found, expected = layer(one), torch.cat(outputs)
        torch.testing.assert_close(found, expected)
        for result in (found, expected):
            (result * make_inputs(9).double()).sum().backward()
        torch.testing.assert_close(one.grad, other.grad)
        mean = (mean + 0.1 * (means / 8 - mean)).detach()
        std = (std + 0.1 * (stds / 8 - std)).detach()
    torch.testing.assert_close(layer.running_mean, mean)
    torch.testing.assert_close((layer.running_var + EPS).sqrt(), std)
    assert layer.num_batches_tracked == 4


@pytest.mark.parametrize("size", [8, 100])
def test_one_ghost_batch_is_batch_renormalization_bit_for_bit(size):
    layers = [
        BatchRenormConfig(normalization_batch_size=s, **AT_ONCE).build(4) for s in (None, size)
    ]

    for step in range(3):
        assert torch.equal(*(layer(make_inputs(step)) for layer in layers))
    assert torch.equal(layers[0].running_var, layers[1].running_var)


@pytest.mark.parametrize("dimensions", [1, 2], ids=["1d", "2d"])
def test_it_is_batch_norm_while_r_is_1_and_d_is_0(dimensions):
    layer = BatchRenormConfig().build(4, dimensions)
    plain = (nn.BatchNorm2d if dimensions == 2 else nn.BatchNorm1d)(4)

    for step in range(3):
        inputs = make_inputs(step) if dimensions == 2 else make_inputs(step)[:, :, 0, 0]
        one, other = inputs.clone().requires_grad_(), inputs.clone().requires_grad_()
        outputs, expected = layer(one), plain(other)
        torch.testing.assert_close(outputs, expected, rtol=1e-6, atol=1e-6)
        (outputs * inputs).sum().backward()
        (expected * inputs).sum().backward()
        torch.testing.assert_close(one.grad, other.grad)
    torch.testing.assert_close(layer.running_mean, plain.running_mean)


def test_within_its_limits_training_gives_what_evaluation_would_have_given():
    layer = WIDE.build(4)
    for step in range(10):
        layer(make_inputs(step))

    inputs = make_inputs(99, scale=8.0, shift=-5.0)
    expected = layer.eval()(inputs)
    torch.testing.assert_close(layer.train()(inputs), expected, rtol=1e-5, atol=1e-5)


def test_in_the_long_run_training_and_evaluation_agree_where_batch_norms_do_not():
    layer, plain = WIDE.build(4), nn.BatchNorm2d(4)
    for step in range(200):
        layer(make_inputs(step, images=2))
        plain(make_inputs(step, images=2))

    def gap(trained):
        inputs = make_inputs(999, images=2)
        return (trained(inputs) - trained.eval()(inputs)).abs().mean().item()

    # A batch moves the averages by a tenth, which is all the difference that is left.
    assert gap(layer) < 0.1 * 0.5
    assert gap(layer.train()) < 0.3 * gap(plain)


def test_no_gradient_flows_through_r_and_d():
    layer = BatchRenormConfig(r_max=1.5, d_max=0.7, **AT_ONCE).build(4).double()
    layer.weight.data = torch.tensor([0.5, 1.0, 2.0, -1.0], dtype=torch.float64)
    inputs = make_inputs().double().requires_grad_()
    x = inputs.detach().numpy()
    batch_mean, batch_variance = compute_statistics(x)
    running_std = np.sqrt(1 + EPS)
    r = np.clip(np.sqrt(batch_variance + EPS) / running_std, 1 / 1.5, 1.5)
    d = np.clip(batch_mean / running_std, -0.7, 0.7)
    dy = make_inputs(1).double()
    layer(inputs).backward(dy)

    # With r and d constant, it is batch norm whose γ is γ · r.
    dx, d_scaled, d_beta = differentiate(dy.numpy(), x, layer.weight.detach().numpy() * r)
    np.testing.assert_allclose(inputs.grad, dx, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(layer.weight.grad, d_scaled * r + d_beta * d, rtol=1e-9)
    np.testing.assert_allclose(layer.bias.grad, d_beta, rtol=1e-9)


@pytest.mark.parametrize(
    ("step", "expected"), [(0, 1), (5, 1), (6, 1.2), (10, 2), (15, 3), (16, 3), (10**6, 3)]
)
def test_a_limit_is_held_then_rises_in_a_straight_line_then_stays(step, expected):
    limit = Limit(first=1.0, last=3.0, start=5, end=15)

    assert limit.at(torch.tensor(step)).item() == pytest.approx(expected)


def test_a_limit_without_a_rise_is_wide_at_once():
    assert Limit(1.0, 3.0, 0, 0).at(torch.tensor(0)).item() == 3
    assert [Limit(1.0, 3.0, 2, 2).at(torch.tensor(step)).item() for step in (1, 2)] == [1, 3]


def test_the_limits_follow_the_steps_that_were_trained():
    layer = BatchRenormConfig(r_max=3, d_max=5, warmup_steps=2, r_max_steps=6, d_max_steps=4).build(
        4
    )
    seen = []
    for step in range(7):
        far = torch.full((4,), 1e9), torch.full((4,), -1e9)
        seen.append(tuple(value[0].item() for value in layer.clip(*far)))
        layer(make_inputs(step))

    r_limits, d_limits = zip(*seen, strict=True)
    assert r_limits == pytest.approx((1, 1, 1, 1.5, 2, 2.5, 3))
    assert d_limits == pytest.approx((0, 0, 0, -2.5, -5, -5, -5))


def test_the_defaults_are_the_papers_schedule_divided_by_50():
    config = BatchRenormConfig()

    steps = [config.warmup_steps, config.r_max_steps, config.d_max_steps]
    assert [50 * step for step in steps] == [5_000, 40_000, 25_000]
    assert (config.r_max, config.d_max) == (3, 5)


def test_without_affine_it_only_normalizes():
    layer = BatchRenormConfig(affine=False, r_max=1e6, d_max=1e6, **AT_ONCE).build(4)

    assert not list(layer.parameters())
    inputs = make_inputs()
    expected = layer.eval()(inputs)
    torch.testing.assert_close(layer.train()(inputs), expected, rtol=1e-5, atol=1e-5)


def test_a_channel_without_variance_keeps_the_running_variance_at_zero_or_above():
    layer = BatchRenormConfig(momentum=1.0, **AT_ONCE).build(4)

    layer(torch.ones(2, 4, 3, 3))
    assert (layer.running_var >= 0).all()
    assert layer(torch.ones(2, 4, 3, 3)).isfinite().all()


@pytest.mark.parametrize(
    "options",
    [
        {"r_max": 0.5},
        {"d_max": -1},
        {"warmup_steps": 900},
        {"warmup_steps": 600, "r_max_steps": 700, "d_max_steps": 500},
    ],
)
def test_impossible_schedules_are_refused(options):
    with pytest.raises(ValidationError):
        BatchRenormConfig(**options)


def test_a_training_that_ends_before_the_limits_are_wide_is_warned_of():
    warnings = list(BatchRenormConfig().find_warnings(batch_size=8, steps=600))

    assert [key for key, _ in warnings] == ["r_max_steps"]
    assert "ends after 600 steps, before the limit has risen at step 800" in warnings[0][1]
    assert not list(BatchRenormConfig().find_warnings(batch_size=8, steps=800))
