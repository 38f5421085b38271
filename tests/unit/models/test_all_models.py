"""What every model must do with every norm, wherever the norm sits."""

import copy
import io

import pytest
import torch
from small_models import default_options, small_options
from torch import nn

from bnexp.errors import UsageError
from bnexp.models import MODELS, ImpossibleModelError
from bnexp.models.file.trust import trusting_files
from bnexp.models.layers import ScaledWSConv2d, WSConv2d
from bnexp.models.model import NetworkConfig
from bnexp.models.plans import find_pooled_norm
from bnexp.norms import NORMS
from bnexp.norms.batch.config import BatchNormConfig
from bnexp.norms.none.config import NoNormConfig
from bnexp.parts import part_name
from bnexp.training.graph import StepGraph
from bnexp.training.initialization import initialize
from bnexp.training.step import may_draw, train_step

PLACEMENTS = ("before_activation", "after_activation")
VARIANTS = [
    pytest.param(model, {"placement": placement} if placement else {},
                 id=f"{part_name(model)}{'-' + placement if placement else ''}")
    for model in MODELS
    for placement in (PLACEMENTS if "placement" in model.model_fields else (None,))
]  # fmt: skip
LARGE = ("torchvision", "timm")
"""Models of which no small one can be had: they take a second where the others take milliseconds,
and each gets its norms by the same few lines, so that three of them show what all do."""
CASES = [
    pytest.param((*variant.values, norm), id=f"{variant.id}-{part_name(norm)}")
    for variant in VARIANTS
    for norm in NORMS
    if part_name(variant.values[0]) not in LARGE or part_name(norm) in ("none", "batch", "group")
]
BATCH, NONE = BatchNormConfig(), NoNormConfig()
IMAGES = (16, 16, 3)
IMAGES_IN_BATCH = 8


def choose(norm):
    """Returns a norm's config, with groups that divide the channels of the small models."""
    return norm(num_groups=4) if "num_groups" in norm.model_fields else norm()


def configure(model, norm=BATCH, **fields):
    return model(norm=norm, **{**small_options(model), **fields})


@trusting_files()
def build(model, norm=BATCH, seed=0, **fields):
    """Returns an initialised network; skips what the checks would tell before training."""
    config = configure(model, norm, **fields)
    try:
        sites = config.find_norm_sites(IMAGES, 5)
    except ImpossibleModelError as error:
        if error.path != ("name",):
            raise
        pytest.skip(error.reason)
    for site in sites:
        problem = norm.find_problem(site.shape, IMAGES_IN_BATCH)
        if problem:
            pytest.skip(problem)
    pooled = find_pooled_norm(config.plan(IMAGES)[0]) if isinstance(config, NetworkConfig) else None
    if pooled and norm.fixes_channel_means(pooled.shape[0], IMAGES_IN_BATCH):
        pytest.skip(f"{norm.name} norm would give the mean over space the same values always")
    network = config.build(IMAGES, 5)
    initialize(network, seed)
    return network


@pytest.fixture(scope="module", params=CASES)
def built(request):
    """A network of each model with each norm, which no test may change."""
    model, fields, norm = request.param
    return build(model, choose(norm), **fields)


@pytest.fixture
def network(built):
    return copy.deepcopy(built)


def draw_images(count):
    height, width, channels = IMAGES
    return torch.randn(count, channels, height, width)


def weights_of(network):
    return {
        name: module.weight
        for name, module in network.named_modules()
        if isinstance(module, nn.Conv2d | nn.Linear)
    }


