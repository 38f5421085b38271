"""The residual network is the paper's: its size, its blocks and their five orders."""

import itertools
from typing import get_args

import pytest
import torch
from torch import nn
from torch.nn import functional
from torchvision.models.resnet import BasicBlock, Bottleneck

from bnexp.models.layers import Add, ZeroPaddedShortcut
from bnexp.models.resnet.config import ORDERS, Order, ResNetConfig
from bnexp.norms.batch.config import BatchNormConfig
from bnexp.norms.none.config import NoNormConfig

BATCH, NONE = BatchNormConfig(), NoNormConfig()
ORDER_NAMES = get_args(Order)


def build(num_classes=10, **fields):
    return ResNetConfig(**fields).build((32, 32, 3), num_classes)


def count_parameters(model):
    return sum(parameter.numel() for parameter in model.parameters())


def count_by_hand(depth, width=16, num_classes=10):
    """Weights of the convolutions, γ and β after each of them, and the linear layer."""
    n = (depth - 2) // 6
    pairs = [(3, width)] + [(width, width)] * 2 * n
    pairs += [(width, 2 * width)] + [(2 * width, 2 * width)] * (2 * n - 1)
    pairs += [(2 * width, 4 * width)] + [(4 * width, 4 * width)] * (2 * n - 1)
    assert len(pairs) + 1 == depth
    convolutions = sum(9 * inner * outer for inner, outer in pairs)
    norms = sum(2 * outer for _, outer in pairs)
    return convolutions + norms + (4 * width + 1) * num_classes


@pytest.mark.parametrize(
    ("depth", "expected", "published"),
    [
        (20, 269_722, "0.27M"),
        (32, 464_154, "0.46M"),
        (44, 658_586, "0.66M"),
        (56, 853_018, "0.85M"),
        (110, 1_727_962, "1.7M"),
    ],
)
def test_the_parameters_are_as_many_as_in_the_paper(depth, expected, published):
    parameters = count_parameters(build(depth=depth))

    digits = 1 if depth == 110 else 2
    assert parameters == expected == count_by_hand(depth)
    assert f"{parameters / 1e6:.{digits}f}M" == published


def count_bottlenecks_by_hand(depth, num_classes=10):
    """Stem, then per block three norms and convolutions, projections, last norm, linear layer."""
    n = (depth - 2) // 9
    total, seen = 27 * 16, 16
    for width in (16, 32, 64):
        total += seen * 4 * width
        for _ in range(n):
            total += 2 * seen + seen * width
            total += 2 * width + 9 * width * width
            total += 2 * width + width * 4 * width
            seen = 4 * width
    return total + 2 * seen + (seen + 1) * num_classes


@pytest.mark.parametrize(
    ("depth", "listed", "rounded"), [(164, 1_703_258, "1.7M"), (1001, 10_327_706, "10.3M")]
)
def test_preactivated_bottlenecks_have_the_parameters_of_the_authors_network(
    depth, listed, rounded
):
    # As pytorchcv lists them. The paper says 1.7M and 10.2M; the code that its authors point to
    # has 10.3M for 1001 layers, and without any projections it would have 10.29M.
    fields = {"block": "bottleneck", "order": "full_preactivation", "shortcut": "projection"}
    with torch.device("meta"):
        parameters = count_parameters(build(depth=depth, **fields))

    assert parameters == listed == count_bottlenecks_by_hand(depth)
    assert f"{parameters / 1e6:.1f}M" == rounded


@pytest.mark.parametrize("order", ORDER_NAMES)
def test_no_order_changes_the_number_of_parameters(order):
    assert count_parameters(build(order=order, width=4)) == count_by_hand(20, width=4)


def test_projections_add_two_convolutions_with_their_norms():
    added = count_parameters(build(shortcut="projection")) - count_parameters(build())

    assert added == (16 * 32 + 2 * 32) + (32 * 64 + 2 * 64)


def test_without_norm_every_convolution_has_a_bias_and_with_norm_none():
    def biases(norm):
        layers = build(norm=norm, depth=8, shortcut="projection").modules()
        return {layer.bias is not None for layer in layers if isinstance(layer, nn.Conv2d)}

    assert biases(BATCH) == {False}
    assert biases(NONE) == {True}


