"""A ReLU that waits for the pooling after it changes no output and no gradient."""

import copy
import itertools
from collections import OrderedDict

import pytest
import torch
from torch import nn

from bnexp.models.layers import GlobalAveragePool, PooledLayers
from bnexp.models.vgg.config import VggConfig


class Counting(torch.overrides.TorchFunctionMode):
    """Notes how many values each ReLU gets."""

    def __init__(self):
        super().__init__()
        self.sizes = []

    def __torch_function__(self, function, types, args=(), kwargs=None):
        if function is nn.functional.relu:
            self.sizes.append(args[0].numel())
        return function(*args, **(kwargs or {}))


def count(model, inputs):
    with Counting() as counting:
        model(inputs)
    return counting.sizes


def build():
    torch.manual_seed(0)
    block = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU())
    plain = nn.Sequential(nn.Conv2d(8, 8, 1), nn.ReLU())
    layers = OrderedDict(
        a=block, b=nn.MaxPool2d(2), c=plain, d=nn.MaxPool2d(3), e=nn.Conv2d(8, 2, 1)
    )
    return PooledLayers(layers).to(memory_format=torch.channels_last)


def run(forward, model, inputs):
    """Returns outputs and all gradients."""
    inputs = inputs.detach().clone().requires_grad_()
    model.zero_grad()
    outputs = forward(inputs)
    weights = torch.arange(outputs.numel(), dtype=torch.float32).reshape(outputs.shape) + 1
    (outputs * weights).sum().backward()
    found = [outputs.detach(), inputs.grad, *(one.grad for one in model.parameters())]
    return [one.clone().nan_to_num(nan=12345.0) for one in found]


def draw(kind):
    inputs = torch.randn(4, 3, 14, 14).to(memory_format=torch.channels_last)
    if kind == "ties":
        inputs = inputs.round()
    if kind == "not a number":
        inputs[0, 0, 3, 3] = torch.nan
        inputs[1, 1, 4, 4] = torch.inf
    return inputs


KINDS = ("any", "ties", "negative", "zero")


@pytest.mark.parametrize(
    ("kind", "is_training"),
    # In training, one value that is no number would make all of them none.
    [*itertools.product(KINDS, (True, False)), ("not a number", False)],
)
@pytest.mark.parametrize("precision", [None, torch.bfloat16])
def test_outputs_and_gradients_are_those_of_the_layers_in_a_row(kind, precision, is_training):
    model = build().train(is_training)
    if kind in ("negative", "zero"):
        norm = model.get_submodule("a.1")
        nn.init.constant_(norm.bias, -10.0 if kind == "negative" else -0.0)
        nn.init.constant_(norm.weight, 1.0 if kind == "negative" else 0.0)
    twin = copy.deepcopy(model)
    inputs = draw(kind)

    with torch.autocast("cpu", dtype=precision, enabled=precision is not None):
        found = run(model, model, inputs)
        expected = run(lambda values: nn.Sequential.forward(twin, values), twin, inputs)

    assert all(map(torch.equal, found, expected))
    assert count(model, inputs) == [4 * 8 * 7 * 7, 4 * 8 * 2 * 2]


def test_a_relu_that_stands_twice_in_a_block_is_taken_twice():
    torch.manual_seed(0)
    relu = nn.ReLU()
    block = nn.Sequential(nn.Conv2d(3, 4, 1), relu, nn.Conv2d(4, 4, 1), relu)
    model = PooledLayers(block, nn.MaxPool2d(2))
    inputs = draw("any")

    assert torch.equal(model(inputs), nn.Sequential.forward(model, inputs))


def test_a_pooling_that_returns_indices_is_left_alone():
    model = PooledLayers(
        nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU()), nn.MaxPool2d(2, return_indices=True)
    )

    outputs, indices = model(draw("any"))

    assert outputs.shape == indices.shape


def test_a_traced_network_has_the_layers_in_their_order():
    traced = torch.fx.symbolic_trace(build())

    names = [node.target for node in traced.graph.nodes if node.op == "call_module"]
    assert names == ["a.0", "a.1", "a.2", "b", "c.0", "c.1", "d", "e"]


