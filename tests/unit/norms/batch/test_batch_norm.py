"""The batch norm that a config builds: PyTorch's, ghost batches, averages, frozen statistics."""

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch import nn

from bnexp.norms.batch.config import BatchNormConfig
from bnexp.norms.reference import compute_statistics, differentiate, normalize, update_running

each_dimensions = pytest.mark.parametrize("dimensions", [1, 2], ids=["1d", "2d"])


def make_inputs(dimensions=2, images=12, seed=0):
    torch.manual_seed(seed)
    shape = (images, 5, 4, 3) if dimensions == 2 else (images, 5)
    return torch.randn(shape) * torch.tensor(3.0) + 2


def build_torch(dimensions, **options):
    return (nn.BatchNorm2d if dimensions == 2 else nn.BatchNorm1d)(5, **options)


@pytest.mark.parametrize(
    "memory_format", [torch.contiguous_format, torch.channels_last], ids=["first", "last"]
)
def test_the_worked_example_gives_its_numbers(memory_format):
    channel = torch.tensor([1.0, 2, 3, 4, 2, 3, 4, 5]).view(2, 2, 2)
    inputs = torch.stack((channel, channel + 4), dim=1).contiguous(memory_format=memory_format)
    layer = BatchNormConfig().build(2)

    outputs = layer(inputs)
    expected = torch.tensor([-1.633, -0.816, 0, 0.816, -0.816, 0, 0.816, 1.633]).view(2, 2, 2)
    torch.testing.assert_close(outputs, torch.stack((expected,) * 2, 1), rtol=0, atol=5e-4)
    torch.testing.assert_close(layer.running_mean, torch.tensor([0.3, 0.7]))
    torch.testing.assert_close(layer.running_var, torch.full((2,), 1.0714), rtol=0, atol=5e-5)


@each_dimensions
def test_the_plain_case_is_pytorchs_own_layer(dimensions):
    layer = BatchNormConfig(eps=0.1, momentum=0.3, affine=False).build(5, dimensions)

    assert type(layer) is (nn.BatchNorm2d if dimensions == 2 else nn.BatchNorm1d)
    assert (layer.eps, layer.momentum, layer.affine) == (0.1, 0.3, False)
    assert layer.track_running_stats
    assert not BatchNormConfig(track_running_stats=False).build(5).track_running_stats


def test_batch_norm_adds_two_parameters_a_channel():
    layer = BatchNormConfig().build(64)

    assert layer(torch.randn(8, 64, 32, 32)).shape == (8, 64, 32, 32)
    assert sum(parameter.numel() for parameter in layer.parameters()) == 2 * 64
    assert sum(p.numel() for p in BatchNormConfig(affine=False).build(64).parameters()) == 0


@each_dimensions
@pytest.mark.parametrize("size", [12, 100], ids=["as large as the batch", "larger"])
def test_one_ghost_batch_is_batch_norm_bit_for_bit(dimensions, size):
    ghost = BatchNormConfig(normalization_batch_size=size).build(5, dimensions)
    plain = build_torch(dimensions)

    for step in range(3):
        inputs = make_inputs(dimensions, seed=step)
        assert torch.equal(ghost(inputs), plain(inputs))
    ghost_state, state = ghost.state_dict(), plain.state_dict()
    assert ghost_state.keys() == state.keys()
    assert all(torch.equal(ghost_state[name], state[name]) for name in state)


