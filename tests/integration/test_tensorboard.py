"""What a real TensorBoard server says of a finished sweep, through its own HTTP API."""

import io
import json
import shutil

import numpy as np
import pytest
from PIL import Image
from tensorboard_server import serve_tensorboard

from bnexp.runs import read_run

CELLS = ("norm=none", "norm=batch", "norm=batch(eps=0.001)")


@pytest.fixture(scope="module")
def server(sweep, tmp_path_factory):
    """A TensorBoard that `bnexp tb` serves on the sweep, as it is without a comparison."""
    folder = tmp_path_factory.mktemp("tensorboard")
    shutil.copytree(sweep / "runs", folder / "runs", ignore=shutil.ignore_patterns("_compare"))
    with serve_tensorboard("sweep", cwd=folder) as server:
        server.wait_for_runs(9)
        yield server


@pytest.fixture(scope="module")
def api(server):
    return server.ask


def expected_runs():
    return {f"{cell}/seed={seed}" for cell in CELLS for seed in range(3)}


def test_there_is_one_run_a_cell_and_seed_and_no_other(api):
    assert set(api("data/runs")) == expected_runs()


def test_all_runs_have_the_same_scalar_tags_but_for_layers_that_one_does_not_have(api):
    tags = api("data/plugin/scalars/tags")

    for run, found in tags.items():
        inside = {tag for tag in found if tag.startswith("diag/")}
        assert {"diag/activation_std/layers.0.activation", "diag/gradient_norm/all"} < inside
        assert ("diag/gamma_mean/layers.0.norm" in inside) == ("norm=batch" in run)
    assert {frozenset(t for t in run if "diag/" not in t) for run in tags.values()} == {
        frozenset(
            {
                "train/loss",
                "train/accuracy",
                "train_eval/loss",
                "train_eval/accuracy",
                "val/loss",
                "val/accuracy",
                "test/loss",
                "test/accuracy",
                "optim/learning_rate",
                "perf/images_per_second",
            }
        )
    }


def test_points_are_the_metrics_of_the_run(api, sweep):
    run = read_run(sweep / "runs/sweep/norm=batch/seed=1")
    points = api("data/plugin/scalars/scalars", tag="test/accuracy", run="norm=batch/seed=1")

    assert [step for _, step, _ in points] == [10, 20]
    assert [value for *_, value in points] == pytest.approx(run.summary.history["test/accuracy"])


@pytest.fixture(scope="module")
def hparams(api):
    """What the page HParams loads: its columns and metrics, and its rows."""
    experiment = api("data/plugin/hparams/experiment", body={"experimentName": ""})
    names = [{"hparam": info["name"]} for info in experiment["hparamInfos"]]
    metrics = [{"metric": info["name"]} for info in experiment["metricInfos"]]
    body = {
        "experimentName": "",
        "allowedStatuses": ["STATUS_UNKNOWN", "STATUS_SUCCESS", "STATUS_FAILURE", "STATUS_RUNNING"],
        "colParams": [{**column, "includeInResult": True} for column in (*names, *metrics)],
        "startIndex": 0,
        "sliceSize": 100,
        "aggregationType": "AGGREGATION_AVG",
    }
    return experiment, api("data/plugin/hparams/session_groups", body=body)["sessionGroups"]


def test_hparams_has_one_group_a_cell_with_a_session_a_seed(hparams):
    _, groups = hparams

    assert {group["name"] for group in groups} == {f"sweep/{cell}" for cell in CELLS}
    assert {len(group["sessions"]) for group in groups} == {3}
    assert {session["status"] for group in groups for session in group["sessions"]} == {
        "STATUS_SUCCESS"
    }


def test_hparams_averages_the_metric_over_the_seeds(hparams, sweep):
    for group in hparams[1]:
        runs = [read_run(sweep / "runs" / group["name"] / f"seed={seed}") for seed in range(3)]
        mean = sum(run.summary.final["test/accuracy"] for run in runs) / 3
        values = {value["name"]["tag"]: value["value"] for value in group["metricValues"]}
        assert values["test/accuracy"] == pytest.approx(mean)


