"""Histograms, against NumPy's, and as TensorBoard reads them."""

import numpy as np
import pytest
import torch
from tensorboard import data_compat
from tensorboard.util import tensor_util
from torch import nn

from bnexp.diagnostics.histograms.config import HistogramsConfig
from bnexp.diagnostics.histograms.probe import choose_layers, count_values
from bnexp.runs.streams.metrics_log import Histogram, MetricsLog, MetricsRow
from bnexp.runs.streams.tensorboard_events import histograms_event
from bnexp.training.loop import read_histogram


@pytest.mark.parametrize("bins", [2, 7, 30])
def test_values_are_counted_as_numpy_counts_them(bins):
    # Quarters are exact in float32, so that no rounding moves a value over an edge.
    values = torch.randint(-40, 41, (5, 3, 4, 4), generator=torch.Generator().manual_seed(0)) / 4
    found = read_histogram(count_values(values, bins))
    expected, edges = np.histogram(values.numpy().astype(np.float64), bins)

    assert (found.low, found.high) == (edges[0], edges[-1])
    assert sum(found.counts) == values.numel()
    assert np.abs(np.array(found.counts) - expected).sum() <= 2  # a value on an edge


def test_values_that_are_not_finite_are_left_out():
    found = read_histogram(
        count_values(torch.tensor([1.0, torch.nan, 3.0, torch.inf, -torch.inf]), 2)
    )

    assert found == Histogram(low=1.0, high=3.0, counts=(1, 1))
    assert read_histogram(count_values(torch.tensor([torch.nan]), 4)).counts == ()
    same = read_histogram(count_values(torch.full((6,), 2.0), 3))
    assert (same.low, same.high, sum(same.counts)) == (2.0, 2.0, 6)


def test_the_first_and_the_last_of_each_kind_are_chosen():
    network = nn.Sequential(
        nn.BatchNorm2d(2), nn.ReLU(), nn.BatchNorm2d(2), nn.Tanh(), nn.BatchNorm2d(2), nn.ReLU()
    )

    assert [*choose_layers(network, None)] == ["1", "5", "0", "4"]
    assert [*choose_layers(network, ["2"])] == ["2"]
    assert choose_layers(nn.Sequential(nn.Linear(2, 2)), None) == {}


def test_outputs_and_what_norms_hold_are_counted():
    network = nn.Sequential(nn.BatchNorm2d(3), nn.ReLU())
    probe = HistogramsConfig(bins=4).build(network, steps_per_epoch=1)
    with torch.no_grad():
        network[0].weight.copy_(torch.tensor([1.0, 1.0, 3.0]))
    handles = [*probe.hook(network)]
    outputs = network(torch.randn(4, 3, 2, 2))
    for handle in handles:
        handle.remove()
    found = dict(probe.after_update(None))

    assert {*found} == {
        *(f"diag/output{end}/{layer}" for end in ("", "_lowest", "_highest") for layer in "01"),
        *(f"diag/{name}/0" for name in ("gamma", "beta", "running_mean", "running_var")),
    }
    assert read_histogram(found["diag/gamma/0"]).counts == (2, 0, 0, 1)
    assert found["diag/output_highest/1"] == outputs.max()


def test_tensorboard_reads_what_was_counted():
    histogram = Histogram(low=-1.0, high=3.0, counts=(4, 0, 1, 2))
    event = histograms_event(7, 1.0, {"diag/output/x": histogram})
    (value,) = event.summary.value
    buckets = tensor_util.make_ndarray(data_compat.migrate_value(value).tensor)

    assert (event.step, value.tag) == (7, "diag/output/x")
    counted = buckets[buckets[:, 2] > 0]
    assert counted[:, 2].tolist() == [4.0, 1.0, 2.0]
    assert counted[:, 1].tolist() == [0.0, 2.0, 3.0]
    assert histograms_event(1, 1.0, {"x": Histogram(low=0.0, high=0.0, counts=())}).summary


def test_rows_keep_histograms_apart_from_scalars(tmp_path):
    histogram = Histogram(low=0.0, high=1.0, counts=(1, 2))
    log = MetricsLog(tmp_path / "m")
    log.write(1, 1, 0.5, {"train/loss": 2.0}, {"diag/output/x": histogram})
    log.write(2, 1, 0.6, {"train/loss": 1.0}, {})
    log.close()
    first, second = map(MetricsRow.model_validate_json, (tmp_path / "m").read_text().splitlines())

    assert (first.histograms, first.scalars) == ({"diag/output/x": histogram}, {"train/loss": 2.0})
    assert (second.histograms, second.scalars) == ({}, {"train/loss": 1.0})
