"""The bytes that training holds, against counts by hand."""

import gc

import pytest
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint
from toy_training import CPU, Notes, build_dataset, configure

from bnexp.config.optim import AdamWConfig, SgdConfig
from bnexp.norms.batch.config import BatchNormConfig
from bnexp.norms.none.config import NoNormConfig
from bnexp.training.loop import Training
from bnexp.training.memory import count_training_bytes
from bnexp.training.setup import build_parts
from bnexp.training.step import train_step

FP32, INT64 = 4, 8


class Tiny(nn.Module):
    """A 3×3 convolution of 2 into 4 channels, batch norm, ReLU, and 5 classes; no biases."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(2, 4, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(4)
        self.head = nn.Linear(4 * 6 * 6, 5, bias=False)

    def forward(self, inputs):
        return self.head(torch.relu(self.norm(self.conv(inputs))).flatten(1))


def count(model, optimizer, inputs, classes, precision="fp32"):
    batch = inputs, torch.arange(len(inputs)) % classes
    train_step(model, optimizer, batch, precision)
    return count_training_bytes(model, optimizer, batch, precision)


def sgd(model, momentum=0.0):
    return torch.optim.SGD(model.parameters(), 0.1, momentum=momentum)


def test_a_linear_layer_holds_what_one_counts_by_hand():
    model = nn.Linear(3, 2)
    parameters = (2 * 3 + 2) * FP32
    inputs = 4 * 3 * FP32
    # The log of the softmax, the targets, and the sum of the images' weights.
    loss = 4 * 2 * FP32 + 4 * INT64 + FP32

    expected = 2 * parameters + inputs + loss
    assert count(model, sgd(model), torch.randn(4, 3), 2) == expected


def test_convolution_batch_norm_and_relu_hold_what_one_counts_by_hand():
    model = Tiny()
    parameters = (4 * 2 * 9 + 4 + 4 + 5 * 144) * FP32
    buffers = 2 * 4 * FP32 + INT64
    images, values = 8 * 2 * 36 * FP32, 8 * 4 * 36 * FP32
    # The convolution keeps the images, the norm its inputs, mean and deviation, ReLU its
    # outputs, which are the linear layer's inputs too.
    saved = images + values + 2 * 4 * FP32 + values
    loss = 8 * 5 * FP32 + 8 * INT64 + FP32

    expected = 2 * parameters + buffers + saved + loss
    assert count(model, sgd(model), torch.randn(8, 2, 6, 6), 5) == expected


@pytest.mark.parametrize(
    ("build", "slots"),
    [
        (lambda model: sgd(model, momentum=0.9), 8 * FP32),
        # Two moments, and a count of steps per parameter.
        (lambda model: torch.optim.AdamW(model.parameters()), 2 * 8 * FP32 + 2 * FP32),
    ],
    ids=["momentum", "adamw"],
)
def test_the_optimisers_state_counts(build, slots):
    inputs, plain = torch.randn(4, 3), nn.Linear(3, 2)
    model = nn.Linear(3, 2)

    less = count(plain, sgd(plain), inputs, 2)
    assert count(model, build(model), inputs, 2) == less + slots


def test_frozen_parameters_have_no_gradient():
    model, frozen = nn.Linear(3, 2), nn.Linear(3, 2)
    frozen.bias.requires_grad_(False)
    inputs = torch.randn(4, 3)

    assert count(model, sgd(model), inputs, 2) - count(frozen, sgd(frozen), inputs, 2) == 2 * FP32


def test_activations_that_are_computed_again_do_not_count():
    class Thrifty(Tiny):
        def forward(self, inputs):
            return checkpoint(super().forward, inputs, use_reentrant=False)

    model, thrifty, inputs = Tiny(), Thrifty(), torch.randn(8, 2, 6, 6)
    values = 8 * 4 * 36 * FP32

    assert count(model, sgd(model), inputs, 5) > count(thrifty, sgd(thrifty), inputs, 5) + values


def test_counting_changes_nothing():
    model, inputs = Tiny().eval(), torch.randn(8, 2, 6, 6)
    optimizer = sgd(model, momentum=0.9)
    count(model, optimizer, inputs, 5)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    count_training_bytes(model, optimizer, (inputs, torch.arange(8) % 5), "fp32")

    assert not model.training
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name]), name


def train(config):
    parts = build_parts(config, build_dataset(), CPU)
    return Training(config, parts, Notes(), lambda: False).run()


def test_a_run_holds_the_same_whatever_was_trained_before():
    alone = train(configure()).training_memory_bytes
    train(configure(optim=AdamWConfig()))

    assert train(configure()).training_memory_bytes == alone


def test_batch_norm_holds_more_than_no_norm_and_adamw_more_than_sgd():
    plain = train(configure(norm=NoNormConfig(), optim=SgdConfig()))
    normed = train(configure(norm=BatchNormConfig(), optim=SgdConfig()))
    adaptive = train(configure(norm=NoNormConfig(), optim=AdamWConfig()))

    assert normed.training_memory_bytes > plain.training_memory_bytes
    assert adaptive.training_memory_bytes > plain.training_memory_bytes


def test_bf16_holds_less():
    half = train(configure(precision="bf16")).training_memory_bytes
    assert half < train(configure()).training_memory_bytes


def list_tensors():
    gc.collect()
    return {id(one) for one in gc.get_objects() if issubclass(type(one), torch.Tensor)}


def test_counting_leaves_no_tensor_behind():
    model = Tiny()
    optimizer = sgd(model, momentum=0.9)
    count(model, optimizer, torch.randn(8, 2, 6, 6), 5)
    optimizer.zero_grad()
    before = list_tensors()

    for _ in range(3):
        count(model, optimizer, torch.randn(8, 2, 6, 6), 5)

    optimizer.zero_grad()
    assert list_tensors() == before
