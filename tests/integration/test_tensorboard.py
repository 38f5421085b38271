"""What a real TensorBoard server says of a finished sweep, through its own HTTP API."""

import json
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

import pytest

from bnexp.runs import read_run

CELLS = ("norm=none", "norm=batch", "norm=batch(eps=0.001)")


@pytest.fixture(scope="module")
def api(sweep):
    """Asks a TensorBoard that `bnexp tb` serves on the sweep."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "bnexp", "tb", "sweep", "--port", str(port)]
    process = subprocess.Popen(
        command, cwd=sweep, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )

    def ask(path, **query):
        body = query.pop("body", None)
        url = f"http://localhost:{port}/{path}?{urllib.parse.urlencode(query)}"
        request = urllib.request.Request(url)
        if body is not None:
            request.data = json.dumps(body).encode()
            request.add_header("Content-Type", "application/json")
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)

    deadline = time.monotonic() + 90
    while True:
        try:
            if len(ask("data/plugin/scalars/tags")) == 9:
                break
        except (urllib.error.URLError, ConnectionError):
            pass
        assert time.monotonic() < deadline, "TensorBoard did not come up"
        time.sleep(0.3)
    yield ask
    process.terminate()
    process.wait(timeout=30)


def expected_runs():
    return {f"{cell}/seed={seed}" for cell in CELLS for seed in range(3)}


def test_there_is_one_run_a_cell_and_seed_and_no_other(api):
    assert set(api("data/runs")) == expected_runs()


def test_all_runs_have_the_same_scalar_tags(api):
    tags = api("data/plugin/scalars/tags")

    assert {frozenset(run) for run in tags.values()} == {
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


HPARAMS = ("model.norm.name", "model.norm.eps", "model.layers", "train.epochs", "train.seed")


def ask_groups(api):
    columns = [{"hparam": name, "includeInResult": True} for name in HPARAMS]
    body = {
        "experimentName": "",
        "allowedStatuses": ["STATUS_UNKNOWN", "STATUS_SUCCESS", "STATUS_FAILURE", "STATUS_RUNNING"],
        "colParams": [
            *columns,
            {
                "metric": {"tag": "test/accuracy", "group": ""},
                "includeInResult": True,
            },
        ],
        "startIndex": 0,
        "sliceSize": 100,
        "aggregationType": "AGGREGATION_AVG",
        "aggregationMetric": {"tag": "test/accuracy", "group": ""},
    }
    return api("data/plugin/hparams/session_groups", body=body)["sessionGroups"]


def test_hparams_has_one_group_a_cell_with_a_session_a_seed(api):
    groups = ask_groups(api)

    assert {group["name"] for group in groups} == {f"sweep/{cell}" for cell in CELLS}
    assert {len(group["sessions"]) for group in groups} == {3}
    assert {session["status"] for group in groups for session in group["sessions"]} == {
        "STATUS_SUCCESS"
    }


def test_hparams_averages_the_metric_over_the_seeds(api, sweep):
    for group in ask_groups(api):
        runs = [read_run(sweep / "runs" / group["name"] / f"seed={seed}") for seed in range(3)]
        mean = sum(run.summary.final["test/accuracy"] for run in runs) / 3
        values = {value["name"]["tag"]: value["value"] for value in group["metricValues"]}
        assert values["test/accuracy"] == pytest.approx(mean)


def test_hparams_holds_the_settings_that_differ_and_leaves_the_seed_out(api):
    groups = {group["name"].removeprefix("sweep/"): group["hparams"] for group in ask_groups(api)}

    assert groups["norm=none"]["model.norm.name"] == "none"
    assert groups["norm=batch(eps=0.001)"]["model.norm.eps"] == pytest.approx(0.001)
    assert groups["norm=batch"]["model.layers"] == "conv=8 pool=max conv=8 pool=max"
    assert "model.norm.eps" not in groups["norm=none"]
    assert {hparams["train.epochs"] for hparams in groups.values()} == {2}
    assert not any("train.seed" in hparams for hparams in groups.values())


def test_the_page_lists_the_hyper_parameters_and_the_metrics(api):
    experiment = api("data/plugin/hparams/experiment", body={"experimentName": ""})

    names = {info["name"] for info in experiment["hparamInfos"]}
    assert names >= {"model.norm.name", "optim.learning_rate", "data.batch_size"}
    assert "train.seed" not in names
    assert "test/accuracy" in {info["name"]["tag"] for info in experiment["metricInfos"]}
