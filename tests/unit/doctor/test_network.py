"""What the doctor measures of networks that no config can express: plain modules of PyTorch's."""

import copy
from dataclasses import replace

import pytest
import torch
from doctor_cases import (
    CASES,
    FACTS,
    PlainBatchNorm,
    average_weights,
    build,
    draw_images,
    forget_statistics,
    setup,
    train,
    trained,
    untrained,
    with_biased_variances,
)
from torch import nn

from bnexp.doctor.registry import examine
from bnexp.doctor.setup.eps import find_default
from bnexp.doctor.setup.normalization_batch import check_network
from bnexp.doctor.statistics.unfrozen import find_moved
from bnexp.doctor.subjects.built import build_untrained
from bnexp.doctor.subjects.network import Network, PlainImages, count_forward_passes, digest_buffers
from bnexp.norms import NORMS
from bnexp.norms.batch.config import BatchNormConfig
from bnexp.norms.batch_renorm.config import BatchRenormConfig
from bnexp.norms.evonorm.config import EvoNormConfig
from bnexp.norms.filter_response.config import FilterResponseNormConfig
from bnexp.parts import part_name
from bnexp.training.evaluation import Score


def find_wrong(network):
    return {one.check: one for one in examine("network", network) if one.is_wrong}


def test_a_well_trained_network_has_nothing_wrong():
    assert find_wrong(trained()) == {}


@pytest.mark.parametrize("norm", NORMS, ids=part_name)
def test_no_norm_is_wrong_in_a_well_trained_network(norm):
    config = norm(**({"num_groups": 4} if "num_groups" in norm.model_fields else {}))
    assert find_wrong(trained(config.build(8), norm_configs={"1": config})) == {}


def test_a_running_variance_without_a_mean_is_examined_too():
    sound, sick = (trained(EvoNormConfig(variant="B0").build(8), steps=200) for _ in range(2))
    sick.model[1].running_var.fill_(500.0)

    assert [*sound.tracking_norms] == ["1"]
    assert find_wrong(sound) == {}
    assert find_wrong(sick)["stale"].place == "1"


def test_looking_changes_nothing():
    network = trained()
    network.model.eval()
    network.model[1].train()
    before = copy.deepcopy(network.model.state_dict())

    list(examine("network", network))

    after = network.model.state_dict()
    assert all(torch.equal(value, before[name]) for name, value in after.items())
    assert [module.training for module in network.model] == [False, True, *[False] * 4]


def test_frozen_layers_move_once_train_is_called_and_the_digests_show_it():
    model = build().train()
    model[1].eval()
    frozen, before = ["1"], digest_buffers(model)

    model(torch.randn(4, 3, 8, 8))
    assert find_moved(before, digest_buffers(model), frozen) == []

    model.train()
    model(torch.randn(4, 3, 8, 8))
    moved = find_moved(before, digest_buffers(model), frozen)
    assert moved == ["1.running_mean", "1.running_var", "1.num_batches_tracked"]
    assert find_moved(before, digest_buffers(model), []) == []


def test_averaged_weights_have_stale_statistics_until_they_are_recalibrated():
    stale, sound = average_weights(False), average_weights(True)

    assert "stale" in find_wrong(stale)
    assert find_wrong(sound) == {}


def test_accumulated_gradients_are_seen_in_the_forward_passes_of_a_step():
    model, images = build(), draw_images(32)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

    def step():
        for start in range(0, 32, 8):
            inputs, targets = images.gather(torch.arange(start, start + 8))
            (nn.functional.cross_entropy(model(inputs), targets) / 4).backward()
        optimizer.step()

    sizes = count_forward_passes(model, step)

    assert sizes == [8, 8, 8, 8]
    network = Network(model, images, sum(sizes), forward_size=sizes[0])
    (found,) = check_network(network)
    assert found.severity == "warning"
    assert found.evidence == "8 images share statistics, 32 an update"


def test_the_cause_of_a_gap_is_named():
    found = find_wrong(forget_statistics())

    assert found["gap"].what.endswith(": statistics of other weights")
    assert "the weights changed after the statistics were gathered" in found["gap"].cause


def test_a_batch_norm_of_another_package_is_examined_as_pytorchs_is():
    sound, sick = trained(PlainBatchNorm(8)), forget_statistics(PlainBatchNorm(8))

    assert find_wrong(sound) == {}
    assert [*sound.tracking_norms] == ["1"]
    found = find_wrong(sick)
    assert set(found) == {"stale", "gap"}
    assert found["stale"].place == "1"


def test_batch_renorm_averages_biased_deviations_by_design():
    config = BatchRenormConfig(normalization_batch_size=2)
    images = draw_images(2000, (8,))

    norm = config.build(8, 1)
    for places in torch.arange(2000).view(-1, 8):
        norm(images.gather(places)[0])
    network = Network(nn.Sequential(norm), images, 8, steps=250)
    network = replace(network, norm_configs={"0": config})

    ratio = norm.running_var / network.true_statistics["0"][1]
    assert 0.1 < ratio.median() < 0.5
    assert set(find_wrong(network)) == set()


