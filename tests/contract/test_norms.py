"""What every normalization layer must do; a new one in `NORMS` is tested unasked."""

import copy

import pytest
import torch
from pydantic import ValidationError
from torch import nn

from bnexp.models.cnn.config import CnnConfig, ConvLayer
from bnexp.norms import NORMS
from bnexp.norms.batch.config import BatchNormConfig
from bnexp.norms.evonorm.config import EvoNormConfig
from bnexp.norms.filter_response.config import FilterResponseNormConfig
from bnexp.norms.group.config import GroupNormConfig
from bnexp.norms.layer.config import LayerNormConfig
from bnexp.parts import part_name
from bnexp.training.initialization import initialize
from bnexp.training.step import may_draw

CHANNELS = 64
"""Two in each of group norm's 32 groups."""

VARIANTS = [
    BatchNormConfig(momentum=None),
    BatchNormConfig(track_running_stats=False),
    BatchNormConfig(normalization_batch_size=1),
    BatchNormConfig(normalization_batch_size=2),
    BatchNormConfig(normalization_batch_size=4),  # leaves a smaller group of a batch of 6
    BatchNormConfig(normalization_batch_size=2, momentum=None, affine=False),
    BatchNormConfig(frozen=True),
    LayerNormConfig(affine=False),
    GroupNormConfig(channels_per_group=16),
    EvoNormConfig(variant="B0"),
    FilterResponseNormConfig(learn_eps=True),
    FilterResponseNormConfig(threshold=False),
]
"""Options that change what a layer computes, beside the defaults of every norm."""

NORM_CONFIGS = [*(norm() for norm in NORMS), *VARIANTS]


def describe(config):
    """Names a config by what it sets: `batch(momentum=None)`."""
    options = [f"{key}={value}" for key, value in config.model_dump(exclude_unset=True).items()]
    return part_name(type(config)) + (f"({','.join(options)})" if options else "")


def shape_of(dimensions, images=6, size=(5, 3), channels=CHANNELS):
    return (images, channels, *size) if dimensions == 2 else (images, channels)


def find_problem(config, shape):
    return config.find_problem((shape[1], *(shape[2:] or (1, 1))), batch_size=shape[0])


each_norm = pytest.mark.parametrize("config", NORM_CONFIGS, ids=describe)


@pytest.mark.parametrize("value", [0, -1e-5, float("inf"), float("nan")])
@pytest.mark.parametrize("norm", [n for n in NORMS if "eps" in n.model_fields], ids=part_name)
def test_what_is_added_to_a_variance_is_a_number_above_zero(norm, value):
    with pytest.raises(ValidationError, match="eps"):
        norm(eps=value)


FORMS = [
    pytest.param(config, dimensions, id=f"{describe(config)}-{dimensions}d")
    for config in NORM_CONFIGS
    for dimensions in (2, 1)
    if find_problem(config, shape_of(dimensions)) is None
]
each_form = pytest.mark.parametrize(("config", "dimensions"), FORMS)


def make_inputs(dimensions=2, **size):
    generator = torch.Generator().manual_seed(1)
    return torch.randn(shape_of(dimensions, **size), generator=generator) * 2 + 1


def call(layer, inputs):
    """Calls a layer whose noise, if any, is the same at each call."""
    torch.manual_seed(0)
    return layer(inputs)


def copy_state(layer):
    return {name: value.clone() for name, value in layer.state_dict().items()}


def assert_same_state(one, other):
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)


def build_network(config, placement="before_activation"):
    layers = (ConvLayer(conv=CHANNELS), ConvLayer(conv=CHANNELS))
    # Global average pooling would see nothing but β right after instance norm.
    network = CnnConfig(layers=layers, norm=config, placement=placement, head="flatten")
    model = network.build((6, 6, 3), 4)
    initialize(model, seed=0)
    return model


@each_form
@pytest.mark.parametrize("is_training", [True, False], ids=["training", "evaluation"])
def test_a_norm_keeps_shape_and_type_and_is_finite(config, dimensions, is_training):
    layer = config.build(CHANNELS, dimensions).train(is_training)
    inputs = make_inputs(dimensions)

    outputs = call(layer, inputs)
    assert (outputs.shape, outputs.dtype) == (inputs.shape, inputs.dtype)
    assert outputs.isfinite().all()


