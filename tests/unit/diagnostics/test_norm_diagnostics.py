"""What norms hold, set by hand, and how far it is from the statistics of a batch."""

import math

import pytest
import torch
from observed_passes import observe
from torch import nn

from bnexp.diagnostics.layers import is_activation, is_norm
from bnexp.diagnostics.norm_statistics.config import NormStatisticsConfig
from bnexp.diagnostics.renorm_clipping.config import RenormClippingConfig
from bnexp.diagnostics.running_vs_batch.config import RunningVsBatchConfig
from bnexp.models.layers import Scale
from bnexp.norms import NORMS
from bnexp.norms.batch_renorm.config import BatchRenormConfig
from bnexp.norms.evonorm.config import EvoNormConfig
from bnexp.parts import part_name


def set_values(norm, **values):
    with torch.no_grad():
        for name, value in values.items():
            getattr(norm, name).copy_(torch.tensor(value))


def measure(config, model, inputs):
    found = observe(config.build(model, 1), model, inputs)
    return {tag.removeprefix("diag/"): float(value) for tag, value in found.items()}


def test_parameters_and_running_statistics_are_summed_up_over_channels():
    model = nn.Sequential(nn.BatchNorm1d(2).eval())
    set_values(
        model[0],
        weight=[1.0, 3.0],
        bias=[-1.0, 0.0],
        running_mean=[2.0, 6.0],
        running_var=[4.0] * 2,
    )

    assert measure(NormStatisticsConfig(), model, torch.randn(4, 2)) == {
        "gamma_mean/0": 2.0,
        "gamma_std/0": 1.0,
        "beta_mean/0": -0.5,
        "beta_std/0": 0.5,
        "running_mean_mean/0": 4.0,
        "running_mean_std/0": 2.0,
        "running_var_mean/0": 4.0,
        "running_var_std/0": 0.0,
    }


@pytest.mark.parametrize("norm", NORMS, ids=part_name)
def test_every_norm_that_has_parameters_is_found(norm):
    layer = norm().build(32)

    assert is_norm(layer) == any(True for _ in layer.parameters())


def test_other_layers_are_no_norms():
    others = [nn.Conv2d(3, 4, 1), nn.Conv1d(3, 4, 1), nn.Linear(3, 4), nn.PReLU(), Scale(1.0)]

    assert not any(map(is_norm, others))
    assert is_norm(nn.LayerNorm((3, 4, 4)))


def test_activations_are_those_that_map_each_value():
    assert all(map(is_activation, [nn.ReLU(), nn.PReLU(), nn.Hardswish(), nn.Sigmoid(), nn.GELU()]))
    others = [nn.Softmax(), nn.LogSoftmax(), nn.MultiheadAttention(4, 2), nn.Dropout()]
    assert not any(map(is_activation, others))


INPUTS = torch.tensor([[0.0, 10.0], [4.0, 10.5], [8.0, 11.0]])
"""Per column: mean 4 and 10.5, unbiased variance 16 and 0.25."""


def test_there_is_no_gap_if_the_running_statistics_are_the_batchs():
    model = nn.Sequential(nn.BatchNorm1d(2, momentum=1.0))

    found = measure(RunningVsBatchConfig(), model, INPUTS)

    assert found == pytest.approx({"running_mean_gap/0": 0.0, "running_std_gap/0": 0.0}, abs=1e-6)


def test_a_norm_without_a_running_mean_has_the_gap_of_deviations_alone():
    model = nn.Sequential(EvoNormConfig(variant="B0", momentum=0.5).build(2, 1))

    found = measure(RunningVsBatchConfig(), model, INPUTS)
    spreads = [math.log(8.5 / 16) / 2, math.log(0.625 / 0.25) / 2]
    expected = math.sqrt(sum(value**2 for value in spreads) / 2)
    assert found == pytest.approx({"running_std_gap/0": expected}, rel=1e-4)
    held = measure(NormStatisticsConfig(), model, INPUTS)
    assert "running_var_mean/0" in held
    assert "running_mean_mean/0" not in held


