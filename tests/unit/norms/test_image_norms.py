"""Layer, instance and group norm against PyTorch's layers, the formula, and each other."""

import re

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch import nn

from bnexp.errors import UsageError
from bnexp.norms.group.config import GroupNormConfig
from bnexp.norms.instance.config import InstanceNormConfig
from bnexp.norms.layer.config import LayerNormConfig

C = 12


def make_inputs(*size):
    torch.manual_seed(0)
    return torch.randn(5, C, *size) * 3 + 2


def with_parameters(*layers):
    """Gives layers the same γ and β."""
    torch.manual_seed(1)
    weight, bias = torch.rand(C), torch.randn(C)
    for layer in layers:
        layer.weight.data, layer.bias.data = weight.clone(), bias.clone()
    return layers


def compute(inputs, groups, weight, bias, eps=1e-5):
    """The definition, in NumPy: one mean and biased variance an image and group."""
    x = inputs.double().numpy()
    grouped = x.reshape(len(x), groups, -1)
    mean = grouped.mean(-1, keepdims=True)
    variance = ((grouped - mean) ** 2).mean(-1, keepdims=True)
    y = ((grouped - mean) / np.sqrt(variance + eps)).reshape(x.shape)
    along = (C, *[1] * (x.ndim - 2))
    return torch.tensor(
        y * weight.detach().numpy().reshape(along) + bias.detach().numpy().reshape(along)
    )


@pytest.mark.parametrize(
    ("config", "groups"),
    [
        (LayerNormConfig(), 1),
        (InstanceNormConfig(), C),
        (GroupNormConfig(num_groups=4), 4),
        (GroupNormConfig(channels_per_group=2), 6),
        (GroupNormConfig(num_groups=3, eps=0.5), 3),
    ],
    ids=str,
)
@pytest.mark.parametrize(
    "memory_format", [torch.contiguous_format, torch.channels_last], ids=["first", "last"]
)
def test_the_output_is_that_of_the_definition(config, groups, memory_format):
    inputs = make_inputs(4, 3).contiguous(memory_format=memory_format)
    (layer,) = with_parameters(config.build(C))

    expected = compute(inputs, groups, layer.weight, layer.bias, config.eps)
    torch.testing.assert_close(layer(inputs).double(), expected, rtol=1e-5, atol=1e-5)


def test_layer_norm_is_group_norm_with_one_group():
    ours, torchs = with_parameters(LayerNormConfig().build(C), nn.GroupNorm(1, C))

    assert torch.equal(ours(make_inputs(4, 3)), torchs(make_inputs(4, 3)))
    (group,) = with_parameters(GroupNormConfig(num_groups=1).build(C))
    assert torch.equal(ours(make_inputs(4, 3)), group(make_inputs(4, 3)))


def test_layer_norm_over_features_is_pytorchs_layer_norm():
    ours, torchs = with_parameters(LayerNormConfig().build(C, 1), nn.LayerNorm(C))

    torch.testing.assert_close(ours(make_inputs()), torchs(make_inputs()))


def test_layer_norm_of_feature_maps_is_pytorchs_without_its_parameters_a_pixel():
    ours = LayerNormConfig(affine=False).build(C)

    expected = nn.functional.layer_norm(make_inputs(4, 3), (C, 4, 3))
    torch.testing.assert_close(ours(make_inputs(4, 3)), expected)


def test_instance_norm_is_pytorchs_with_parameters_and_group_norm_of_single_channels():
    ours, torchs, group = with_parameters(
        InstanceNormConfig().build(C),
        nn.InstanceNorm2d(C, affine=True),
        GroupNormConfig(num_groups=C).build(C),
    )

    torch.testing.assert_close(ours(make_inputs(4, 3)), torchs(make_inputs(4, 3)))
    assert torch.equal(ours(make_inputs(4, 3)), group(make_inputs(4, 3)))
    assert not list(ours.buffers())


def test_group_norm_is_pytorchs():
    ours, torchs = with_parameters(GroupNormConfig(num_groups=4).build(C), nn.GroupNorm(4, C))

    assert torch.equal(ours(make_inputs(4, 3)), torchs(make_inputs(4, 3)))
    assert torch.equal(ours(make_inputs()), torchs(make_inputs()))


def test_group_norm_has_the_papers_32_groups_unless_told_otherwise():
    assert GroupNormConfig().build(64).num_groups == 32
    assert GroupNormConfig(channels_per_group=16).build(64).num_groups == 4


def test_groups_are_given_in_one_way():
    with pytest.raises(ValidationError, match="say the same; give one of them"):
        GroupNormConfig(num_groups=4, channels_per_group=3)


