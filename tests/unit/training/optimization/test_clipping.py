"""Clipped gradients are those of PyTorch's function, and of the formula in the paper."""

import copy

import pytest
import torch
from pydantic import ValidationError
from torch import nn
from toy_training import CPU, Notes, build_dataset, configure

from bnexp.config.optim import AdamWConfig, SgdConfig
from bnexp.training.loop import Training
from bnexp.training.optimization.update import clip_norm, clip_units
from bnexp.training.setup import build_parts


@pytest.fixture(scope="module")
def dataset():
    return build_dataset()


def build_model():
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.PReLU(), nn.Flatten(), nn.Linear(16, 5)
    )
    for index, parameter in enumerate(model.parameters()):
        parameter.grad = torch.randn_like(parameter) * 3.0 ** (index - 3)
    return model


def run(config, dataset):
    parts = build_parts(config, dataset, CPU)
    notes = Notes()
    return Training(config, parts, notes, lambda: False).run(), notes, parts


@pytest.mark.parametrize("largest", [1e-3, 1.0, 30.0, 1e6])
def test_the_norm_of_the_gradient_is_clipped_as_by_pytorch(largest):
    model, other = build_model(), build_model()

    clipped = clip_norm(list(model.parameters()), largest)
    norm = nn.utils.clip_grad_norm_(other.parameters(), largest)

    pairs = zip(model.parameters(), other.parameters(), strict=True)
    assert all(torch.equal(one.grad, two.grad) for one, two in pairs)
    assert clipped.item() == (norm.item() > largest)


@pytest.mark.parametrize("ratio", [1e-4, 0.1, 10.0, 1e6])
def test_units_are_clipped_as_the_paper_writes(ratio):
    model = build_model()
    before = copy.deepcopy(model)
    for one, two in zip(before.parameters(), model.parameters(), strict=True):
        one.grad = two.grad.clone()
    # A unit of zeros counts as one of norm 0.001.
    with torch.no_grad():
        model[0].weight[1] = before[0].weight[1] = 0

    clipped = clip_units(list(model.parameters()), ratio)

    flags = []
    for parameter, original in zip(model.parameters(), before.parameters(), strict=True):
        is_vector = parameter.dim() == 1
        for index in [...] if is_vector else range(len(parameter)):
            weights, gradient = original[index].flatten(), original.grad[index].flatten()
            limit = ratio * max(weights.double().norm().item(), 1e-3)
            norm = gradient.double().norm().item()
            expected = gradient * (limit / norm) if norm > limit else gradient
            flags.append(norm > limit)
            torch.testing.assert_close(parameter.grad[index].flatten(), expected)
    assert clipped.item() == pytest.approx(sum(flags) / len(flags))


@pytest.mark.parametrize("option", [{"clip_norm": 0.2}, {"adaptive_clip": 0.01}])
@pytest.mark.parametrize("kind", [SgdConfig, AdamWConfig])
def test_a_run_clips_before_each_update_and_reports_how_often(option, kind, dataset):
    config = configure(optim=kind(learning_rate=0.05, **option))
    summary, notes, _ = run(config, dataset)
    plain, _, _ = run(configure(optim=kind(learning_rate=0.05)), dataset)

    rows = [row["optim/clipped_share"] for _, _, row in notes.rows if "train/loss" in row]
    assert len(rows) == 4
    assert all(0 <= share <= 1 for share in rows)
    # Rows of 3 steps of 32, 32, 32 and of 32, 32, 20 images.
    first = (rows[0] * 96 + rows[1] * 84) / 180
    assert summary.history["optim/clipped_share"][0] == pytest.approx(first)
    assert summary.history["optim/clipped_share"][0] > 0
    assert "optim/clipped_share" not in plain.history
    assert summary.history["train/loss"] != plain.history["train/loss"]


def test_a_step_with_a_clipped_gradient_is_that_of_plain_pytorch(dataset):
    config = configure(optim=SgdConfig(learning_rate=0.05, clip_norm=0.2))
    parts, other = build_parts(config, dataset, CPU), build_parts(config, dataset, CPU)
    learner, plain = parts.learner, other.learner
    for number, batch in enumerate(parts.batches.epoch(0), start=1):
        learner.step(number, batch)
        for group in plain.optimizer.param_groups:
            group["lr"] = learner.learning_rate(number)
        plain.optimizer.zero_grad()
        nn.functional.cross_entropy(plain.model(batch[0]), batch[1]).backward()
        nn.utils.clip_grad_norm_(plain.model.parameters(), 0.2)
        plain.optimizer.step()

    pairs = zip(learner.model.parameters(), plain.model.parameters(), strict=True)
    assert all(torch.equal(*pair) for pair in pairs)


def test_a_limit_that_is_never_reached_changes_no_bit(dataset):
    expected, _, plain = run(configure(optim=SgdConfig(learning_rate=0.05)), dataset)
    for option in ({"clip_norm": 1e6}, {"adaptive_clip": 1e6}):
        config = configure(optim=SgdConfig(learning_rate=0.05, **option))
        summary, _, parts = run(config, dataset)

        assert summary.history["train/loss"] == expected.history["train/loss"]
        assert summary.history["optim/clipped_share"] == (0, 0)
        pairs = zip(parts.learner.model.parameters(), plain.learner.model.parameters(), strict=True)
        assert all(torch.equal(*pair) for pair in pairs)


def test_the_last_linear_layer_is_not_clipped_by_its_units(dataset):
    config = configure(optim=SgdConfig(learning_rate=0.05, momentum=0.0, adaptive_clip=1e-6))
    parts = build_parts(config, dataset, CPU)
    before = {name: p.detach().clone() for name, p in parts.learner.model.named_parameters()}
    parts.learner.step(1, next(parts.batches.epoch(0)))

    moved = {
        name: ((p - before[name]).norm() / before[name].norm().clamp(min=1e-3)).item()
        for name, p in parts.learner.model.named_parameters()
    }
    assert {name for name, distance in moved.items() if distance > 1e-4} == {
        "linear.weight",
        "linear.bias",
    }


def test_the_two_clippings_exclude_each_other():
    with pytest.raises(ValidationError, match="exclude each other"):
        SgdConfig(clip_norm=1.0, adaptive_clip=0.01)


@pytest.mark.parametrize("option", [{"clip_norm": 0.0}, {"adaptive_clip": -1.0}])
def test_limits_are_above_zero(option):
    with pytest.raises(ValidationError):
        SgdConfig(**option)
