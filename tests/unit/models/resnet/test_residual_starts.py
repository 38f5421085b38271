"""What a residual block is before it is trained: the identity where its variant says so."""

import pytest
import torch
from pydantic import ValidationError
from torch.nn import functional

from bnexp.models.resnet.config import ORDERS, ResNetConfig
from bnexp.norms.batch.config import BatchNormConfig
from bnexp.norms.none.config import NoNormConfig
from bnexp.training.initialization import initialize

BATCH, NONE = BatchNormConfig(), NoNormConfig()


def initialized(seed=0, **fields):
    model = ResNetConfig(**{"depth": 14, "width": 4, **fields}).build((16, 16, 3), 10)
    initialize(model, seed)
    return model


@pytest.mark.parametrize(
    "fields",
    [
        {"norm": BATCH, "residual": "zero_gamma"},
        {"norm": BATCH, "residual": "zero_gamma", "order": "activation_only_preactivation"},
        {"norm": NONE, "residual": "skipinit"},
        {"norm": BATCH, "residual": "skipinit", "order": "full_preactivation"},
        {"norm": NONE, "residual": "fixup"},
        {"norm": NONE, "residual": "fixup", "order": "full_preactivation"},
        {"norm": NONE, "residual": "fixup", "activation": "prelu"},
        {"norm": BATCH, "residual": "zero_gamma", "block": "bottleneck", "depth": 11},
        {"norm": NONE, "residual": "fixup", "block": "bottleneck", "depth": 11},
    ],
    ids=lambda fields: "-".join(str(getattr(value, "name", value)) for value in fields.values()),
)
def test_each_block_starts_as_its_shortcut(fields):
    model = initialized(**fields)

    for block in model.blocks:
        inputs = torch.rand(2, block.convolutions[0].in_channels, 8, 8)
        seen = block.before(inputs) if block.splits_late else inputs
        assert torch.equal(block(inputs), block.shortcut(seen))


def test_a_plain_block_does_not_start_as_its_shortcut():
    block = initialized(norm=NONE).blocks[1]
    inputs = torch.rand(2, 4, 8, 8)

    assert not torch.allclose(block(inputs), inputs)


def test_fixup_starts_with_the_same_logits_for_every_image():
    logits = initialized(norm=NONE, residual="fixup")(torch.randn(3, 3, 16, 16))

    assert not logits.any()


def test_fixup_scales_the_first_convolution_by_the_number_of_blocks():
    fixup, plain = initialized(norm=NONE, residual="fixup"), initialized(norm=NONE)

    # m = 2 convolutions a branch, L = 6 blocks: L^(-1/(2m-2)) = 6^(-1/2).
    for ours, reference in zip(fixup.blocks, plain.blocks, strict=True):
        expected = reference.convolutions[0].weight * 6**-0.5
        torch.testing.assert_close(ours.convolutions[0].weight, expected)
        assert not ours.convolutions[1].weight.any()
    assert torch.equal(fixup.stem.conv1.weight, plain.stem.conv1.weight)
    assert not fixup.linear.weight.any()


def test_fixup_scales_two_convolutions_of_a_bottleneck():
    fields = {"norm": NONE, "block": "bottleneck", "depth": 11}
    fixup, plain = initialized(residual="fixup", **fields), initialized(**fields)

    # m = 3 convolutions a branch, L = 3 blocks: L^(-1/(2m-2)) = 3^(-1/4).
    for ours, reference in zip(fixup.blocks, plain.blocks, strict=True):
        for mine, theirs in zip(ours.convolutions[:2], reference.convolutions[:2], strict=True):
            torch.testing.assert_close(mine.weight, theirs.weight * 3**-0.25)
        assert not ours.convolutions[2].weight.any()


def test_a_fixup_block_computes_the_formula_of_the_paper():
    block = initialized(norm=NONE, residual="fixup").blocks[1]
    with torch.no_grad():
        for parameter in block.parameters():
            parameter.normal_()
    x = torch.randn(2, 4, 8, 8)
    conv1, conv2 = (
        lambda inputs, weight=conv.weight: functional.conv2d(inputs, weight, padding=1)
        for conv in block.convolutions
    )
    shift1, shift2, shift3 = (block.branch.get_submodule(f"shift{i}").bias for i in (1, 2, 3))

    branch = conv2(functional.relu(conv1(x + shift1) + shift2) + shift3)
    expected = functional.relu(x + block.branch.scale1.weight * branch + block.after.shift4.bias)
    torch.testing.assert_close(block(x), expected)


def test_fixup_has_one_factor_and_four_shifts_a_block_in_place_of_biases():
    names = [name for name, _ in initialized(norm=NONE, residual="fixup").named_parameters()]

    own = [name for name in names if name.startswith("stages.0.1.")]
    assert len(own) == 2 + 1 + 4
    assert not [name for name in names if ".conv" in name and name.endswith("bias")]


