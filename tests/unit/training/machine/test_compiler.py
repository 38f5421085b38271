"""Networks of many cells that one process compiles."""

import pytest
import torch
from torch import nn
from toy_training import build_dataset, configure

from bnexp.models.cnn.config import CnnConfig, ConvLayer, PoolLayer
from bnexp.training.setup import build_parts


@pytest.fixture
def compiled(monkeypatch):
    """The graphs that reach the compiler's back end, which here runs them as they are."""
    graphs, compile_module = [], nn.Module.compile

    def keep(graph, inputs):
        graphs.append(graph)
        return graph.forward

    torch.compiler.reset()
    monkeypatch.setattr(nn.Module, "compile", lambda module: compile_module(module, backend=keep))
    yield graphs
    torch.compiler.reset()


def passes_compiled(graphs, width, seed=0):
    """Returns how many graphs a network of this width has in training and in evaluation."""
    config = configure(compile=True)
    layers = (ConvLayer(conv=width), PoolLayer(pool="max"), ConvLayer(conv=width))
    model = CnnConfig(layers=layers, norm=config.model.norm)
    train = config.train.model_copy(update={"seed": seed})
    config = config.model_copy(update={"model": model, "train": train})
    network = build_parts(config, build_dataset(), torch.device("cpu")).learner.model
    before = len(graphs)
    with torch.no_grad():
        for mode in (True, False):
            network.train(mode)(torch.zeros(4, 3, 8, 8))
    return len(graphs) - before


def test_the_network_of_every_cell_is_compiled(compiled):
    assert [passes_compiled(compiled, width) for width in range(4, 14)] == [2] * 10


def test_seeds_of_a_cell_share_what_was_compiled(compiled):
    assert [passes_compiled(compiled, 4, seed) for seed in range(3)] == [2, 0, 0]