@each_norm
@pytest.mark.parametrize("is_training", [True, False], ids=["training", "evaluation"])
@pytest.mark.parametrize(
    "memory_format", [torch.channels_last, torch.contiguous_format], ids=["last", "first"]
)
def test_a_norm_keeps_the_memory_format(config, is_training, memory_format):
    layer = config.build(CHANNELS).train(is_training)

    outputs = call(layer, make_inputs().to(memory_format=memory_format))
    assert outputs.is_contiguous(memory_format=memory_format)


@each_norm
def test_both_memory_formats_give_the_same_within_1e_5(config):
    results = []
    for memory_format in (torch.contiguous_format, torch.channels_last):
        layer = config.build(CHANNELS)
        inputs = make_inputs().to(memory_format=memory_format).requires_grad_()
        outputs = call(layer, inputs)
        (outputs * make_inputs().sin()).sum().backward()
        results.append((outputs, inputs.grad, list(layer.buffers())))

    torch.testing.assert_close(results[0], results[1], rtol=1e-5, atol=1e-5)


@each_form
def test_the_gradient_of_a_norm_is_right(config, dimensions):
    small = {"images": 4, "size": (2, 1), "channels": 4}
    if find_problem(config, shape_of(dimensions, **small)):
        small["channels"] = CHANNELS
    layer = config.build(small["channels"], dimensions).double()
    inputs = make_inputs(dimensions, **small).double().requires_grad_()
    parameters = dict(layer.named_parameters())

    def forward(inputs, *values):
        # Fresh buffers at each call: the finite differences must see one and the same step.
        buffers = {name: buffer.clone() for name, buffer in layer.named_buffers()}
        state = {**buffers, **dict(zip(parameters, values, strict=True))}
        torch.manual_seed(0)
        return torch.func.functional_call(layer, state, (inputs,))

    # Of many channels, random sums of the derivatives are compared, not each.
    is_large = small["channels"] == CHANNELS
    assert torch.autograd.gradcheck(forward, (inputs, *parameters.values()), fast_mode=is_large)


def run_on(device, config, dimensions):
    """Returns outputs, gradients and buffers of a training pass and an evaluation there."""
    layer = config.build(CHANNELS, dimensions).to(device)
    inputs = make_inputs(dimensions).to(device).requires_grad_()
    outputs = call(layer, inputs)
    (outputs * make_inputs(dimensions).sin().to(device)).sum().backward()
    gradients = [inputs.grad, *(parameter.grad for parameter in layer.parameters())]
    evaluated = layer.eval()(inputs)
    found = [outputs, *gradients, *layer.buffers(), evaluated]
    return [value.detach().cpu() for value in found if value is not None]


@pytest.mark.gpu
@each_form
def test_on_cuda_a_norm_repeats_its_bits_and_does_what_it_does_on_the_cpu(config, dimensions, cuda):
    first, second = (run_on(cuda, config, dimensions) for _ in range(2))
    assert all(torch.equal(one, other) for one, other in zip(first, second, strict=True))
    if not may_draw(config.build(CHANNELS, dimensions)):  # each device draws numbers of its own
        reference = run_on(torch.device("cpu"), config, dimensions)
        torch.testing.assert_close(first, reference, rtol=1e-4, atol=1e-4)


@each_form
def test_bf16_stays_within_its_rounding_and_statistics_stay_in_fp32(config, dimensions):
    inputs = make_inputs(dimensions).bfloat16()
    rounded, exact = (config.build(CHANNELS, dimensions) for _ in range(2))

    with torch.autocast("cpu", torch.bfloat16):
        outputs = call(rounded, inputs)
    expected = call(exact, inputs.float())
    assert outputs.dtype == torch.bfloat16
    # A value in bfloat16 has 8 bits: 1/256 of itself, and once more where γ and β follow.
    torch.testing.assert_close(outputs.float(), expected, rtol=2 / 256, atol=2 / 256)
    for own, reference in zip(rounded.buffers(), exact.buffers(), strict=True):
        torch.testing.assert_close(own, reference, rtol=1e-5, atol=1e-5)


@each_form
def test_a_norm_uses_the_other_images_of_a_training_batch_as_it_says(config, dimensions):
    inputs = make_inputs(dimensions)
    group = config.statistics_batch(len(inputs)) or 1

    torch.manual_seed(0)
    with_others = config.build(CHANNELS, dimensions)(inputs)
    changed = torch.cat((inputs[:1], inputs[1:] * 3))
    torch.manual_seed(0)
    with_changed = config.build(CHANNELS, dimensions)(changed)
    assert torch.allclose(with_others[:1], with_changed[:1], atol=1e-6) == (group == 1)
    assert group <= len(inputs)


