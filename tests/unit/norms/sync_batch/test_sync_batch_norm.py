"""Batch norm over processes equals batch norm over their batches joined."""

import multiprocessing

import pytest
import torch
from torch import distributed, nn

from bnexp.norms.sync_batch.config import SyncBatchNormConfig


def work(rank, folder):
    """Does one process's half of each case, and saves what came out."""
    distributed.init_process_group(
        "gloo", init_method=f"file://{folder}/rendezvous", rank=rank, world_size=2
    )
    results = []
    for case in torch.load(f"{folder}/cases.pt"):
        layer = SyncBatchNormConfig(**case["options"]).build(3)
        layer.load_state_dict(case["state"])
        inputs = case["inputs"].split([5, 3])[rank].clone().requires_grad_()
        outputs = layer(inputs)
        outputs.backward(case["gradient"].split([5, 3])[rank])
        gradients = [parameter.grad for parameter in layer.parameters()]
        results.append((outputs.detach(), inputs.grad, gradients, layer.state_dict()))
        layer.eval()(inputs)
    torch.save(results, f"{folder}/{rank}.pt")
    distributed.destroy_process_group()


CASES = {
    "2d": ({}, (8, 3, 4, 2)),
    "1d": ({"momentum": 0.3}, (8, 3)),
    "without affine": ({"affine": False}, (8, 3, 4, 2)),
    "cumulative": ({"momentum": None}, (8, 3)),
}


def build_plain(options, shape):
    layer = (nn.BatchNorm2d if len(shape) == 4 else nn.BatchNorm1d)(3, **options)
    if layer.affine:
        layer.weight.data, layer.bias.data = torch.tensor([0.5, 1, 2]), torch.tensor([1.0, 2, 3])
    return layer


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """What two processes with 5 and 3 of 8 images gave for each case."""
    folder = tmp_path_factory.mktemp("processes")
    torch.manual_seed(0)
    cases = [
        {
            "options": options,
            "state": build_plain(options, shape).state_dict(),
            "inputs": torch.randn(shape) * 3 + 2,
            "gradient": torch.randn(shape),
        }
        for options, shape in CASES.values()
    ]
    torch.save(cases, folder / "cases.pt")
    # Forks of this process, which has imported PyTorch.
    context = multiprocessing.get_context("fork")
    workers = [context.Process(target=work, args=(rank, folder)) for rank in (0, 1)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(timeout=120)
    assert [worker.exitcode for worker in workers] == [0, 0]
    given = [torch.load(folder / f"{rank}.pt") for rank in (0, 1)]
    return dict(zip(CASES, zip(cases, *given, strict=True), strict=True))


@pytest.mark.parametrize("name", CASES)
def test_two_processes_compute_what_one_does_with_both_batches(results, name):
    case, *ranks = results[name]
    plain = build_plain(*CASES[name])
    inputs = case["inputs"].clone().requires_grad_()
    outputs = plain(inputs)
    outputs.backward(case["gradient"])

    torch.testing.assert_close(torch.cat([rank[0] for rank in ranks]), outputs.detach())
    torch.testing.assert_close(torch.cat([rank[1] for rank in ranks]), inputs.grad)
    summed = [sum(gradients) for gradients in zip(*(rank[2] for rank in ranks), strict=True)]
    torch.testing.assert_close(summed, [parameter.grad for parameter in plain.parameters()])
    for rank in ranks:
        torch.testing.assert_close(rank[3], plain.state_dict())


@pytest.mark.parametrize("options", [{}, {"momentum": None}, {"affine": False}], ids=str)
@pytest.mark.parametrize("shape", [(8, 3, 4, 2), (8, 3)], ids=["2d", "1d"])
def test_one_process_computes_batch_norm_bit_for_bit(options, shape):
    assert not distributed.is_initialized()
    layer = SyncBatchNormConfig(**options).build(3, 2 if len(shape) == 4 else 1)
    plain = (nn.BatchNorm2d if len(shape) == 4 else nn.BatchNorm1d)(3, **options)

    for is_training in (True, True, False):
        inputs = torch.randn(shape) * 3 + 2
        layer.train(is_training)
        plain.train(is_training)
        assert torch.equal(layer(inputs), plain(inputs))
    state = plain.state_dict()
    assert all(torch.equal(value, state[key]) for key, value in layer.state_dict().items())


def test_it_is_pytorchs_layer_for_tools_that_look_for_it():
    assert isinstance(SyncBatchNormConfig().build(3), nn.SyncBatchNorm)
