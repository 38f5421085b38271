"""For each check of the doctor, something that it must flag and a sound twin that it must not.

A case is the kind of subject, then the sick one and the sound one; or functions that make them.
"""

import copy
from dataclasses import replace
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional

from bnexp.config.experiment import ExperimentConfig
from bnexp.data.dataset import DatasetFacts
from bnexp.doctor.subjects.machine import DatasetState, Machine, Probe
from bnexp.doctor.subjects.network import Network, PlainImages
from bnexp.doctor.subjects.setup import read_setup
from bnexp.norms.batch.layer import BatchNorm

SOUND_MACHINE = Machine(
    versions={"bnexp": "0.1.0", "python": "3.12.0", "scipy": "1.17.0", "setuptools": "84.0.0"},
    torch=Probe(
        facts={
            "version": "2.11.0+cpu",
            "cuda_build": None,
            "cuda": [],
            "mps": False,
            "threads": 2,
            "cuda_bf16": False,
            "bf16_slowdown": 0.6,
        }
    ),
    torchvision=Probe(facts={"version": "0.26.0+cpu"}),
    tensorboard=Probe(facts={"version": "2.21.0"}),
    cores=2,
    runs_dir=Path("runs"),
    processor="a CPU",
    available_memory=8 * 2**30,
    free_disk=50 * 2**30,
    datasets=(DatasetState("cifar10", "verified"),),
)


def machine(**changes):
    return replace(SOUND_MACHINE, **changes)


def with_torch(**facts):
    return machine(torch=Probe(facts={**SOUND_MACHINE.torch.facts, **facts}))


MISSING = Probe("ModuleNotFoundError: No module named 'torch'")

FACTS = DatasetFacts((8, 8, 3), 4, 256, 64)


def setup(facts=FACTS, norm=None, **sections):
    """Returns the set-up of a small network with batch norm, 32 images a batch, on 256 images."""
    content = {
        "name": "x",
        "data": {"name": "shapes", "val_size": 0, "batch_size": 32, **sections.pop("data", {})},
        "model": {
            "norm": norm or {"name": "batch"},
            **sections.pop("model", {"name": "cnn", "layers": [{"conv": 8}, {"conv": 16}]}),
        },
        **sections,
    }
    config = ExperimentConfig.model_validate(content, strict=False)
    return read_setup(config, facts)


def draw_images(count=256, shape=(3, 8, 8), seed=0):
    """Returns noise, brighter in the channel that tells the class."""
    generator = torch.Generator().manual_seed(seed)
    targets = torch.arange(count) % 4
    inputs = torch.randn(count, *shape, generator=generator)
    inputs[:, 0] += targets.view(-1, *[1] * (len(shape) - 1)) * 0.8
    return PlainImages(inputs, targets)


def build(norm=None, bias=False, between=None):
    """Returns conv – (between) – norm – ReLU – mean over space – linear."""
    torch.manual_seed(0)
    between = [between] if between else []
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1, bias=bias),
        *between,
        norm or nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(8, 4),
    )


class PlainBatchNorm(nn.Module):
    """A batch norm as somebody else may write it, that knows nothing of PyTorch's class."""

    def __init__(self, channels):
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(1, channels, 1, 1))
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))

    def forward(self, inputs):
        mean, variance = self.running_mean, self.running_var
        if self.training:
            variance, mean = torch.var_mean(inputs, (0, 2, 3), correction=0)
            for own, new in ((self.running_mean, mean), (self.running_var, variance)):
                own.add_((new.detach() - own) * 0.1)
        centred = inputs - mean.view(1, -1, 1, 1)
        return self.gamma * centred / (variance.view(1, -1, 1, 1) + 1e-5).sqrt()


def train(model, images, steps, batch_size=32, learning_rate=0.1):
    """Trains as plain PyTorch does, annealed to 0, and returns the network."""
    optimizer = torch.optim.SGD(model.parameters(), lr=learning_rate, momentum=0.9)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.01, total_iters=steps)
    generator = torch.Generator().manual_seed(0)
    model.train()
    for _ in range(steps):
        places = torch.randint(len(images), (batch_size,), generator=generator)
        inputs, targets = images.gather(places)
        optimizer.zero_grad()
        functional.cross_entropy(model(inputs), targets).backward()
        optimizer.step()
        schedule.step()
    return model


