"""What is trained is what the config says, to the value; the rest stays as it is, bit for bit."""

import math

import pytest
import torch
from torch import nn
from toy_training import CPU, Notes, build_dataset, configure

from bnexp.config.optim import AdamWConfig, SgdConfig
from bnexp.config.train import TrainConfig
from bnexp.errors import UsageError
from bnexp.models.cnn.config import CnnConfig, ConvLayer
from bnexp.models.mlp.config import MlpConfig
from bnexp.models.resnet.config import ResNetConfig
from bnexp.norms.group.config import GroupNormConfig
from bnexp.norms.none.config import NoNormConfig
from bnexp.training.loop import Training
from bnexp.training.optimization.trainable import choose_trained
from bnexp.training.setup import build_parts

SHAPE = (8, 8, 3)
AS_MANY = "as_many_as_norms"
GAMMAS_AND_BETAS = {f"layers.{i}.norm.{kind}" for i in (0, 1) for kind in ("weight", "bias")}


@pytest.fixture(scope="module")
def dataset():
    return build_dataset()


def choose(model_config, seed=0, **options):
    model = model_config.build(SHAPE, 10)
    sites = model_config.norm_sites(SHAPE)
    return choose_trained(model, TrainConfig(seed=seed, **options), sites), model


def find_changes(config, dataset):
    """Returns by name, after two epochs, which values of a parameter have changed."""
    parts = build_parts(config, dataset, CPU)
    model = parts.learner.model
    before = {name: value.detach().clone() for name, value in model.named_parameters()}
    summary = Training(config, parts, Notes(), lambda: False).run()
    after = dict(model.named_parameters())
    changes = {name: (after[name] != value) for name, value in before.items()}
    return {name: flags for name, flags in changes.items() if flags.any()}, summary


OPTIMIZERS = [
    SgdConfig(learning_rate=0.05, weight_decay=0.1, decay_norm=True),
    AdamWConfig(learning_rate=0.05, weight_decay=0.1, decay_norm=True),
    SgdConfig(learning_rate=0.05, weight_decay=0.1, clip_norm=0.5),
]


@pytest.mark.parametrize("optim", OPTIMIZERS, ids=["sgd", "adamw", "clipped"])
@pytest.mark.parametrize("with_output", [False, True])
def test_norms_alone_change_and_all_of_them(optim, with_output, dataset):
    config = configure(optim=optim, trainable="norms", train_output_layer=with_output)
    changes, summary = find_changes(config, dataset)

    output = {"linear.weight", "linear.bias"} if with_output else set()
    assert set(changes) == GAMMAS_AND_BETAS | output
    assert all(flags.all() for flags in changes.values())
    assert summary.trained_parameters == 2 * 8 * 2 + (8 * 10 + 10) * with_output
    assert summary.parameters == 8 * 27 + 8 * 72 + 32 + 90


@pytest.mark.parametrize("optim", OPTIMIZERS, ids=["sgd", "adamw", "clipped"])
@pytest.mark.parametrize("with_output", [False, True])
def test_as_many_weights_change_as_the_norms_have_parameters(optim, with_output, dataset):
    config = configure(optim=optim, trainable=AS_MANY, train_output_layer=with_output)
    changes, summary = find_changes(config, dataset)

    output = {"linear.weight", "linear.bias"} if with_output else set()
    weights = {"layers.0.conv.weight", "layers.1.conv.weight"}
    assert set(changes) == weights | output
    # As the norms have two parameters per channel, each filter gives two weights.
    assert all((changes[name].flatten(1).sum(1) == 2).all() for name in weights)
    assert summary.trained_parameters == 32 + 90 * with_output


def test_the_chosen_weights_follow_the_optimisers_formula(dataset):
    # Momentum and decay by hand, in float64, on the chosen weights alone.
    config = configure(
        optim=SgdConfig(learning_rate=0.05, weight_decay=0.1, nesterov=False), trainable=AS_MANY
    )
    parts = build_parts(config, dataset, CPU)
    learner, weight = parts.learner, parts.learner.model.layers[1].conv.weight
    (part,) = [
        group["params"][1] for group in learner.optimizer.param_groups if group["weight_decay"]
    ]
    seen = []
    weight.register_hook(lambda gradient: seen.append(gradient.double()))
    expected, velocity = weight.detach().double().clone(), torch.zeros_like(weight).double()
    batches = parts.batches.epoch(0)
    learner.step(1, next(batches))
    is_chosen = weight.detach() != expected.float()
    for number in (1, 2, 3):
        if number > 1:
            learner.step(number, next(batches))
        velocity = 0.9 * velocity + seen[number - 1] + 0.1 * expected
        expected = expected - learner.learning_rate(number) * velocity * is_chosen

    assert is_chosen.sum() == part.numel() == 16
    torch.testing.assert_close(weight.detach(), expected.float())