def test_skipinit_learns_one_factor_a_block_from_zero():
    model = initialized(norm=NONE, residual="skipinit")

    factors = [block.branch[-1].weight for block in model.blocks]
    assert [factor.item() for factor in factors] == [0.0] * 6
    model(torch.randn(2, 3, 16, 16)).square().sum().backward()
    assert all(factor.grad.item() != 0 for factor in factors)


def test_zero_gamma_keeps_every_other_gamma_at_one():
    model = initialized(residual="zero_gamma")

    block = model.blocks[0]
    assert not block.branch.norm2.weight.any()
    assert (block.branch.norm1.weight == 1).all()
    assert (model.stem.norm1.weight == 1).all()


@pytest.mark.parametrize("residual", ["plain", "zero_gamma", "skipinit"])
def test_variants_share_the_weights_of_their_convolutions(residual):
    norm = BATCH if residual == "zero_gamma" else NONE
    ours, plain = initialized(norm=norm, residual=residual), initialized(norm=NONE)

    for mine, reference in zip(ours.blocks, plain.blocks, strict=True):
        pairs = zip(mine.convolutions, reference.convolutions, strict=True)
        assert all(torch.equal(a.weight, b.weight) for a, b in pairs)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"norm": BATCH, "residual": "fixup"}, "fixup stands in for the norm; set norm: none"),
        ({"norm": NONE, "residual": "zero_gamma"}, "but norm is none; use plain or skipinit"),
        (
            {"norm": BatchNormConfig(affine=False), "residual": "zero_gamma"},
            "zero_gamma starts the norm's γ at 0; set norm.affine: true",
        ),
        (
            {"order": "full_preactivation", "residual": "zero_gamma"},
            "needs a branch that ends with its norm "
            r"\(order: original, activation_only_preactivation\); use skipinit",
        ),
        (
            {"order": "activation_before_add", "residual": "zero_gamma"},
            "needs a branch that ends with its norm",
        ),
        (
            {"norm": NONE, "residual": "fixup", "weight_standardization": True},
            "weight standardization undoes the weights' scale that fixup sets",
        ),
        ({"depth": 21}, "must be 6n[+]2, e.g. 20, 32, 44, 56 and 110; the nearest are 20 and 26"),
        (
            {"block": "bottleneck", "depth": 100},
            "must be 9n[+]2, e.g. 29, 164 and 1001; the nearest are 92 and 101",
        ),
        ({"block": "bottleneck", "depth": 8}, "the nearest is 11"),
    ],
)
def test_combinations_that_cannot_be_are_refused_with_the_mend(fields, reason):
    with pytest.raises(ValidationError, match=reason):
        ResNetConfig(**fields)


@pytest.mark.parametrize("residual", ["plain", "skipinit", "fixup", "zero_gamma"])
def test_every_start_learns_four_pictures(residual):
    norm = BATCH if residual == "zero_gamma" else NONE
    model = initialized(depth=8, width=8, norm=norm, residual=residual)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    torch.manual_seed(0)
    images, targets = torch.randn(4, 3, 16, 16), torch.arange(4)

    for _ in range(150):
        optimizer.zero_grad()
        loss = functional.cross_entropy(model(images), targets)
        loss.backward()
        optimizer.step()

    assert loss.item() < 0.2


REFUSED = {
    ("fixup", "activation_before_add"),  # the activation passes no gradient on at 0
    *(
        ("zero_gamma", order)  # the branch does not end with the γ that would be 0
        for order, each in ORDERS.items()
        if each.branch[-1] != "norm"
    ),
}


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("residual", ["plain", "zero_gamma", "skipinit", "fixup"])
def test_every_parameter_moves_from_every_start_that_is_allowed(order, residual):
    norm = {"name": "batch"} if residual == "zero_gamma" else {"name": "none"}
    fields = {"name": "resnet", "depth": 8, "order": order, "residual": residual, "norm": norm}
    if (residual, order) in REFUSED:
        with pytest.raises(ValidationError, match=residual):
            ResNetConfig.model_validate(fields)
        return
    config = ResNetConfig.model_validate(fields)
    torch.manual_seed(0)
    model = config.build((8, 8, 3), 4)
    initialize(model, 0)
    before = {name: value.detach().clone() for name, value in model.named_parameters()}
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    inputs, targets = torch.randn(16, 3, 8, 8), torch.arange(16) % 4
    for _ in range(10):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(model(inputs), targets).backward()
        optimizer.step()

    still = [name for name, value in model.named_parameters() if torch.equal(value, before[name])]
    assert still == []
