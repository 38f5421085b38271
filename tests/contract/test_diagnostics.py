"""What every diagnostic must do, whatever package it comes from."""

import math
import re

import pytest
import torch
from diagnosed_runs import read_bits, rows_of_diagnostics, train
from small_models import small_options
from toy_training import CPU, build_dataset, configure

from bnexp.diagnostics import DIAGNOSTICS
from bnexp.diagnostics.probe import Counts
from bnexp.models import MODELS
from bnexp.models.cnn.config import CnnConfig, ConvLayer
from bnexp.models.file.trust import trusting_files
from bnexp.norms.batch.config import BatchNormConfig
from bnexp.norms.batch_renorm.config import BatchRenormConfig
from bnexp.norms.noisy_batch.config import NoisyBatchNormConfig
from bnexp.norms.none.config import NoNormConfig
from bnexp.parts import part_name
from bnexp.training.saving.progress import CheckpointMetadata
from bnexp.training.step import find_seeders, train_step

every_diagnostic = pytest.mark.parametrize("diagnostic", DIAGNOSTICS, ids=part_name)


@pytest.fixture(scope="module")
def dataset():
    return build_dataset()


def with_diagnostics(config, *diagnostics):
    return config.model_copy(update={"diagnostics": diagnostics})


def configure_for(diagnostic, **changes):
    """Returns a config whose network has what the diagnostic measures."""
    if part_name(diagnostic) == "renorm_clipping":
        changes["norm"] = RENORM
    return configure(**changes)


RENORM = BatchRenormConfig(warmup_steps=2, r_max_steps=8, d_max_steps=8)
CONFIGS = {
    "dropout": configure(dropout=0.5),
    "noisy, bf16": configure(norm=NoisyBatchNormConfig(), precision="bf16"),
    "ghost batches": configure(norm=BatchNormConfig(normalization_batch_size=8, momentum=None)),
    "no norm": configure(norm=NoNormConfig()),
    "renormalized": configure(norm=RENORM),
}


@pytest.mark.parametrize("name", CONFIGS)
@every_diagnostic
def test_it_changes_no_bit_of_a_run(diagnostic, name, dataset):
    check_it_changes_no_bit(CONFIGS[name], diagnostic, dataset, CPU)


@pytest.mark.gpu
@pytest.mark.parametrize("name", CONFIGS)
@every_diagnostic
def test_on_cuda_it_changes_no_bit_of_a_run(diagnostic, name, dataset, cuda):
    check_it_changes_no_bit(CONFIGS[name], diagnostic, dataset, cuda)


def check_it_changes_no_bit(config, diagnostic, dataset, device):
    plain, plain_rows, _ = train(with_diagnostics(config), dataset, device=device)
    config = with_diagnostics(config, diagnostic(every_steps=2))
    measured, rows, _ = train(config, dataset, device=device)

    for part in ("model", "optimizer"):
        before, after = (getattr(one.learner, part).state_dict() for one in (plain, measured))
        assert read_bits(before) == read_bits(after)
    others = [row for row in rows if not any(tag.startswith("diag/") for tag in row[2])]
    assert without_speeds(others) == without_speeds(plain_rows)


def without_speeds(rows):
    return [
        (step, epoch, {tag: value for tag, value in scalars.items() if "per_second" not in tag})
        for step, epoch, scalars in rows
    ]


@every_diagnostic
def test_it_measures_finite_numbers_at_the_middle_step_of_each_epoch(diagnostic, dataset):
    _, rows, _ = train(with_diagnostics(configure_for(diagnostic), diagnostic()), dataset)

    measured = rows_of_diagnostics(rows)
    assert [step for step, _ in measured] == [3, 9]
    for _, scalars in measured:
        assert all(re.fullmatch(r"diag/[a-z0-9_]+/[^/\s]+", tag) for tag in scalars)
        assert all(math.isfinite(value) for value in scalars.values()), scalars
    assert measured[0][1].keys() == measured[1][1].keys()