@pytest.mark.parametrize(
    "config",
    [
        ResNetConfig(depth=14, width=4),
        ResNetConfig(depth=14, width=4, order="full_preactivation"),
        MlpConfig(hidden=(12, 12)),
        CnnConfig(layers=(ConvLayer(conv=8),), norm=GroupNormConfig(num_groups=2)),
        CnnConfig(layers=(ConvLayer(conv=8), ConvLayer(conv=6, norm=NoNormConfig()))),
    ],
    ids=["resnet", "preactivation", "mlp", "group", "one norm"],
)
def test_the_number_is_exact_and_shared_out_evenly_over_the_filters(config):
    trained, model = choose(config, trainable=AS_MANY)
    of_norms = choose(config, trainable="norms")[0]
    weights = dict(model.named_parameters())
    filters = sum(len(weights[name]) for name in trained.parts)

    assert trained.count() == of_norms.count()
    for name, part in trained.parts.items():
        marks = torch.zeros(weights[name].shape)
        marks[part._places] = 1
        per_filter = marks.flatten(1).sum(1)
        assert per_filter.sum() == part.values.numel()
        share = trained.count() / filters
        assert per_filter.min() >= math.floor(share)
        assert per_filter.max() <= math.ceil(share)
    assert not any(name.startswith("linear.") for name in trained.parts)


def test_the_choice_depends_on_the_seed_and_on_nothing_that_the_network_lacks():
    def places(config, seed):
        parts = choose(config, seed, trainable=AS_MANY)[0].parts
        return {name: torch.stack(part._places) for name, part in parts.items()}

    deep = CnnConfig(layers=(ConvLayer(conv=8),) * 3)
    shallow = CnnConfig(layers=(ConvLayer(conv=8),) * 2)
    first, again, other = places(deep, 0), places(deep, 0), places(deep, 1)

    assert all(torch.equal(value, again[name]) for name, value in first.items())
    assert not any(torch.equal(value, other[name]) for name, value in first.items())
    assert all(torch.equal(value, first[name]) for name, value in places(shallow, 0).items())


def test_chosen_weights_are_spread_over_the_filter_without_preference():
    config = CnnConfig(layers=(ConvLayer(conv=16), ConvLayer(conv=16)))
    counts = torch.zeros(16, 16, 3, 3)
    for seed in range(200):
        trained, _ = choose(config, seed, trainable=AS_MANY)
        counts[trained.parts["layers.1.conv.weight"]._places] += 1

    assert counts.sum() == 200 * 32
    # 200 · 16 draws of 2 among 144 places: mean 44.4, standard deviation 6.6.
    per_place = counts.sum(0)
    assert (per_place - 200 * 32 / 144).abs().max() < 5 * 6.6


def test_nothing_but_all_is_the_default():
    trained, model = choose(CnnConfig())

    assert not trained.parts
    assert all(parameter.requires_grad for parameter in model.parameters())
    assert list(trained.whole) == [name for name, _ in model.named_parameters()]


@pytest.mark.parametrize("trainable", ["norms", AS_MANY])
def test_a_network_without_norm_parameters_is_refused(trainable):
    with pytest.raises(UsageError, match="the norms have no parameters"):
        choose(CnnConfig(norm=NoNormConfig()), trainable=trainable)


def test_more_norm_parameters_than_weights_are_refused():
    config = CnnConfig(layers=(ConvLayer(conv=4, kernel_size=1),))
    model = nn.Sequential(nn.Conv2d(1, 4, 1), nn.BatchNorm2d(4), nn.Linear(4, 2))

    with pytest.raises(
        UsageError, match="asks for 8 weights, but the layers before the last have only 4"
    ):
        choose_trained(model, TrainConfig(trainable=AS_MANY), config.norm_sites(SHAPE))