@pytest.mark.parametrize(
    ("size", "dimensions"),
    # A group of one image, which 1 and 11 leave of 12, has no variance in 1-d form.
    [*((size, 2) for size in (1, 2, 4, 5, 7, 11, 12)), *((size, 1) for size in (2, 4, 5, 12))],
)
def test_each_ghost_batch_is_normalized_like_a_batch_of_its_own(size, dimensions):
    inputs = make_inputs(dimensions)
    layer = BatchNormConfig(normalization_batch_size=size).build(5, dimensions)
    layer.weight.data, layer.bias.data = torch.rand(5), torch.randn(5)

    def alone(part):
        part = part.double().numpy()
        weight, bias = (p.detach().double().numpy() for p in (layer.weight, layer.bias))
        return torch.tensor(normalize(part, *compute_statistics(part), weight, bias))

    expected = torch.cat([alone(part) for part in inputs.split(size)])
    torch.testing.assert_close(layer(inputs).double(), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("size", [2, 4, 5])
@pytest.mark.parametrize(
    "memory_format", [torch.contiguous_format, torch.channels_last], ids=["first", "last"]
)
def test_the_gradients_of_ghost_batches_are_those_of_the_closed_form(size, memory_format):
    inputs = make_inputs().double().contiguous(memory_format=memory_format).requires_grad_()
    layer = BatchNormConfig(normalization_batch_size=size).build(5).double()
    layer.weight.data = torch.rand(5, dtype=torch.float64)
    dy = make_inputs(seed=1).double()
    layer(inputs).backward(dy)

    parts = [
        differentiate(dy_part.numpy(), part.detach().numpy(), layer.weight.detach().numpy())
        for dy_part, part in zip(dy.split(size), inputs.split(size), strict=True)
    ]
    np.testing.assert_allclose(inputs.grad, np.concatenate([part[0] for part in parts]), rtol=1e-8)
    np.testing.assert_allclose(layer.weight.grad, sum(part[1] for part in parts), rtol=1e-8)
    np.testing.assert_allclose(layer.bias.grad, sum(part[2] for part in parts), rtol=1e-8)


@pytest.mark.parametrize("size", [2, 4, 5])
def test_ghost_batches_move_the_running_statistics_once_by_their_average(size):
    inputs = make_inputs()
    layer = BatchNormConfig(normalization_batch_size=size, momentum=0.3).build(5)
    layer(inputs)

    updates = [
        (len(part), update_running(np.zeros(5), np.ones(5), part.double().numpy(), 0.3))
        for part in inputs.split(size)
    ]
    mean, variance = (
        sum(images * update[index] for images, update in updates) / len(inputs) for index in (0, 1)
    )
    np.testing.assert_allclose(layer.running_mean, mean, rtol=1e-5)
    np.testing.assert_allclose(layer.running_var, variance, rtol=1e-5)
    assert layer.num_batches_tracked == 1


@each_dimensions
def test_momentum_none_averages_all_batches_alike(dimensions):
    layer = BatchNormConfig(momentum=None).build(5, dimensions)
    plain = build_torch(dimensions, momentum=None)

    batches = [make_inputs(dimensions, images, seed=images) for images in (4, 8, 12)]
    for batch in batches:
        assert torch.equal(layer(batch), plain(batch))
    means = torch.stack([batch.transpose(0, 1).flatten(1).mean(1) for batch in batches])
    torch.testing.assert_close(layer.running_mean, means.mean(0))
    torch.testing.assert_close(layer.running_mean, plain.running_mean)
    torch.testing.assert_close(layer.running_var, plain.running_var)
    inputs = make_inputs(dimensions)
    torch.testing.assert_close(layer.eval()(inputs), plain.eval()(inputs))


@each_dimensions
def test_frozen_statistics_are_used_and_kept_in_training(dimensions):
    layer = BatchNormConfig(frozen=True).build(5, dimensions)
    layer.running_mean += 2
    layer.running_var *= 9
    before = {name: value.clone() for name, value in layer.state_dict().items()}
    inputs = make_inputs(dimensions)

    for is_training in (True, False):
        layer.train(is_training)
        torch.testing.assert_close(layer(inputs), (inputs - 2) / (9 + 1e-5) ** 0.5)
    assert all(torch.equal(before[name], value) for name, value in layer.state_dict().items())
    layer(inputs).sum().backward()
    assert layer.bias.grad.tolist() == [inputs[:, 0].numel()] * 5


def test_without_running_statistics_evaluation_does_what_training_does():
    inputs = make_inputs()
    for options in ({}, {"normalization_batch_size": 4}):
        layer = BatchNormConfig(track_running_stats=False, **options).build(5)

        trained = layer(inputs)
        assert torch.equal(layer.eval()(inputs), trained)
        assert not list(layer.buffers())


def test_batch_norm_refuses_inputs_of_another_form():
    layer = BatchNormConfig(frozen=True).build(5)

    with pytest.raises(ValueError, match=r"expected \(N, C\) or \(N, C, H, W\), got \(2, 5, 3\)"):
        layer(torch.zeros(2, 5, 3))


@pytest.mark.parametrize(
    ("options", "mend"),
    [
        ({"frozen": True, "track_running_stats": False}, "set track_running_stats: true"),
        ({"frozen": True, "normalization_batch_size": 4}, "remove normalization_batch_size"),
    ],
)
def test_options_that_contradict_each_other_are_refused_with_the_mend(options, mend):
    with pytest.raises(ValidationError, match=mend):
        BatchNormConfig(**options)


@pytest.mark.parametrize("momentum", [0, -0.1, 1.1])
def test_a_momentum_that_is_no_share_is_refused(momentum):
    with pytest.raises(ValidationError):
        BatchNormConfig(momentum=momentum)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, 8),
        ({"normalization_batch_size": 2}, 2),
        ({"normalization_batch_size": 100}, 8),
        ({"frozen": True}, None),
        ({"track_running_stats": False}, 8),
    ],
)
def test_it_says_how_many_images_share_statistics(options, expected):
    assert BatchNormConfig(**options).statistics_batch(8) == expected


@pytest.mark.parametrize(
    ("options", "batch_size", "said"),
    [
        ({}, 1, "batch of 1"),
        ({}, 2, None),
        ({"frozen": True}, 1, None),
        ({"normalization_batch_size": 1}, 8, "normalization_batch_size of 1"),
        ({"normalization_batch_size": 2}, 8, None),
        ({"normalization_batch_size": 3}, 7, "normalization_batch_size of 1"),
        ({"normalization_batch_size": 3}, 8, None),
        ({"normalization_batch_size": 3}, 1, "batch of 1"),
    ],
)
def test_one_value_a_channel_is_told_before_training(options, batch_size, said):
    config = BatchNormConfig(**options)

    problem = config.find_problem((5, 1, 1), batch_size)
    assert (said in problem) if said else problem is None
    assert config.find_problem((5, 1, 2), batch_size) is None
    if batch_size > 1 or said is None:
        return
    with pytest.raises(ValueError, match="Expected more than 1 value per channel"):
        config.build(5)(torch.randn(batch_size, 5, 1, 1))


@pytest.mark.parametrize(
    ("memory_format", "tolerances"),
    [
        (torch.channels_last, (3e-6, 2e-5, 2e-4, 2e-3)),
        (torch.contiguous_format, (1e-7, 3e-7, 2e-6, 3e-5)),
    ],
    ids=["last", "first"],
)
def test_it_errs_no_more_than_is_documented(memory_format, tolerances):
    generator = torch.Generator().manual_seed(0)
    standard = torch.randn(128, 8, 16, 16, generator=generator)

    for mean, tolerance in zip((0, 3, 30, 300), tolerances, strict=True):
        inputs = (standard + mean).contiguous(memory_format=memory_format)
        variance, centre = torch.var_mean(inputs.double(), (0, 2, 3), correction=0, keepdim=True)
        exact = (inputs.double() - centre) / (variance + 1e-5).sqrt()
        error = (BatchNormConfig().build(8)(inputs) - exact).norm() / exact.norm()
        assert error < tolerance