@each_form
def test_evaluation_uses_the_other_images_of_a_batch_only_where_it_says(config, dimensions):
    layer = config.build(CHANNELS, dimensions)
    call(layer, make_inputs(dimensions) * 2 + 1)
    layer.eval()
    inputs = make_inputs(dimensions)

    outputs, mirrored = layer(inputs), layer(inputs.flip(0)).flip(0)
    others = torch.cat((inputs[:2], inputs[2:] * 3))
    is_alone = torch.allclose(outputs[:2], layer(others)[:2], atol=1e-6)
    assert is_alone == config.evaluates_images_alone
    if config.evaluates_images_alone:
        torch.testing.assert_close(outputs, mirrored)
        torch.testing.assert_close(outputs[2:3], layer(inputs[2:3]))


@each_form
def test_evaluation_repeats_bit_for_bit_and_changes_nothing(config, dimensions):
    layer = config.build(CHANNELS, dimensions)
    call(layer, make_inputs(dimensions))
    layer.eval()
    before = copy_state(layer)

    first, second = (layer(make_inputs(dimensions)) for _ in range(2))
    assert torch.equal(first, second)
    assert_same_state(layer.state_dict(), before)


@each_form
def test_all_that_a_norm_remembers_is_in_its_state(config, dimensions, tmp_path):
    layer, resumed = (config.build(CHANNELS, dimensions) for _ in range(2))
    for factor in (1, 2, 3):
        call(layer, make_inputs(dimensions) * factor)
    torch.save(layer.state_dict(), tmp_path / "state.pt")
    resumed.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))

    inputs = make_inputs(dimensions) * 4
    assert torch.equal(call(layer, inputs), call(resumed, inputs))
    assert_same_state(layer.state_dict(), resumed.state_dict())


@each_norm
def test_networks_stacked_by_vmap_do_what_each_does_by_itself(config):
    layer = config.build(CHANNELS)
    layers = [layer, copy.deepcopy(layer)]
    for parameter in layers[1].parameters():
        parameter.data += 0.5
    inputs = torch.stack((make_inputs(), make_inputs() * 2))
    parameters, buffers = torch.func.stack_module_state(layers)

    def forward(parameters, buffers, inputs):
        return torch.func.functional_call(layers[0], (parameters, buffers), (inputs,))

    torch.manual_seed(0)
    outputs = torch.func.vmap(forward, randomness="same")(parameters, buffers, inputs)
    for index, layer in enumerate(layers):
        torch.testing.assert_close(outputs[index], call(layer, inputs[index]))
        for name, buffer in layer.named_buffers():
            torch.testing.assert_close(buffers[name][index], buffer)


@each_norm
@pytest.mark.parametrize("size", [(1, 1), (3, 3)], ids=["one pixel", "many pixels"])
def test_a_batch_of_one_raises_where_the_config_says_so_and_is_finite_elsewhere(config, size):
    inputs = make_inputs(images=1, size=size)
    layer = config.build(CHANNELS)

    problem = find_problem(config, inputs.shape)
    if problem is None:
        assert call(layer, inputs).isfinite().all()
        return
    assert ";" in problem, "a problem comes with its mend"
    with pytest.raises(ValueError, match=r"[Oo]ne value|more than 1 value|more than 1 spatial"):
        layer(inputs)


@each_norm
@pytest.mark.parametrize("placement", ["before_activation", "after_activation"])
def test_a_network_with_a_norm_learns_four_pictures(config, placement):
    model = build_network(config, placement)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    torch.manual_seed(0)
    inputs, targets = torch.randn(4, 3, 6, 6), torch.arange(4)
    first = nn.functional.cross_entropy(model(inputs), targets).item()

    for _ in range(40):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(inputs), targets)
        loss.backward()
        optimizer.step()

    assert loss.item() < 0.2 * first
    assert all(value.isfinite().all() for value in model.state_dict().values())


@each_norm
def test_the_state_of_a_network_survives_saving_and_loading(config, tmp_path):
    model, other = build_network(config), build_network(config)
    call(model, torch.randn(8, 3, 6, 6) + 1)
    torch.save(model.state_dict(), tmp_path / "state.pt")

    other.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))

    inputs = torch.randn(2, 3, 6, 6)
    assert torch.equal(model.eval()(inputs), other.eval()(inputs))