@pytest.mark.gpu
@every_diagnostic
def test_on_cuda_it_measures_what_it_does_on_the_cpu(diagnostic, dataset, cuda):
    config = with_diagnostics(configure_for(diagnostic), diagnostic())
    own, reference = (
        rows_of_diagnostics(train(config, dataset, device=device)[1]) for device in (cuda, CPU)
    )

    assert [step for step, _ in own] == [step for step, _ in reference]
    assert own[0][1] == pytest.approx(reference[0][1], rel=0.02, abs=0.01)


@pytest.mark.parametrize("activation", ["relu", "tanh"])
@every_diagnostic
def test_its_tags_have_the_quantities_that_it_declares(diagnostic, activation, dataset):
    config = configure_for(diagnostic)
    config = config.model_copy(
        update={"model": config.model.model_copy(update={"activation": activation})}
    )
    _, rows, _ = train(with_diagnostics(config, diagnostic()), dataset)

    found = {tag.split("/")[1] for _, scalars in rows_of_diagnostics(rows) for tag in scalars}
    assert found <= {*diagnostic.list_quantities()}


@every_diagnostic
def test_a_run_that_is_stopped_measures_the_same(diagnostic, dataset):
    config = with_diagnostics(configure_for(diagnostic, dropout=0.5), diagnostic(every_steps=2))
    _, whole, _ = train(config, dataset)

    for boundaries in (1, 4, 9):
        _, _, saved = train(config, dataset, boundaries)
        done = CheckpointMetadata.read(saved[1]).progress.rows
        _, rows, _ = train(config, dataset, saved=saved)
        assert rows_of_diagnostics([*whole[:done], *rows]) == rows_of_diagnostics(whole)


@every_diagnostic
def test_it_measures_only_the_layers_that_the_patterns_choose(diagnostic, dataset):
    chosen = with_diagnostics(configure_for(diagnostic), diagnostic(layers=("layers.1.*",)))
    everything = with_diagnostics(configure_for(diagnostic), diagnostic())
    (few, _), (many, _) = (
        rows_of_diagnostics(train(config, dataset)[1]) for config in (chosen, everything)
    )

    layers = {tag.rpartition("/")[2] for tag in few[1]}
    assert layers <= {"all", "layers.1.conv", "layers.1.norm", "layers.1.activation"}
    assert all(many[1][tag] == value for tag, value in few[1].items() if tag in many[1])


def measure_one_step(model, probe, images):
    """Returns what a probe measures in a step of a network on these images."""
    optimizer = torch.optim.SGD([one for one in model.parameters() if one.requires_grad], lr=0.01)
    seeders = find_seeders(model, torch.device("cpu"))

    def seed(start):
        for seeder in seeders:
            seeder(start or 0)

    batch = images, torch.arange(len(images)) % 10
    result = train_step(model, optimizer, batch, "fp32", 1, [probe], seed=seed)
    return {tag: float(one) for tag, one in result.measured.items() if not isinstance(one, Counts)}


@pytest.mark.parametrize("family", MODELS, ids=part_name)
@every_diagnostic
def test_it_works_on_every_model_family(diagnostic, family):
    if part_name(family) == "timm":
        pytest.importorskip("timm", reason="timm is an optional extra")
    torch.manual_seed(0)
    # The stem for small images would make torchvision's network the slowest by far.
    options = {key: value for key, value in small_options(family).items() if key != "cifar_stem"}
    with trusting_files():
        model = family(**options).build((32, 32, 3), 10).train()

    measured = measure_one_step(model, diagnostic().build(model, 1), torch.randn(4, 3, 32, 32))

    assert all(math.isfinite(value) for value in measured.values()), measured


@pytest.mark.parametrize("placement", ["before_activation", "after_activation"])
@pytest.mark.parametrize("norm", [NoNormConfig(), BatchNormConfig()], ids=lambda norm: norm.name)
@every_diagnostic
def test_it_works_with_any_placement_and_without_norms(diagnostic, norm, placement):
    torch.manual_seed(0)
    layers = (ConvLayer(conv=4, activation="tanh"), ConvLayer(conv=4))
    config = CnnConfig(layers=layers, norm=norm, placement=placement)
    model = config.build((8, 8, 3), 10).train()

    measured = measure_one_step(model, diagnostic().build(model, 1), torch.randn(8, 3, 8, 8))

    assert all(math.isfinite(value) for value in measured.values()), measured