def leaf_kinds(block, inputs):
    """Returns what an input passes, in the order of the calls; shortcuts left out."""
    names = {nn.Conv2d: "conv", nn.BatchNorm2d: "norm", nn.ReLU: "activation", Add: "add"}
    passed = []
    for module in block.modules():
        if type(module) in names:
            module.register_forward_hook(lambda module, *_: passed.append(names[type(module)]))
    block(inputs)
    return passed


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ("original", "conv norm activation conv norm add activation"),
        ("norm_after_add", "conv norm activation conv add norm activation"),
        ("activation_before_add", "conv norm activation conv norm activation add"),
        ("activation_only_preactivation", "activation conv norm activation conv norm add"),
        ("full_preactivation", "norm activation conv norm activation conv add"),
    ],
)
def test_a_block_passes_its_layers_in_the_order_of_figure_4(order, expected):
    block = build(order=order, depth=14, width=4).blocks[1]

    assert leaf_kinds(block, torch.randn(2, 4, 8, 8)) == expected.split()


def norm(inputs):
    return functional.batch_norm(inputs, None, None, training=True)


def compute_block(order, x, first, *others):
    """Figure 4 of the paper in formulas."""
    relu = functional.relu

    def convolve(inputs):
        features = first(inputs)
        for conv in others:
            features = conv(relu(norm(features)))
        return features

    if order == "original":
        return relu(x + norm(convolve(x)))
    if order == "norm_after_add":
        return relu(norm(x + convolve(x)))
    if order == "activation_before_add":
        return x + relu(norm(convolve(x)))
    if order == "activation_only_preactivation":
        return x + norm(convolve(relu(x)))
    return x + convolve(relu(norm(x)))


@pytest.mark.parametrize(("block", "depth", "channels"), [("basic", 14, 4), ("bottleneck", 20, 16)])
@pytest.mark.parametrize("order", ORDER_NAMES)
def test_a_block_computes_the_formula_of_its_order(order, block, depth, channels):
    second = build(order=order, block=block, depth=depth, width=4).blocks[1]
    inputs = torch.randn(3, channels, 8, 8)

    expected = compute_block(order, inputs, *second.convolutions)
    torch.testing.assert_close(second(inputs), expected)


@pytest.mark.parametrize("order", ["activation_only_preactivation", "full_preactivation"])
@pytest.mark.parametrize(("index", "shortcut"), [(0, "identity"), (1, "projection")])
def test_a_preactivation_block_that_starts_the_stream_or_projects_splits_late(
    order, index, shortcut
):
    # The first unit activates before it splits, and a projection sees what the branch sees.
    block = build(order=order, depth=8, width=4, shortcut=shortcut).blocks[index]
    inputs = torch.randn(3, 4, 8, 8)

    seen = functional.relu(norm(inputs) if order == "full_preactivation" else inputs)
    conv1, conv2 = block.convolutions
    branch = conv2(functional.relu(norm(conv1(seen))))
    branch = branch if order == "full_preactivation" else norm(branch)
    torch.testing.assert_close(block(inputs), block.shortcut(seen) + branch)


@pytest.mark.parametrize("order", ["activation_only_preactivation", "full_preactivation"])
def test_preactivation_networks_end_with_an_activation(order):
    tail = build(order=order, depth=8, width=4).tail

    assert isinstance(tail[-1], nn.ReLU)
    assert [isinstance(layer, nn.BatchNorm2d) for layer in tail[:-1]] == (
        [True] if order == "full_preactivation" else []
    )


@pytest.mark.parametrize("stride", [1, 2])
def test_the_original_block_with_projection_is_torchvisions_basic_block(stride):
    block = build(depth=14, width=8, shortcut="projection").blocks[2 if stride == 2 else 1]
    inner, outer = (8, 16) if stride == 2 else (8, 8)
    downsample = None
    if stride == 2:
        downsample = nn.Sequential(nn.Conv2d(8, 16, 1, 2, bias=False), nn.BatchNorm2d(16))
    theirs = BasicBlock(inner, outer, stride, downsample)
    names = {"conv1": "branch.conv1", "bn1": "branch.norm1", "conv2": "branch.conv2"}
    names |= {"bn2": "branch.norm2", "downsample.0": "shortcut.conv"}
    names |= {"downsample.1": "shortcut.norm"}
    ours = block.state_dict()
    theirs.load_state_dict(
        {key: ours[f"{names[key.rpartition('.')[0]]}.{key.rpartition('.')[2]}"]
         for key in theirs.state_dict()}
    )  # fmt: skip
    inputs = torch.randn(4, 8, 8, 8)

    torch.testing.assert_close(block(inputs), theirs(inputs))
    torch.testing.assert_close(block.eval()(inputs), theirs.eval()(inputs))