@pytest.mark.parametrize(
    ("config", "is_flagged"), [(BatchNormConfig(), True), (BatchRenormConfig(), False)]
)
def test_a_variance_is_too_small_unless_the_norm_says_that_it_averages_biased_ones(
    config, is_flagged
):
    network = replace(with_biased_variances(), norm_configs={"0": config})

    found = find_wrong(network)

    assert ("recalibration" in found) is is_flagged
    assert ("unbiased_variance" in found) is is_flagged
    assert "stale" not in found


def test_cold_statistics_are_the_cause_of_a_gap_after_a_few_steps():
    images = draw_images()
    model = train(build(nn.BatchNorm2d(8, momentum=0.001)), images, 40)
    with torch.no_grad():
        model[0].weight.mul_(100)  # the same function in training
    network = Network(model, images, 32, steps=40, held_out=draw_images(seed=1))

    found = find_wrong(network)

    assert found["gap"].what.endswith(": cold statistics")
    assert (
        found["cold"].evidence
        == "96 % of the initial values is left after 40 steps at momentum 0.001"
    )


def test_an_infinite_variance_is_the_cause_of_a_gap():
    network = trained()
    network.model[1].running_var.fill_(float("inf"))

    assert find_wrong(network)["gap"].what.endswith(": non-finite buffers")


@pytest.mark.parametrize(
    ("precise", "batch", "what"),
    [
        (0.9, 0.9, "evaluation is below what the weights can do"),
        (0.5, 0.9, "evaluation differs from training even with exact statistics"),
    ],
)
def test_without_a_known_cause_the_scores_say_whether_the_statistics_are_to_blame(
    precise, batch, what
):
    network = trained()
    scores = {"ema": Score(1.0, 0.5), "precise": Score(1.0, precise), "batch": Score(1.0, batch)}
    network.__dict__["scores"] = scores

    (found,) = find_wrong(network).values()

    assert found.check == "gap"
    assert found.what == what
    assert found.evidence.startswith("50.0 % with running, ")


@pytest.mark.parametrize(("mean", "is_flagged"), [(3.0, False), (20.0, True), (199.0, True)])
def test_in_bf16_the_digits_that_a_mean_costs_are_measured_in_bf16(mean, is_flagged):
    model = nn.Sequential(nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3))
    with torch.no_grad():
        model[0].weight.copy_(torch.eye(3).view(3, 3, 1, 1))
        model[0].bias.fill_(mean)
    images = PlainImages(torch.randn(64, 3, 8, 8, generator=torch.Generator().manual_seed(0)))
    exact = Network(model, images, 64)

    assert "far_mean" not in find_wrong(exact)
    found = find_wrong(replace(exact, precision="bf16"))
    assert ("far_mean" in found) is is_flagged
    if mean == 199:
        assert "off by up to 0.3 of the result" in found["far_mean"].evidence


def test_what_is_not_finite_is_neither_cold_nor_stale():
    network = replace(trained(steps=10), steps=10)
    with torch.no_grad():
        for value in network.model[1].state_dict().values():
            if value.is_floating_point():
                value.fill_(float("nan"))

    assert not {"cold", "stale"} & set(find_wrong(network))
    assert find_wrong(network)["non_finite"].severity == "error"


@pytest.mark.parametrize("name", ["cold", "batch_dependence"])
def test_a_problem_is_as_severe_in_a_config_as_in_its_run(name):
    config = setup(
        norm={"name": "batch", "momentum": 0.001, "track_running_stats": name == "cold"},
        train={"epochs": 1},
    )
    _, run, _ = CASES[name]

    (before,) = (one for one in examine("setup", config) if one.check == name)
    assert before.severity == find_wrong(run())[name].severity == "warning"


@pytest.mark.parametrize(
    ("norm", "default", "is_biased"),
    [("batch", 1e-5, False), ("batch_renorm", 1e-5, True), ("filter_response", 1e-6, False)],
)
def test_the_layers_of_a_config_are_known_by_their_norms_config(norm, default, is_biased):
    network = build_untrained(setup(norm={"name": norm}).config.model, FACTS)

    assert len(network.norms) == 2
    for name in network.norms:
        assert find_default(network, name) == default
        assert network.averages_biased_variances(name) is is_biased


def test_an_eps_is_compared_with_the_default_of_its_own_norm():
    config = FilterResponseNormConfig()
    network = replace(untrained(build(config.build(8))), norm_configs={"1": config})
    other = FilterResponseNormConfig(eps=1e-5)
    changed = replace(untrained(build(other.build(8))), norm_configs={"1": other})

    assert "eps" not in find_wrong(network)
    assert find_wrong(changed)["eps"].evidence == "eps 1e-05 in 1 of 1 norms, the default is 1e-06"
