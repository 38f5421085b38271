"""Schedules against PyTorch's, groups against the config."""

import subprocess
import sys

import pytest
import torch
from torch import nn

from bnexp.config.optim import (
    AdamWConfig,
    ConstantScheduleConfig,
    CosineScheduleConfig,
    SgdConfig,
    StepScheduleConfig,
)
from bnexp.training.optimization.optimizer import build_optimizer

TOTAL, PER_EPOCH = 40, 10


def rates(schedule):
    config = SgdConfig(learning_rate=0.4, schedule=schedule)
    return [config.compute_rate(step, TOTAL, PER_EPOCH) for step in range(TOTAL)]


def rates_of_pytorch(make_scheduler):
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=0.4)
    scheduler = make_scheduler(optimizer)
    found = []
    for _ in range(TOTAL):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return found


def test_cosine_is_pytorchs_cosine_annealing():
    expected = rates_of_pytorch(
        lambda optimizer: torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, TOTAL, eta_min=0.04)
    )

    assert rates(CosineScheduleConfig(final_fraction=0.1)) == pytest.approx(expected)


def test_step_is_pytorchs_multi_step():
    expected = rates_of_pytorch(
        lambda optimizer: torch.optim.lr_scheduler.MultiStepLR(optimizer, [20, 30], gamma=0.1)
    )

    assert rates(StepScheduleConfig()) == pytest.approx(expected)


def test_constant_stays():
    assert rates(ConstantScheduleConfig()) == [0.4] * TOTAL


def test_the_warm_up_rises_in_a_straight_line_to_the_full_rate_and_never_starts_at_zero():
    found = rates(ConstantScheduleConfig(warmup_epochs=1))

    assert found[:11] == pytest.approx([0.4 * (step + 1) / 11 for step in range(11)])
    assert found[10:] == [0.4] * 30


@pytest.mark.parametrize(("epochs", "steps"), [(0.25, 2), (0.26, 3), (0.37, 4), (0.04, 0)])
def test_a_warm_up_of_a_part_of_an_epoch_is_rounded_to_the_nearest_step(epochs, steps):
    found = rates(ConstantScheduleConfig(warmup_epochs=epochs))

    assert found[:steps] == pytest.approx([0.4 * (step + 1) / (steps + 1) for step in range(steps)])
    assert found[steps:] == [0.4] * (TOTAL - steps)


def test_the_cosine_after_a_warm_up_takes_the_steps_that_are_left():
    found = rates(CosineScheduleConfig(warmup_epochs=1))

    assert found[10] == pytest.approx(0.4)
    assert found[25] == pytest.approx(0.2)


@pytest.mark.parametrize("schedule", [CosineScheduleConfig(warmup_epochs=1), StepScheduleConfig()])
def test_the_factor_multiplies_the_rate_of_every_step(schedule):
    factored = SgdConfig(learning_rate=0.1, learning_rate_factor=4, schedule=schedule)
    plain = SgdConfig(learning_rate=0.4, schedule=schedule)

    found, expected = (
        [config.compute_rate(step, TOTAL, PER_EPOCH) for step in range(TOTAL)]
        for config in (factored, plain)
    )
    assert found == expected
    assert build_optimizer(factored, build_model(), set()).param_groups[0]["lr"] == 0.4


def build_model():
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Linear(4, 2))


@pytest.mark.parametrize("config", [SgdConfig(), AdamWConfig()], ids=lambda config: config.name)
def test_gamma_and_beta_do_not_decay_by_default(config):
    model = build_model()

    decayed, spared = build_optimizer(config, model, {"1.weight", "1.bias"}).param_groups

    assert decayed["weight_decay"] == config.weight_decay
    assert spared["weight_decay"] == 0
    assert [id(parameter) for parameter in spared["params"]] == [
        id(model[1].weight),
        id(model[1].bias),
    ]
    assert len(decayed["params"]) == 4


def test_gamma_and_beta_decay_on_request():
    config = SgdConfig(decay_norm=True)

    (group,) = build_optimizer(config, build_model(), {"1.weight", "1.bias"}).param_groups

    assert len(group["params"]) == 6


@pytest.mark.parametrize("decay_norm", [False, True])
@pytest.mark.parametrize("kind", [SgdConfig, AdamWConfig])
def test_slopes_of_prelu_never_decay(kind, decay_norm):
    model = nn.Sequential(nn.Linear(3, 4), nn.PReLU(), nn.Linear(4, 4), nn.PReLU(4))

    groups = build_optimizer(kind(decay_norm=decay_norm), model, set()).param_groups
    decays = {id(value): group["weight_decay"] for group in groups for value in group["params"]}

    assert [decays[id(layer.weight)] > 0 for layer in model] == [True, False, True, False]
    assert decays[id(model[0].bias)] > 0