def test_hparams_holds_the_keys_that_differ_as_one_type_and_the_number_of_seeds(hparams):
    experiment, groups = hparams
    rows = {group["name"].removeprefix("sweep/"): group["hparams"] for group in groups}

    assert rows == {
        "norm=none": {"model.norm": "none", "seeds": "3"},
        "norm=batch": {"model.norm": "batch", "seeds": "3"},
        "norm=batch(eps=0.001)": {"model.norm": "batch(eps=0.001)", "seeds": "3"},
    }
    assert {info["name"]: info["domainDiscrete"] for info in experiment["hparamInfos"]} == {
        "model.norm": ["none", "batch", "batch(eps=0.001)"], "seeds": ["3"],
    }  # fmt: skip


def test_hparams_lists_the_metrics_that_matter_test_accuracy_first(hparams):
    experiment, _ = hparams

    assert [info["name"]["tag"] for info in experiment["metricInfos"]] == [
        "test/accuracy", "test/loss", "val/accuracy", "val/loss", "train/accuracy", "train/loss",
        "train_eval/accuracy", "train_eval/loss", "perf/images_per_second",
    ]  # fmt: skip


def read_samples(server, run):
    step, png = server.read_image("samples/train_augmented", run)
    return step, np.asarray(Image.open(io.BytesIO(png)))


def test_every_run_shows_its_first_batch_once_at_step_0(api, server):
    tags = api("data/plugin/images/tags")

    assert {frozenset(run) for run in tags.values()} == {frozenset({"samples/train_augmented"})}
    assert set(tags) == expected_runs()
    assert read_samples(server, "norm=none/seed=0")[0] == 0


def test_cells_of_equal_data_show_equal_pictures_and_other_seeds_others(server):
    pictures = {run: read_samples(server, run)[1].tobytes() for run in expected_runs()}

    for seed in range(3):
        assert len({pictures[f"{cell}/seed={seed}"] for cell in CELLS}) == 1
    assert len(set(pictures.values())) == 3


def test_no_run_has_a_graph_unless_it_is_asked_for(api):
    assert api("data/plugin/graphs/info") == {}


GRAPHED = """\
name: graphed
data: {name: shapes, train_size: 200, test_size: 50, batch_size: 50}
model: {name: cnn, layers: [{conv: 8}, {pool: max}], norm: batch, dropout: 0.5}
train: {epochs: 1, device: cpu, threads: 1}
"""


def test_a_graph_is_written_on_request_and_changes_no_result(bnexp, tmp_path):
    (tmp_path / "graphed.yaml").write_text(GRAPHED)
    for folder, options in (("plain", ()), ("graphed", ("--graph",))):
        done = bnexp("train", "graphed.yaml", "--runs-dir", folder, *options, cwd=tmp_path)
        assert (done.returncode, "cannot be drawn" in done.stderr) == (0, False), done.stderr

    summaries = [
        json.loads((tmp_path / folder / "graphed/base/seed=0/summary.json").read_text())
        for folder in ("plain", "graphed")
    ]
    for key in ("elapsed_seconds", "images_per_second", "peak_memory_bytes"):
        assert all(summary.pop(key) for summary in summaries)
    for summary in summaries:
        for scalars in (summary["final"], summary["best"], summary["history"]):
            scalars.pop("perf/images_per_second", None)
    assert summaries[0] == summaries[1]
    with serve_tensorboard("graphed", "--runs-dir", "graphed", cwd=tmp_path) as server:
        server.wait_for_runs(1)
        graph = server.read("data/plugin/graphs/graph?run=base%2Fseed%3D0").decode()
    assert "aten.conv2d.default" in graph
    assert "BatchNorm" in graph
