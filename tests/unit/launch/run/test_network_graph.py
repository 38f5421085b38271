"""The graph of a network: its operations, nested as its modules are."""

import copy

import pytest
import torch
from torch import nn

from bnexp.launch.run.network_graph import trace_network


class Block(nn.Module):
    """A convolution with batch norm, added to its input."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(3)
        self.dropout = nn.Dropout(0.5)

    def forward(self, inputs):
        return inputs + self.dropout(self.norm(self.conv(inputs)))


def build_network():
    return nn.Sequential(Block(), nn.Flatten(), nn.Linear(48, 10))


INPUTS = torch.zeros(2, 3, 4, 4)


def test_operations_are_nested_as_the_modules_are():
    nodes = {node.name: node for node in trace_network(build_network(), INPUTS)}

    convolution = nodes["Block[0]/Conv2d[conv]/conv2d"]
    assert convolution.operation == "aten.conv2d.default"
    assert convolution.inputs == ("input", "Block[0]/Conv2d[conv]/weight")
    assert convolution.shape == (2, 3, 4, 4)
    assert nodes["Linear[2]/linear"].shape == (2, 10)


def test_every_input_is_a_node_of_the_graph():
    nodes = trace_network(build_network(), INPUTS)

    names = [node.name for node in nodes]
    assert len(set(names)) == len(names)
    assert {parent for node in nodes for parent in node.inputs} <= set(names)


def test_the_network_and_the_random_state_stay_as_they_are():
    model = build_network()
    model[0].norm.eval()
    before, modes = copy.deepcopy(model.state_dict()), [part.training for part in model.modules()]
    random_state = torch.get_rng_state()

    trace_network(model, INPUTS)

    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    assert [part.training for part in model.modules()] == modes
    assert torch.equal(torch.get_rng_state(), random_state)


def test_a_network_that_was_compiled_can_be_traced():
    model = build_network()
    model.compile()

    assert len(trace_network(model, INPUTS)) == len(trace_network(build_network(), INPUTS))


def test_a_network_that_looks_at_its_values_is_not_traced():
    class Fickle(nn.Module):
        def forward(self, inputs):
            return inputs if inputs.sum() > 0 else -inputs

    with pytest.raises(Exception):  # noqa: B017, PT011 - whatever torch.export raises
        trace_network(Fickle(), INPUTS)
