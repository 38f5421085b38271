"""A ReLU that waits for a pooling or overwrites what it gets changes no output or gradient."""

import collections
import contextlib
import copy
import itertools
from collections import OrderedDict

import pytest
import torch
from torch import nn

from bnexp.models.layers import GlobalAveragePool, Sequential
from bnexp.models.resnet.config import ORDERS, ResNetConfig
from bnexp.models.vgg.config import VggConfig
from bnexp.norms.batch.config import BatchNormConfig
from bnexp.norms.group.config import GroupNormConfig
from bnexp.norms.none.config import NoNormConfig


class Counting(torch.overrides.TorchFunctionMode):
    """Notes how many values each ReLU gets, and what is computed in place."""

    def __init__(self):
        super().__init__()
        self.sizes = []
        self.in_place = collections.Counter()

    def __torch_function__(self, function, types, args=(), kwargs=None):
        if function is nn.functional.relu:
            self.sizes.append(args[0].numel())
            self.in_place["relu"] += kwargs["inplace"]
        self.in_place["add"] += function is torch.Tensor.add_ and args[0].dim() == 4
        return function(*args, **(kwargs or {}))


def count(model, inputs):
    with Counting() as counting:
        model(inputs)
    return counting.sizes


def build():
    torch.manual_seed(0)
    block = Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU())
    plain = Sequential(nn.Conv2d(8, 8, 1), nn.ReLU())
    layers = OrderedDict(
        a=block, b=nn.MaxPool2d(2), c=plain, d=nn.MaxPool2d(3), e=nn.Conv2d(8, 2, 1)
    )
    return Sequential(layers).to(memory_format=torch.channels_last)


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
    block = Sequential(nn.Conv2d(3, 4, 1), relu, nn.Conv2d(4, 4, 1), relu)
    model = Sequential(block, nn.MaxPool2d(2))
    inputs = draw("any")

    assert torch.equal(model(inputs), nn.Sequential.forward(model, inputs))