@pytest.mark.parametrize("nesterov", [True, False])
def test_sgd_follows_its_formula(nesterov):
    # v ← m·v + g + wd·w;  w ← w − lr·(g + wd·w + m·v) with Nesterov, else w − lr·v.
    weight, velocity, gradient = 1.0, 0.0, 0.5
    parameter = nn.Parameter(torch.tensor([weight], dtype=torch.float64))
    model = nn.Module()
    model.register_parameter("w", parameter)
    config = SgdConfig(learning_rate=0.1, momentum=0.9, nesterov=nesterov, weight_decay=0.01)
    optimizer = build_optimizer(config, model, set())

    for _ in range(5):
        parameter.grad = torch.tensor([gradient], dtype=torch.float64)
        optimizer.step()
        total = gradient + 0.01 * weight
        velocity = 0.9 * velocity + total
        weight -= 0.1 * (total + 0.9 * velocity if nesterov else velocity)

    assert parameter.item() == pytest.approx(weight, rel=1e-12)


def test_nesterov_without_momentum_is_plain_descent():
    build_optimizer(SgdConfig(momentum=0.0, nesterov=True), build_model(), set())


@pytest.mark.parametrize(
    ("config", "build"),
    [
        (
            SgdConfig(learning_rate=0.05),
            lambda model: torch.optim.SGD(
                model.parameters(), 0.05, 0.9, weight_decay=5e-4, nesterov=True, fused=True
            ),
        ),
        (
            AdamWConfig(learning_rate=0.05),
            lambda model: torch.optim.AdamW(
                model.parameters(), 0.05, weight_decay=AdamWConfig().weight_decay, fused=True
            ),
        ),
    ],
    ids=["sgd", "adamw"],
)
def test_steps_have_the_bits_of_pytorchs_optimiser(config, build):
    weights = []
    for make in (lambda model: build_optimizer(config, model, set()), build):
        torch.manual_seed(0)
        model = nn.Linear(20, 10)
        optimizer = make(model)
        for _ in range(5):
            optimizer.zero_grad()
            model(torch.randn(8, 20)).square().mean().backward()
            optimizer.step()
        weights.append(model.weight)
        optimizer.load_state_dict(optimizer.state_dict())

    assert torch.equal(*weights)


def test_a_training_step_imports_no_compiler():
    code = (
        "import sys, torch\n"
        "from bnexp.config.optim import SgdConfig\n"
        "from bnexp.config.train import TrainConfig\n"
        "from bnexp.training.machine.device import make_deterministic\n"
        "from bnexp.models.cnn.config import CnnConfig\n"
        "from bnexp.training.optimization.optimizer import build_optimizer\n"
        "from bnexp.training.optimization.trainable import choose_trained\n"
        "from bnexp.training.optimization.update import build_update\n"
        "make_deterministic(torch.device('cpu'), 1, is_compiled=False)\n"
        "assert torch.are_deterministic_algorithms_enabled()\n"
        "model = torch.nn.Linear(2, 2)\n"
        "optimizer = build_optimizer(SgdConfig(), model, set())\n"
        "optimizer.zero_grad()\n"
        "model(torch.ones(1, 2)).sum().backward()\n"
        "optimizer.step()\n"
        "optimizer.load_state_dict(optimizer.state_dict())\n"
        "cnn = CnnConfig()\n"
        "sites = cnn.norm_sites((8, 8, 3))\n"
        "for kind, option in (('as_many_as_norms', 'clip_norm'), ('norms', 'adaptive_clip')):\n"
        "    config, model = SgdConfig(**{option: 1.0}), cnn.build((8, 8, 3), 2)\n"
        "    trained = choose_trained(model, TrainConfig(trainable=kind), sites)\n"
        "    optimizer = build_optimizer(config, model, set(), trained.parameters)\n"
        "    model(torch.ones(2, 3, 8, 8)).sum().backward()\n"
        "    build_update(config, model, optimizer, trained)()\n"
        "found = {'torch._dynamo', 'torch._inductor', 'sympy'} & set(sys.modules)\n"
        "assert not found, found\n"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)

    assert done.returncode == 0, done.stderr