def test_the_original_bottleneck_with_projection_is_torchvisions():
    block = build(block="bottleneck", depth=11, width=4, shortcut="projection").blocks[0]
    downsample = nn.Sequential(nn.Conv2d(4, 16, 1, bias=False), nn.BatchNorm2d(16))
    theirs = Bottleneck(4, 4, 1, downsample)
    names = {f"conv{i}": f"branch.conv{i}" for i in (1, 2, 3)}
    names |= {f"bn{i}": f"branch.norm{i}" for i in (1, 2, 3)}
    names |= {"downsample.0": "shortcut.conv", "downsample.1": "shortcut.norm"}
    ours = block.state_dict()
    theirs.load_state_dict(
        {key: ours[f"{names[key.rpartition('.')[0]]}.{key.rpartition('.')[2]}"]
         for key in theirs.state_dict()}
    )  # fmt: skip
    inputs = torch.randn(4, 4, 8, 8)

    torch.testing.assert_close(block(inputs), theirs(inputs))
    torch.testing.assert_close(block.eval()(inputs), theirs.eval()(inputs))


def test_a_bottleneck_halves_the_image_in_its_first_convolution_as_the_authors_do():
    blocks = build(block="bottleneck", depth=11, width=4).blocks

    strides = [[conv.stride[0] for conv in block.convolutions] for block in blocks]
    assert strides == [[1, 1, 1], [2, 1, 1], [2, 1, 1]]
    kernels = [conv.kernel_size[0] for conv in blocks[0].convolutions]
    assert kernels == [1, 3, 1]
    assert blocks[2](torch.zeros(2, 32, 8, 8)).shape == (2, 64, 4, 4)


def test_the_identity_shortcut_takes_every_second_pixel_and_appends_zeros():
    inputs = torch.randn(2, 3, 5, 7)

    outputs = ZeroPaddedShortcut(3, 8, 2)(inputs)
    assert outputs.shape == (2, 8, 3, 4)
    assert torch.equal(outputs[:, :3], inputs[:, :, ::2, ::2])
    assert not outputs[:, 3:].any()


@pytest.mark.parametrize("shape", [(32, 32, 3), (33, 17, 1)])
@pytest.mark.parametrize("block", ["basic", "bottleneck"])
@pytest.mark.parametrize("shortcut", ["identity", "projection"])
@pytest.mark.parametrize("order", ORDER_NAMES)
def test_norm_sites_are_what_the_norms_see(order, shortcut, block, shape):
    depth = 14 if block == "basic" else 20
    config = ResNetConfig(block=block, depth=depth, width=3, order=order, shortcut=shortcut)
    model = config.build(shape, 10)
    seen = []
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.register_forward_hook(lambda _, inputs, __: seen.append(inputs[0].shape[1:]))
    height, width, channels = shape
    model(torch.zeros(2, channels, height, width))

    sites = [site.shape for site in config.norm_sites(shape)]
    assert sorted(sites) == sorted(tuple(size) for size in seen)


def test_the_stages_halve_the_image_and_double_the_channels():
    stages = build(depth=20, width=4).stages
    features, sizes = torch.zeros(1, 4, 32, 32), []
    for stage in stages.eval():
        features = stage(features)
        sizes.append(tuple(features.shape[1:]))

    assert sizes == [(4, 32, 32), (8, 16, 16), (16, 8, 8)]
    assert [len(stage) for stage in stages] == [3, 3, 3]


def test_the_convolutions_have_the_same_names_in_every_variant():
    variants = itertools.chain(
        (
            ResNetConfig(depth=8, order=order, norm=norm)
            for order in ORDERS
            for norm in (BATCH, NONE)
        ),
        (ResNetConfig(depth=8, norm=NONE, residual=kind) for kind in ("skipinit", "fixup")),
    )
    names = {
        tuple(
            name
            for name, module in config.build((32, 32, 3), 10).named_modules()
            if isinstance(module, nn.Conv2d | nn.Linear)
        )
        for config in variants
    }

    assert len(names) == 1