@pytest.mark.parametrize(
    ("options", "shape", "said"),
    [
        ({}, (64, 4, 4), None),
        ({}, (16, 4, 4), "num_groups: 32 does not divide the 16 channels; num_groups: 8 fits "),
        ({}, (16, 1, 1), "num_groups: 32 does not divide the 16 channels; num_groups: 8 fits "),
        ({}, (48, 4, 4), "num_groups: 32 does not divide the 48 channels; num_groups: 24 fits "),
        (
            {"num_groups": 8},
            (20, 4, 4),
            "does not divide .*; num_groups: 10 fits ",
        ),
        (
            {"num_groups": 12},
            (12, 1, 1),
            "num_groups: 12 leaves one value per group .*; num_groups: 6 fits ",
        ),
        ({"num_groups": 12}, (12, 1, 2), None),
        ({"channels_per_group": 16}, (24, 4, 4), "; channels_per_group: 12 fits "),
        (
            {"channels_per_group": 1},
            (24, 1, 1),
            "leaves one value per group .*; channels_per_group: 2 fits ",
        ),
        ({"channels_per_group": 8}, (24, 1, 1), None),
        ({"num_groups": 1}, (1, 1, 1), "one value per group"),
        ({}, (5, 4, 4), r"; num_groups: 5 fits \(one channel per group, as in instance norm\)$"),
        ({}, (5, 1, 1), r"; num_groups: 1 fits \(one group, as in layer norm\)$"),
    ],
)
def test_groups_that_do_not_divide_the_channels_are_told_with_the_nearest_that_do(
    options, shape, said
):
    problem = GroupNormConfig(**options).find_problem(shape, batch_size=8)

    if said is None:
        assert problem is None
    else:
        with pytest.raises(UsageError, match=said):
            raise UsageError(problem)


@pytest.mark.parametrize(
    ("options", "channels", "fix"),
    [
        ({}, (16, 20), "num_groups: 4 fits every layer (or channels_per_group: 4)"),
        ({}, (16, 16), "num_groups: 8 fits every layer (or channels_per_group: 8)"),
        ({}, (2, 6), "channels_per_group: 2 fits every layer"),
        ({}, (3, 4), "num_groups: 1 fits every layer (one group, as in layer norm)"),
        (
            {"channels_per_group": 16},
            (3, 4),
            "channels_per_group: 1 fits every layer (one channel per group, as in instance norm)",
        ),
        ({}, (1, 16), "num_groups: 1 fits every layer (one group, as in layer norm)"),
    ],
)
def test_a_size_is_proposed_that_fits_every_layer(options, channels, fix):
    shapes = [(each, 4, 4) for each in channels]

    problem = GroupNormConfig(**options).explain_misfit(shapes[0], shapes)

    assert problem.split("; ")[1] == fix


@pytest.mark.parametrize("key", ["num_groups", "channels_per_group"])
@pytest.mark.parametrize("size", [3, 32])
@pytest.mark.parametrize("pixels", [(1, 1), (4, 4)])
@pytest.mark.parametrize("channels", [(16, 20), (5, 5, 5), (2, 6), (7, 16), (48, 64, 96)])
def test_every_proposed_size_can_be_built_and_used(channels, pixels, size, key):
    shapes = [(each, *pixels) for each in channels]
    norm = GroupNormConfig(**{key: size})
    problems = [problem for shape in shapes if (problem := norm.explain_misfit(shape, shapes))]

    proposed = [
        pair
        for problem in problems
        for pair in re.findall(r"(num_groups|channels_per_group): (\d+)", problem.split("; ")[1])
    ]

    assert len(proposed) >= len(problems)
    for name, value in proposed:
        for shape in shapes:
            layer = GroupNormConfig(**{name: int(value)}).build(shape[0])
            assert layer(torch.randn(2, *shape)).isfinite().all()


def test_no_size_is_proposed_if_a_layer_has_a_single_value():
    problem = GroupNormConfig().explain_misfit((16, 1, 1), [(16, 1, 1), (1, 1, 1)])

    assert problem.endswith("no size fits every layer, since one has 1 channel of 1×1 pixels")


def test_groups_that_do_not_divide_are_not_built():
    with pytest.raises(UsageError, match="num_groups: 32 does not divide the 16 channels"):
        GroupNormConfig().build(16)
    with pytest.raises(UsageError, match="channels_per_group: 16 does not divide"):
        GroupNormConfig(channels_per_group=16).build(24)


def test_instance_norm_has_no_form_for_features_and_needs_two_pixels():
    with pytest.raises(UsageError, match=r"one value per channel and image .*; use another norm"):
        InstanceNormConfig().build(C, 1)
    assert "1×1 pixels" in InstanceNormConfig().find_problem((C, 1, 1), 8)
    assert InstanceNormConfig().find_problem((C, 1, 2), 8) is None


def test_layer_norm_needs_two_values():
    assert "one value per image" in LayerNormConfig().find_problem((1, 1, 1), 8)
    assert LayerNormConfig().find_problem((2, 1, 1), 1) is None


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (InstanceNormConfig(), True),
        (LayerNormConfig(), False),
        (GroupNormConfig(num_groups=C), True),
        (GroupNormConfig(num_groups=4), False),
        (GroupNormConfig(channels_per_group=1), True),
        (GroupNormConfig(channels_per_group=2), False),
    ],
    ids=str,
)
def test_it_says_where_the_mean_over_space_is_the_same_for_all_images(config, expected):
    means = config.build(C)(make_inputs(4, 3)).mean((2, 3))

    assert torch.allclose(means, torch.zeros(5, C), atol=1e-6) == expected
    assert config.fixes_channel_means(C, batch_size=5) == expected


@pytest.mark.parametrize(("mean", "tolerance"), [(0, 2e-6), (10, 1e-3), (100, 5e-2)])
def test_the_channels_last_kernel_errs_no_more_than_is_documented(mean, tolerance):
    inputs = make_inputs(16, 16) / 3 + mean
    layer = LayerNormConfig().build(C)

    exact = compute(inputs, 1, layer.weight, layer.bias)
    outputs = layer(inputs.contiguous(memory_format=torch.channels_last))
    assert (outputs - exact).abs().max() < tolerance