FOLLOWERS = {
    "mean": lambda channels, side: [GlobalAveragePool(), nn.Linear(channels, 3)],
    "all": lambda channels, side: [nn.Flatten(), nn.Linear(channels * side**2, 3)],
    "dropout": lambda channels, side: [nn.Dropout(0.5), nn.Conv2d(channels, 3, 1)],
    "convolution": lambda channels, side: [nn.Conv2d(channels, 3, 3, padding=1), nn.BatchNorm2d(3)],
    "norm": lambda channels, side: [nn.GroupNorm(1, channels), nn.Conv2d(channels, 3, 1)],
}


@pytest.mark.parametrize("follower", FOLLOWERS)
@pytest.mark.parametrize("memory_format", [torch.channels_last, torch.contiguous_format])
def test_so_are_those_of_what_follows_whatever_the_layout_in_memory(follower, memory_format):
    cases = itertools.product((1, 2, 4, 16), (2, 3, 12), (True, False), (1, 5))
    for channels, size, norm, images in cases:
        if images == 1 and size == 12:
            continue  # a norm of one value
        torch.manual_seed(0)
        norms = [nn.BatchNorm2d(channels)] if norm else []
        block = nn.Sequential(nn.Conv2d(3, channels, 3, padding=1), *norms, nn.ReLU())
        layers = PooledLayers(block, nn.MaxPool2d(size))
        rest = FOLLOWERS[follower](channels, 12 // size)
        model = nn.Sequential(layers, *rest).to(memory_format=memory_format)
        inputs = torch.randn(images, 3, 12, 12).to(memory_format=memory_format)

        def run_all(forward, model=model, rest=rest, inputs=inputs):
            torch.manual_seed(1)
            return run(lambda values: nn.Sequential(*rest)(forward(values)), model, inputs)

        found = run_all(layers)
        expected = run_all(lambda values, layers=layers: nn.Sequential.forward(layers, values))
        assert all(map(torch.equal, found, expected)), (channels, size, norm, images)


@pytest.mark.parametrize("name", ["a", "a.2", "b"])
@pytest.mark.parametrize(
    "hook", ["forward_hook", "forward_pre_hook", "full_backward_hook", "full_backward_pre_hook"]
)
def test_a_layer_that_is_observed_is_called_where_it_stands(name, hook):
    model, shapes = build(), []
    module = model.get_submodule(name)
    handle = getattr(module, f"register_{hook}")(lambda *_: shapes.append(1) and None)
    inputs = draw("any").requires_grad_()

    model(inputs).sum().backward()

    assert shapes
    assert count(model, inputs)[0] == 4 * 8 * 14 * 14
    handle.remove()
    assert count(model, inputs)[0] == 4 * 8 * 7 * 7


def test_a_global_hook_sees_every_layer_where_it_stands():
    seen = []
    handle = nn.modules.module.register_module_forward_hook(
        lambda module, *_: seen.append(type(module).__name__)
    )
    build()(draw("any"))
    handle.remove()

    assert seen.index("ReLU") < seen.index("MaxPool2d")


def test_what_is_exported_has_the_layers_in_their_order():
    exported = torch.export.export(build().eval(), (draw("any"),))
    names = [str(node.target) for node in exported.graph.nodes if node.op == "call_function"]

    kinds = [name for name in names if "relu" in name or "max_pool" in name]
    assert ["relu" in kind for kind in kinds] == [True, False, True, False]


def test_vgg_pools_before_it_takes_the_activation():
    model = VggConfig(depth=11).build((32, 32, 3), 10).eval()

    sizes = count(model, torch.zeros(1, 3, 32, 32))

    # Of eight activations five stand before a pooling.
    assert sizes == [64 * 16**2, 128 * 8**2, 256 * 8**2, 256 * 4**2, 512 * 4**2, 512 * 2**2,
                     512 * 2**2, 512]  # fmt: skip