def test_two_steps_change_every_weight_and_leave_all_finite(network):
    before = {name: value.detach().clone() for name, value in weights_of(network).items()}
    optimizer = torch.optim.SGD(network.parameters(), lr=0.01)
    torch.manual_seed(0)
    images, targets = draw_images(IMAGES_IN_BATCH), torch.arange(IMAGES_IN_BATCH) % 5

    for _ in range(2):  # where γ starts at 0, what is before it changes at the second
        loss = nn.functional.cross_entropy(network(images), targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    assert loss.isfinite()
    assert all(value.isfinite().all() for value in network.state_dict().values())
    after = weights_of(network)
    unchanged = [name for name, value in before.items() if torch.equal(value, after[name])]
    assert unchanged == []


@pytest.mark.gpu
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_on_cuda_two_steps_repeat_bit_for_bit(built, precision, cuda):
    def train():
        network = copy.deepcopy(built).to(cuda, memory_format=torch.channels_last)
        optimizer = torch.optim.SGD(network.parameters(), lr=0.01, momentum=0.9, fused=True)
        torch.manual_seed(0)
        images, targets = draw_images(IMAGES_IN_BATCH).to(cuda), torch.arange(IMAGES_IN_BATCH) % 5
        for _ in range(2):
            train_step(network, optimizer, (images, targets.to(cuda)), precision)
        return network.state_dict()

    first, second = train(), train()
    assert all(value.isfinite().all() for value in first.values())
    assert all(torch.equal(value, second[name]) for name, value in first.items())


@pytest.mark.gpu
def test_on_cuda_a_graph_ends_with_the_bits_of_steps_without(built, cuda):
    if any(may_draw(module) for module in built.modules()):
        pytest.skip("no graph is made of a network that draws, or might")
    torch.manual_seed(0)
    batches = [
        (draw_images(IMAGES_IN_BATCH), torch.randperm(IMAGES_IN_BATCH) % 5) for _ in range(6)
    ]

    def train(first_repeated):
        network = copy.deepcopy(built).to(cuda, memory_format=torch.channels_last)
        optimizer = torch.optim.SGD(network.parameters(), lr=0.01, momentum=0.9, fused=True)
        optimizer.param_groups[0]["lr"] = torch.tensor(0.01, device=cuda)

        def step(batch):
            return train_step(network, optimizer, batch, "bf16")

        for number, (images, targets) in enumerate(batches):
            batch = images.to(cuda), targets.to(cuda)
            if number == first_repeated:
                step = StepGraph(step, batch).repeat
            step(batch)
        return network.state_dict()

    graphed, eager = train(3), train(None)
    assert all(torch.equal(value, eager[name]) for name, value in graphed.items())


def test_evaluation_repeats_and_does_not_depend_on_the_batch(network):
    images = draw_images(IMAGES_IN_BATCH)
    network(images)
    network.eval()

    with torch.no_grad():
        logits = network(images)
        assert torch.equal(logits, network(images))
        torch.testing.assert_close(network(images[2:3]), logits[2:3], rtol=1e-4, atol=1e-4)


def test_the_state_survives_saving_and_loading(network, built):
    other = copy.deepcopy(built)
    initialize(other, seed=1)
    network(draw_images(IMAGES_IN_BATCH) + 1)
    file = io.BytesIO()
    torch.save(network.state_dict(), file)

    other.load_state_dict(torch.load(io.BytesIO(file.getvalue()), weights_only=True))

    images = draw_images(2)
    assert torch.equal(network.eval()(images), other.eval()(images))


@pytest.mark.parametrize(("model", "fields"), VARIANTS)
def test_the_networks_with_and_without_norm_start_from_the_same_weights(model, fields):
    with_norm, without = (weights_of(build(model, norm, **fields)) for norm in (BATCH, NONE))

    assert with_norm.keys() == without.keys()
    assert all(torch.equal(with_norm[name], without[name]) for name in without)


def test_bf16_gives_the_logits_of_fp32_to_a_fifth_of_their_spread(network):
    torch.manual_seed(0)
    images = draw_images(IMAGES_IN_BATCH)
    network(images)
    network.eval()
    images = images[:2]  # convolutions in bf16 are slow on most processors

    with torch.no_grad():
        expected = network(images)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            logits = network(images).float()

    # bf16 has 8 bits, a relative error of 0.4 %, which the layers add up: at most 0.13 of the
    # spread was seen, in a ResNet-18 with instance norm on maps of 2×2 pixels.
    assert (logits - expected).abs().max() <= 0.2 * expected.std() + 1e-6


def test_channels_last_changes_nothing_but_the_last_bits(network):
    network.eval()
    images = draw_images(4)

    expected = network(images)
    outputs = network.to(memory_format=torch.channels_last)(
        images.to(memory_format=torch.channels_last)
    )
    torch.testing.assert_close(outputs, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("model", MODELS, ids=part_name)
@trusting_files()
def test_all_norm_sites_are_the_norms_of_the_network(model):
    network = build(model)
    config = configure(model)

    norms = [m for m in network.modules() if isinstance(m, nn.BatchNorm1d | nn.BatchNorm2d)]
    sites = config.find_norm_sites(IMAGES, 5)
    assert [site.shape[0] for site in sites] == [norm.num_features for norm in norms]


@pytest.mark.parametrize(
    "model",
    [model for model in MODELS if "weight_standardization" in model.model_fields],
    ids=part_name,
)
@pytest.mark.parametrize(("kind", "layer"), [(True, WSConv2d), ("scaled", ScaledWSConv2d)])
def test_weight_standardization_changes_every_convolution_and_no_name(model, kind, layer):
    fields = {"shortcut": "projection"} if "shortcut" in model.model_fields else {}
    plain = build(model, **fields)
    standardized = build(model, weight_standardization=kind, **fields)

    kinds = {type(module) for module in standardized.modules() if isinstance(module, nn.Conv2d)}
    assert kinds == {layer}
    gains = {name for name in standardized.state_dict() if name.endswith(".gain")}
    assert standardized.state_dict().keys() - gains == plain.state_dict().keys()
    assert bool(gains) == (kind == "scaled")
    other = weights_of(plain)
    assert all(torch.equal(w, other[name]) for name, w in weights_of(standardized).items())


@pytest.mark.parametrize("model", MODELS, ids=part_name)
def test_a_model_can_be_compared_by_its_config(model):
    config, same = (model(**default_options(model)) for _ in range(2))

    assert config == same
    assert hash(config) == hash(same)
    assert model.model_validate(config.model_dump()) == same


def test_usage_errors_are_not_what_models_raise():
    # The checks turn impossible models into config problems with their key.
    assert not issubclass(ImpossibleModelError, UsageError)