def trained(norm=None, steps=100, **changes):
    """Returns a trained network with its images."""
    images = draw_images()
    model = train(build(norm), images, steps)
    return Network(model, images, 32, steps=steps, held_out=draw_images(seed=1), **changes)


def trained_and_recorded():
    network = trained()
    return replace(network, recorded_accuracy=network.scores["ema"].accuracy)


def untrained(model, images=None, **changes):
    return Network(model, images or draw_images(64), changes.pop("batch_size", 32), **changes)


def with_biased_variances():
    """Returns a network of features whose variances were averaged over pairs, biased."""
    torch.manual_seed(0)
    norm = nn.BatchNorm1d(8)
    images = PlainImages(torch.randn(2000, 8) * 3 + 1)
    pairs = images.gather(torch.arange(2000))[0].view(1000, 2, 8)
    norm.running_mean.copy_(pairs.mean((0, 1)))
    norm.running_var.copy_(pairs.var(1, correction=0).mean(0))
    return Network(nn.Sequential(norm), images, 2, steps=1000)


def with_true_variances():
    network = with_biased_variances()
    inputs, _ = network.images.gather(torch.arange(2000))
    network.model[0].running_var.copy_(inputs.var(0, correction=0))
    return network


def average_weights(is_recalibrated):
    """Returns the average of two networks' weights, with the statistics of the second."""
    images = draw_images()
    first = train(build(), images, 60)
    second = copy.deepcopy(first)
    with torch.no_grad():
        # The same function: batch norm does not see the scale of the filters before it.
        second[0].weight.mul_(8)
        averaged = copy.deepcopy(second)
        for own, other in zip(averaged.parameters(), first.parameters(), strict=True):
            own.lerp_(other, 0.5)
    network = Network(averaged, images, 32, steps=60, held_out=draw_images(seed=1))
    if is_recalibrated:
        norm, (mean, variance) = averaged[1], network.true_statistics["1"]
        norm.running_mean.copy_(mean)
        norm.running_var.copy_(variance)
    return network


def forget_statistics(norm=None):
    network = trained(norm)
    network.model[1].running_mean.fill_(0.0)
    network.model[1].running_var.fill_(50.0)
    return network


def with_buffer(value):
    network = trained()
    network.model[1].running_var[3] = value
    return network


def freeze_by_eval():
    model = build().train()
    model[1].eval().requires_grad_(False)
    return untrained(model)


def with_groups_of_parameters(is_norm_decayed):
    model = build()
    norm = [*model[1].parameters()]
    others = [*model[0].parameters(), *model[5].parameters()]
    groups = [
        {"params": others, "weight_decay": 5e-4},
        {"params": norm, "weight_decay": 5e-4 * is_norm_decayed},
    ]
    return untrained(model, optimizer=torch.optim.SGD(groups, lr=0.1))


def shift_images(mean):
    inputs, targets = draw_images(64).gather(torch.arange(64))
    shifted = (inputs + mean).contiguous(memory_format=torch.channels_last)
    images = PlainImages(shifted, targets)
    return untrained(nn.Sequential(nn.BatchNorm2d(3)), images)


MLP = {"name": "mlp", "hidden": [8]}