def test_gaps_are_those_of_the_formula_after_the_running_statistics_have_moved():
    model = nn.Sequential(nn.BatchNorm1d(2, momentum=0.5, eps=1e-12))

    found = measure(RunningVsBatchConfig(), model, INPUTS)

    # From 0 and 1, halfway: means 2 and 5.25, variances 8.5 and 0.625.
    means = [(2 - 4) / 4, (5.25 - 10.5) / 0.5]
    spreads = [math.log(8.5 / 16) / 2, math.log(0.625 / 0.25) / 2]
    for tag, gaps in (("running_mean_gap/0", means), ("running_std_gap/0", spreads)):
        assert found[tag] == pytest.approx(math.sqrt(sum(gap**2 for gap in gaps) / 2))


def test_a_norm_without_running_statistics_has_no_gap():
    model = nn.Sequential(nn.BatchNorm1d(2, track_running_stats=False), nn.LayerNorm(2))

    assert measure(RunningVsBatchConfig(), model, INPUTS) == {}


def test_pixels_count_as_values_of_their_channel():
    images = torch.randn(5, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    model = nn.Sequential(nn.BatchNorm2d(3, momentum=1.0))

    found = measure(RunningVsBatchConfig(), model, images)

    assert found == pytest.approx({"running_mean_gap/0": 0.0, "running_std_gap/0": 0.0}, abs=1e-5)


def renorm(*, group=None, step=10, **limits):
    """Returns batch renormalization whose limits have risen to 2 and 1 at step 10."""
    limits = {"r_max": 2.0, "d_max": 1.0, "warmup_steps": 0, **limits}
    config = BatchRenormConfig(
        eps=1e-12, r_max_steps=10, d_max_steps=10, normalization_batch_size=group, **limits
    )
    model = nn.Sequential(config.build(2, 1))
    set_values(model[0], running_mean=[0.0, 10.0], running_var=[4.0, 0.25])
    model[0].num_batches_tracked.fill_(step)
    return model


def test_corrections_beyond_the_limits_are_counted_per_channel():
    # Per column: mean 4 and 10.5, deviation √(32/3) and √(1/6), so that r is 1.63 and 0.82, and d 2
    # and 1, which is at its limit and not beyond it.
    found = measure(RenormClippingConfig(), renorm(), INPUTS)

    assert found == {"renorm_r_clipped/0": 0.0, "renorm_d_clipped/0": 0.5}


def test_limits_are_those_of_the_step():
    # At step 3 of 10, r may reach 1.3 or 1/1.3 = 0.77, and d 0.3.
    found = measure(RenormClippingConfig(), renorm(step=3), INPUTS)
    assert found == {"renorm_r_clipped/0": 0.5, "renorm_d_clipped/0": 1.0}

    found = measure(RenormClippingConfig(), renorm(step=0), INPUTS)
    assert found == {"renorm_r_clipped/0": 1.0, "renorm_d_clipped/0": 1.0}


def test_groups_count_by_their_images():
    # Of the first three, half of d is clipped; of the last two, mean 20 and 10, deviation 10 and
    # 0.3, so that r is 5 and 0.6, and d 10 and 0.
    inputs = torch.cat((INPUTS, torch.tensor([[10.0, 9.7], [30.0, 10.3]])))

    found = measure(RenormClippingConfig(), renorm(group=3), inputs)

    assert found == pytest.approx({"renorm_r_clipped/0": 0.2, "renorm_d_clipped/0": 0.5})


def test_what_is_not_clipped_is_normalized_as_in_evaluation():
    torch.manual_seed(0)
    inputs = torch.randn(8, 2) * torch.tensor([2.0, 0.5]) + torch.tensor([0.0, 10.0])
    model = renorm(r_max=10.0, d_max=10.0)
    expected = model.eval()(inputs)
    model.train()

    assert set(measure(RenormClippingConfig(), model, inputs).values()) == {0.0}
    set_values(model[0], running_mean=[0.0, 10.0], running_var=[4.0, 0.25])
    torch.testing.assert_close(model(inputs), expected)


def test_other_norms_have_no_corrections_to_clip():
    model = nn.Sequential(nn.BatchNorm1d(2), nn.LayerNorm(2))

    assert measure(RenormClippingConfig(), model, INPUTS) == {}