def test_a_pooling_that_returns_indices_is_left_alone():
    model = Sequential(
        Sequential(nn.Conv2d(3, 4, 1), nn.ReLU()), nn.MaxPool2d(2, return_indices=True)
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
        block = Sequential(nn.Conv2d(3, channels, 3, padding=1), *norms, nn.ReLU())
        layers = Sequential(block, nn.MaxPool2d(size))
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


@contextlib.contextmanager
def observing_every_module():
    """Has each layer called where it stands, in memory of its own."""
    handle = nn.modules.module.register_module_forward_hook(lambda *_: None)
    try:
        yield
    finally:
        handle.remove()


@pytest.mark.parametrize("precision", [None, torch.bfloat16])
@pytest.mark.parametrize("norm", [BatchNormConfig(), GroupNormConfig(num_groups=4), NoNormConfig()])
@pytest.mark.parametrize("order", ORDERS)
def test_a_residual_network_computes_in_place_what_no_one_needs(order, norm, precision):
    cases = itertools.product(("identity", "projection"), (1, 3), (True, False))
    for shortcut, images, is_training in cases:
        config = ResNetConfig(depth=8, width=8, norm=norm, order=order, shortcut=shortcut)
        for memory_format in (torch.channels_last, torch.contiguous_format):
            torch.manual_seed(0)
            model = config.build((16, 16, 3), 10).to(memory_format=memory_format)
            model.train(is_training)
            twin = copy.deepcopy(model)
            inputs = torch.randn(images, 3, 16, 16).to(memory_format=memory_format)
            with torch.autocast("cpu", dtype=precision, enabled=precision is not None):
                found = run(model, model, inputs)
                with observing_every_module():
                    expected = run(twin, twin, inputs)
            assert all(map(torch.equal, found, expected)), (shortcut, images, is_training)
            assert all(map(torch.equal, model.buffers(), twin.buffers()))


def test_resnet_has_memory_of_its_own_for_no_relu_and_no_sum():
    model = ResNetConfig(depth=20).build((32, 32, 3), 10)
    with Counting() as counting:
        model(torch.randn(2, 3, 32, 32))

    assert len(counting.sizes) == counting.in_place["relu"] == 19
    assert counting.in_place["add"] == 9


@pytest.mark.parametrize("lasts", [True, False])
@pytest.mark.parametrize(
    "name",
    ["stem.norm1", "stages.1.1.branch", "stages.1.1.branch.norm2", "stages.1.1.add",
     "stages.1.1.after"],
)  # fmt: skip
def test_what_a_hook_has_seen_is_not_overwritten(name, lasts):
    model = ResNetConfig(depth=20).build((32, 32, 3), 10)
    kept = []

    def keep(module, given, outputs):
        kept.extend((one, one.clone()) for one in (*given, outputs))
        if not lasts:
            handle.remove()

    handle = model.get_submodule(name).register_forward_hook(keep)

    with torch.no_grad():  # where PyTorch notices nothing
        model(torch.randn(2, 3, 32, 32))

    assert len(kept) >= 2
    assert all(torch.equal(*pair) for pair in kept)


def test_a_hook_that_comes_while_a_layer_is_called_is_respected():
    model = ResNetConfig(depth=20).build((32, 32, 3), 10)
    norm, kept = model.get_submodule("stem.norm1"), []

    def come(module, given):
        norm.register_forward_hook(lambda _, __, outputs: kept.append((outputs, outputs.clone())))

    norm.register_forward_pre_hook(come)
    with torch.no_grad():
        model(torch.randn(2, 3, 32, 32))

    assert torch.equal(*kept[0])


@pytest.mark.parametrize("name", ["stem.norm1", "stages.1.1.branch.norm2", "stages.1.1.add"])
def test_what_another_forward_has_seen_is_not_overwritten(name):
    model = ResNetConfig(depth=20).build((32, 32, 3), 10)
    module, kept = model.get_submodule(name), []
    forward = module.forward

    def keep(*given):
        outputs = forward(*given)
        kept.append((outputs, outputs.clone()))
        return outputs

    module.forward = keep
    with torch.no_grad():
        model(torch.randn(2, 3, 32, 32))

    assert torch.equal(*kept[0])


def test_other_layers_in_a_blocks_place_are_called():
    class Half(nn.Module):
        def forward(self, shortcut, branch):
            return shortcut + 0.5 * branch

    model = ResNetConfig(depth=20).build((32, 32, 3), 10).eval()
    block, inputs = model.get_submodule("stages.0.1"), torch.randn(2, 16, 8, 8).relu()
    branch = block.branch(inputs)

    block.add = Half()
    assert torch.equal(block(inputs), (inputs + 0.5 * branch).relu())
    block.after = nn.Identity()
    assert torch.equal(block(inputs), inputs + 0.5 * branch)
    block.branch = nn.Identity()
    assert torch.equal(block(inputs), 1.5 * inputs)


@pytest.mark.parametrize("layer", ["conv", "norm"])
def test_networks_may_differ_in_one_weight_under_vmap(layer):
    config = ResNetConfig(depth=8, width=8, shortcut="projection")
    model, inputs = config.build((16, 16, 3), 10).eval(), torch.randn(3, 3, 16, 16)
    name = f"stages.1.0.shortcut.{layer}.weight"
    weights = torch.randn(2, *model.get_parameter(name).shape)

    def run_with(weight):
        return torch.func.functional_call(model, {name: weight}, (inputs,))

    found = torch.func.vmap(run_with)(weights)
    expected = torch.stack([run_with(weight) for weight in weights])
    torch.testing.assert_close(found, expected)


@pytest.mark.filterwarnings("ignore:`torch.jit.trace:FutureWarning")
@pytest.mark.filterwarnings("ignore:`torch.jit.trace:DeprecationWarning")
def test_nothing_in_place_is_traced():
    model = ResNetConfig(depth=8).build((16, 16, 3), 10).eval()

    traced = torch.jit.trace(model, torch.randn(2, 3, 16, 16))

    assert "add_(" not in str(traced.inlined_graph)
    assert "relu_(" not in str(traced.inlined_graph)