CASES = {
    "batch_dependence": (
        "network",
        lambda: untrained(build(nn.BatchNorm2d(8, track_running_stats=False))),
        lambda: untrained(build()),
    ),
    "cold": ("network", lambda: trained(steps=10), lambda: trained(steps=100)),
    "config": (
        "setup",
        lambda: setup(optim={"name": "sgd", "schedule": {"name": "cosine", "warmup_epochs": 6}}),
        setup,
    ),
    "conv_bias": (
        "network",
        lambda: untrained(build(bias=True)),
        lambda: untrained(build(bias=True, between=nn.ReLU())),
    ),
    "eps": (
        "network",
        lambda: untrained(build(nn.BatchNorm2d(8, eps=1e-3))),
        lambda: untrained(build()),
    ),
    "far_mean": ("network", lambda: shift_images(100.0), lambda: shift_images(3.0)),
    "gap": ("network", forget_statistics, trained),
    "groups": (
        "setup",
        lambda: setup(norm={"name": "group", "num_groups": 3}),
        lambda: setup(norm={"name": "group", "num_groups": 4}),
    ),
    "momentum_convention": (
        "network",
        lambda: untrained(build(nn.BatchNorm2d(8, momentum=0.9))),
        lambda: untrained(build(nn.BatchNorm2d(8, momentum=0.1))),
    ),
    "non_finite": ("network", lambda: with_buffer(float("inf")), lambda: with_buffer(1.0)),
    "normalization_batch": (
        "network",
        lambda: untrained(build(), forward_size=8),
        lambda: untrained(build(), forward_size=32),
    ),
    "recalibration": ("network", with_biased_variances, with_true_variances),
    "recorded": (
        "network",
        lambda: trained(recorded_accuracy=0.01),
        trained_and_recorded,
    ),
    "single_image": (
        "setup",
        lambda: setup(replace(FACTS, train_count=257)),
        lambda: setup(replace(FACTS, train_count=258)),
    ),
    "single_value": (
        "setup",
        lambda: setup(replace(FACTS, train_count=257), model=MLP),
        lambda: setup(replace(FACTS, train_count=258), model=MLP),
    ),
    "stale": ("network", lambda: average_weights(False), lambda: average_weights(True)),
    "unbiased_variance": (
        "network",
        lambda: untrained(nn.Sequential(nn.BatchNorm1d(8)), draw_images(64, (8,)), batch_size=2),
        lambda: untrained(nn.Sequential(nn.BatchNorm1d(8)), draw_images(64, (8,)), batch_size=64),
    ),
    "unfrozen": (
        "network",
        freeze_by_eval,
        lambda: untrained(build(BatchNorm(8, frozen=True))),
    ),
    "weight_decay": (
        "network",
        lambda: with_groups_of_parameters(True),
        lambda: with_groups_of_parameters(False),
    ),
    "zero_momentum": (
        "network",
        lambda: untrained(build(nn.BatchNorm2d(8, momentum=0.0))),
        lambda: untrained(build()),
    ),
    "bf16": (
        "setup",
        lambda: replace(setup(train={"precision": "bf16"}), bf16_slowdown=9.7),
        lambda: replace(setup(train={"precision": "bf16"}), bf16_slowdown=1.4),
    ),
    "device": (
        "machine",
        replace(with_torch(cuda_build="13.0"), has_nvidia_driver=True),
        replace(with_torch(cuda_build="13.0", cuda=["H100"]), has_nvidia_driver=True),
    ),
    "datasets": (
        "machine",
        machine(datasets=(DatasetState("mnist", "damaged", "t10k: it has 3 bytes"),)),
        machine(datasets=(DatasetState("mnist", "missing"),)),
    ),
    "disk": ("machine", machine(free_disk=2**20), SOUND_MACHINE),
    "locks": ("machine", machine(lock_problem="no locks available"), SOUND_MACHINE),
    "memory": ("machine", machine(memory_limit=2**29), machine(memory_limit=2**33)),
    "packages": ("machine", machine(versions={"scipy": None}), SOUND_MACHINE),
    "tensorboard": (
        "machine",
        machine(tensorboard=Probe("ModuleNotFoundError: No module named 'pkg_resources'")),
        SOUND_MACHINE,
    ),
    "threads": ("machine", machine(cpu_limit=0.5), machine(cpu_limit=1.5)),
    "torch_import": ("machine", machine(torch=MISSING), SOUND_MACHINE),
    "torchvision_pair": (
        "machine",
        machine(torchvision=Probe(facts={"version": "0.25.0"})),
        SOUND_MACHINE,
    ),
}
"""By the check's name."""
