"""What a checkpoint's tensors must be before any of them is loaded."""

import itertools

import pytest
import torch
from torch import nn

from bnexp.runs import CheckpointError
from bnexp.training.saving.checkpoint import restore, write_tensors


def build(*widths):
    """Returns a network of linear layers and its optimiser, after one step."""
    model = nn.Sequential(*itertools.starmap(nn.Linear, itertools.pairwise(widths)))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    model(torch.ones(1, widths[0])).sum().backward()
    optimizer.step()
    return model, optimizer


@pytest.mark.parametrize(
    ("saved", "own", "problem"),
    [
        (build(2, 3), build(2, 3, 4), "is from another network: it lacks 1.bias"),
        (build(2, 3, 4), build(2, 3), "is from another network: it alone has 1.bias"),
        (
            build(2, 3),
            build(2, 4),
            "is from another network: 0.weight is (3, 2) of float32 there and (4, 2) of float32 "
            "here",
        ),
    ],
    ids=["fewer layers", "more layers", "another width"],
)
def test_a_checkpoint_of_another_network_is_refused_by_what_differs_first(saved, own, problem):
    model, optimizer = own
    before = {name: value.clone() for name, value in model.state_dict().items()}

    with pytest.raises(CheckpointError) as refused:
        restore(write_tensors(*saved), model, optimizer)
    assert str(refused.value) == problem
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_a_checkpoint_of_the_same_network_gives_its_tensors_and_momentum():
    (saved, first), (own, second) = build(2, 3), build(2, 3)
    restore(write_tensors(saved, first), own, second)

    for name, value in saved.state_dict().items():
        assert torch.equal(own.state_dict()[name], value)
    for number, slot in first.state_dict()["state"].items():
        found = second.state_dict()["state"][number]["momentum_buffer"]
        assert torch.equal(found, slot["momentum_buffer"])
