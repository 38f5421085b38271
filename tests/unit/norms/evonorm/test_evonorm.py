"""EvoNorm-S0 and EvoNorm-B0 against the paper's formulas, written out value by value."""

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from bnexp.errors import UsageError
from bnexp.norms.evonorm.config import EvoNormConfig

N, C = 5, 12
S0, B0 = EvoNormConfig(num_groups=4), EvoNormConfig(variant="B0")

each_size = pytest.mark.parametrize("size", [(4, 3), (1, 2), (1, 1), ()], ids=str)


def make_inputs(*size, seed=0):
    torch.manual_seed(seed)
    return torch.randn(N, C, *size) * 3 + 1


def randomize(layer):
    torch.manual_seed(1)
    for parameter in layer.parameters():
        parameter.data = torch.randn(C)
    return layer


def as_maps(tensor):
    """Returns `(N, C, pixels)` in NumPy, of one pixel in 1-d form."""
    values = tensor.detach().double().numpy()
    return values.reshape(*values.shape[:2], -1)


def parameters_of(layer):
    return [value.detach().double().numpy() for value in (layer.weight, layer.bias, layer.v)]


def compute_s0(x, layer, groups, eps=1e-5):
    gamma, beta, v = parameters_of(layer)
    y, size = np.empty_like(x), C // groups
    for n in range(len(x)):
        for c in range(C):
            first = c // size * size
            deviation = np.sqrt(x[n, first : first + size].var() + eps)
            gate = 1 / (1 + np.exp(-v[c] * x[n, c]))
            y[n, c] = x[n, c] * gate / deviation * gamma[c] + beta[c]
    return y


def compute_b0(x, layer, variances=None, eps=1e-5):
    gamma, beta, v = parameters_of(layer)
    y = np.empty_like(x)
    for c in range(C):
        variance = x[:, c].var() if variances is None else variances[c]
        for n in range(len(x)):
            for p, value in enumerate(x[n, c]):
                alone = v[c] * value + np.sqrt(x[n, c].var() + eps)
                y[n, c, p] = value / max(np.sqrt(variance + eps), alone) * gamma[c] + beta[c]
    return y


@each_size
@pytest.mark.parametrize("groups", [1, 4, 6])
def test_s0_is_the_papers_formula(size, groups):
    layer = randomize(EvoNormConfig(num_groups=groups).build(C, 2 if size else 1))
    inputs = make_inputs(*size)

    expected = compute_s0(as_maps(inputs), layer, groups)
    np.testing.assert_allclose(as_maps(layer(inputs)), expected, rtol=1e-5, atol=1e-5)
    assert torch.equal(layer.eval()(inputs), layer.train()(inputs))


@each_size
def test_b0_is_the_papers_formula(size):
    layer = randomize(B0.build(C, 2 if size else 1))
    inputs = make_inputs(*size)

    expected = compute_b0(as_maps(inputs), layer)
    np.testing.assert_allclose(as_maps(layer(inputs)), expected, rtol=1e-5, atol=1e-5)


@each_size
def test_b0_evaluates_with_its_running_variance_and_keeps_it(size):
    layer = randomize(B0.build(C, 2 if size else 1))
    layer(make_inputs(*size, seed=2))
    before, inputs = layer.running_var.clone(), make_inputs(*size)

    expected = compute_b0(as_maps(inputs), layer, before.numpy())
    np.testing.assert_allclose(as_maps(layer.eval()(inputs)), expected, rtol=1e-5, atol=1e-5)
    assert torch.equal(layer.running_var, before)


@pytest.mark.parametrize("momentum", [0.1, 0.3, None])
def test_the_running_variance_moves_as_batch_norms_does(momentum):
    layer = EvoNormConfig(variant="B0", momentum=momentum).build(C)
    plain = torch.nn.BatchNorm2d(C, momentum=momentum)

    for seed in range(3):
        for each in (layer, plain):
            each(make_inputs(4, 3, seed=seed))
    torch.testing.assert_close(layer.running_var, plain.running_var)
    assert layer.num_batches_tracked == 3


def test_s0_has_no_statistics_and_b0_has_no_running_mean():
    assert not list(S0.build(C).buffers())
    assert set(dict(B0.build(C).named_buffers())) == {"running_var", "num_batches_tracked"}


@pytest.mark.parametrize("config", [S0, B0], ids=str)
def test_it_learns_v_beside_gamma_and_beta_and_starts_from_ones(config):
    layer = config.build(C)

    values = {name: value.tolist() for name, value in layer.named_parameters()}
    assert values == {"v": [1] * C, "weight": [1] * C, "bias": [0] * C}
    unscaled = config.model_copy(update={"affine": False}).build(C)
    assert [name for name, _ in unscaled.named_parameters()] == ["v"]
    assert torch.equal(unscaled(make_inputs(4, 3)), layer(make_inputs(4, 3)))


@pytest.mark.parametrize("config", [S0, B0], ids=str)
def test_a_shift_of_the_input_is_not_subtracted(config):
    layer, inputs = config.build(C), make_inputs(4, 3)

    assert not torch.allclose(layer(inputs), layer(inputs + 5), atol=0.1)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"variant": "B0", "num_groups": 4}, "num_groups is an option of S0"),
        ({"variant": "B0", "channels_per_group": 4}, "channels_per_group is an option of S0"),
        ({"momentum": 0.3}, "momentum is an option of B0; remove it, or set variant: B0"),
        ({"num_groups": 4, "channels_per_group": 3}, "say the same"),
    ],
    ids=str,
)
def test_options_of_the_other_variant_are_refused(options, said):
    with pytest.raises(ValidationError, match=said):
        EvoNormConfig(**options)


def test_the_groups_must_divide_the_channels():
    with pytest.raises(UsageError, match="num_groups: 32 does not divide the 12 channels"):
        EvoNormConfig().build(C)
    assert EvoNormConfig(channels_per_group=3).build(C).num_groups == 4


@pytest.mark.parametrize(
    ("config", "shape", "batch_size", "said"),
    [
        (EvoNormConfig(num_groups=C), (C, 1, 1), 8, "leaves one value per group"),
        (EvoNormConfig(num_groups=1), (1, 1, 1), 8, "evonorm norm would see one value per group"),
        (S0, (C, 1, 1), 1, None),
        (B0, (C, 1, 1), 1, "one value per channel (batch of 1"),
        (B0, (C, 1, 1), 2, None),
        (B0, (C, 1, 2), 1, None),
    ],
    ids=str,
)
def test_single_values_are_reported_before_training(config, shape, batch_size, said):
    problem = config.find_problem(shape, batch_size)

    assert (said in problem) if said else problem is None
    if said and shape[0] == C:
        with pytest.raises(ValueError, match="one value per"):
            config.build(C)(torch.randn(batch_size, *shape))


def test_only_b0_is_warned_about_cold_statistics():
    assert not list(S0.find_warnings(batch_size=8, steps=2))
    ((key, reason),) = B0.find_warnings(batch_size=8, steps=10)
    assert key == "momentum"
    assert "35 % of the running statistics" in reason
