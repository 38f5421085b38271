"""Cells that train the same network are found by what their network is, not by their names."""

import pytest
import yaml

from bnexp.config.duplicates import find_same_cells
from bnexp.config.load import load_experiment

CNN = {"name": "cnn", "layers": [{"conv": 8}, {"pool": "max"}, {"conv": 8}]}


def same_cells(tmp_path, grid, model=CNN, **sections):
    path = tmp_path / "c.yaml"
    config = {"name": "trial", "data": {"name": "shapes"}, "model": model, **sections}
    path.write_text(yaml.safe_dump({**config, "sweep": {"seeds": 2, "grid": grid}}))
    return find_same_cells(load_experiment(path).runs)


PLACEMENTS = ["before_activation", "after_activation"]


def test_no_norm_in_two_places_is_one_network(tmp_path):
    grid = {"model.norm": ["none", "batch", "layer"], "model.placement": PLACEMENTS}
    assert same_cells(tmp_path, grid) == [
        ("norm=none,placement=before_activation", "norm=none,placement=after_activation")
    ]


def test_so_it_is_for_an_mlp(tmp_path):
    grid = {"model.norm": ["none", "batch"], "model.placement": PLACEMENTS}
    assert len(same_cells(tmp_path, grid, {"name": "mlp"})) == 1


def test_a_layer_with_a_norm_of_its_own_has_a_place(tmp_path):
    model = {"name": "cnn", "norm": "none", "layers": [{"conv": 8, "norm": "batch"}]}
    assert same_cells(tmp_path, {"model.placement": PLACEMENTS}, model) == []


def test_the_decay_of_norms_makes_no_difference_without_any(tmp_path):
    grid = {"model.norm": ["none", "batch"], "optim.decay_norm": [False, True]}
    assert same_cells(tmp_path, grid) == [
        ("norm=none,decay_norm=false", "norm=none,decay_norm=true")
    ]


def test_three_times_a_rate_is_the_rate_three_times_as_large(tmp_path):
    grid = {"optim.learning_rate": [0.1, 0.3], "optim.learning_rate_factor": [1, 3]}
    assert same_cells(tmp_path, grid) == [
        (
            "learning_rate=0.1,learning_rate_factor=3",
            "learning_rate=0.3,learning_rate_factor=1",
        )
    ]


def test_a_ghost_batch_as_large_as_the_batch_is_batch_norm(tmp_path):
    grid = {"model.norm.normalization_batch_size": [None, 8, 32]}
    data = {"name": "shapes", "batch_size": 32}
    assert same_cells(tmp_path, grid, data=data) == [
        ("normalization_batch_size=null", "normalization_batch_size=32")
    ]


@pytest.mark.parametrize(
    "grid",
    [
        {"optim.weight_decay": [0.0, 0.1], "optim.decay_norm": [False, True]},
        {"optim.momentum": [0.0, 0.9], "optim.nesterov": [False, True]},
    ],
)
def test_an_option_of_the_optimiser_that_has_nothing_to_do_makes_no_difference(tmp_path, grid):
    ((first, second),) = same_cells(tmp_path, grid)
    assert "=0.0" in first
    assert "=0.0" in second


def test_batch_norm_over_all_processes_is_batch_norm_in_one(tmp_path):
    grid = {"model.norm": ["batch", "sync_batch"]}
    assert same_cells(tmp_path, grid) == [("norm=batch", "norm=sync_batch")]


@pytest.mark.parametrize(
    ("grid", "model"),
    [
        ({"model.norm": ["batch", "instance", "layer", "none"]}, CNN),
        ({"optim.learning_rate": [0.1, 0.2]}, CNN),
        ({"model.initialization": ["he", "xavier"]}, CNN),
        ({"model.activation": ["relu", "elu"]}, CNN),
        ({"model.dropout": [0.0, 0.5]}, CNN),
        ({"data.batch_size": [32, 64]}, CNN),
        ({"model.residual": ["plain", "zero_gamma"]}, {"name": "resnet"}),
    ],
)
def test_what_trains_otherwise_is_not_the_same(tmp_path, grid, model):
    assert same_cells(tmp_path, grid, model) == []
