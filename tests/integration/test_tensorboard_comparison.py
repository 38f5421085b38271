"""What a real TensorBoard server says of a comparison, beside the runs and alone."""

import io
import shutil
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
from PIL import Image
from tensorboard_server import serve_tensorboard

from bnexp.analysis.stats.intervals import t_interval
from bnexp.runs import list_experiments, read_experiments

CELLS = ("norm=none", "norm=batch", "norm=batch(eps=0.001)")
LINES = ("mean", "low", "high")


@pytest.fixture(scope="module")
def compared(bnexp, sweep, tmp_path_factory):
    """A folder with a copy of the sweep, compared."""
    folder = tmp_path_factory.mktemp("compared")
    shutil.copytree(sweep / "runs", folder / "runs", ignore=shutil.ignore_patterns("_compare"))
    done = bnexp("compare", "sweep", cwd=folder)
    assert (done.returncode, done.stderr) == (0, "")
    return folder


@pytest.fixture(scope="module")
def server(compared):
    with serve_tensorboard("sweep", cwd=compared) as server:
        server.wait_for_runs(9)
        yield server


@pytest.fixture(scope="module")
def api(server):
    return server.ask


@pytest.fixture(scope="module")
def means(compared):
    """What `--aggregate` shows."""
    with serve_tensorboard("sweep", "--aggregate", cwd=compared) as server:
        server.wait_for_runs(9)
        yield server.ask


def test_the_runs_are_shown_with_the_comparison_as_one_more_without_scalars(api):
    runs = {f"{cell}/seed={seed}" for cell in CELLS for seed in range(3)}

    assert set(api("data/runs")) == runs | {"comparison"}
    assert set(api("data/plugin/scalars/tags")) == runs


def test_means_and_intervals_are_shown_on_request(means):
    lines = {f"{cell}/{line}" for cell in CELLS for line in LINES}

    assert set(means("data/runs")) == lines | {"comparison", "layout"}
    assert set(means("data/plugin/scalars/tags")) == lines


def test_the_curves_have_the_tags_of_the_runs(api, means):
    tags = {
        run: set(found)
        for ask in (api, means)
        for run, found in ask("data/plugin/scalars/tags").items()
    }

    without_history = {"train_eval/loss", "train_eval/accuracy"}
    with_history = {
        tag for tag in tags["norm=none/seed=0"] - without_history if not tag.startswith("diag/")
    }
    for cell in CELLS:
        assert tags[f"{cell}/low"] == tags[f"{cell}/high"] == with_history
        assert tags[f"{cell}/mean"] >= with_history


@pytest.mark.parametrize("tag", ["test/accuracy", "train/loss", "val/loss"])
def test_each_point_is_the_t_interval_of_the_seeds_at_that_epoch(means, compared, tag):
    records = read_experiments(["sweep"], compared / "runs")
    for cell in CELLS:
        histories = [run.summary.history[tag] for run in records if run.cell == cell]
        points = {
            line: means("data/plugin/scalars/scalars", tag=tag, run=f"{cell}/{line}")
            for line in LINES
        }
        for epoch, values in enumerate(zip(*histories, strict=True)):
            interval = t_interval(values)
            expected = {"mean": np.mean(values), "low": interval.low, "high": interval.high}
            for line in LINES:
                _, step, value = points[line][epoch]
                assert step == 10 * (epoch + 1)
                assert value == pytest.approx(expected[line], rel=1e-6)


def test_every_chart_with_a_band_finds_its_three_tags_in_the_means(means):
    bands, lines = means("data/plugin/custom_scalars/layout")["category"]
    tags = means("data/plugin/scalars/tags")

    series = [series for chart in bands["chart"] for series in chart["margin"]["series"]]
    assert {one["value"] for one in series} == {
        f"{images}/{score}" for images in ("test", "val", "train") for score in ("accuracy", "loss")
    }
    for cell in CELLS:
        for one in series:
            assert set(one.values()) <= set(tags[f"{cell}/mean"])
    assert {chart["multiline"]["tag"][0] for chart in lines["chart"]} == {
        f"^{one['value']}$" for one in series
    }


def test_the_server_gives_a_band_its_three_lines(means):
    found = means(
        "data/plugin/custom_scalars/scalars",
        tag="(test/accuracy)|(with_interval/test/accuracy/low)|(with_interval/test/accuracy/high)",
        run="norm=batch/mean",
    )

    assert found["regex_valid"]
    assert {tag: len(points) for tag, points in found["tag_to_events"].items()} == {
        "test/accuracy": 2,
        "with_interval/test/accuracy/low": 2,
        "with_interval/test/accuracy/high": 2,
    }


def test_the_text_is_the_table_and_how_to_colour(api):
    ((text,),) = [
        [api("data/plugin/text/text", tag=tag, run=run) for tag in tags]
        for run, tags in api("data/plugin/text/tags").items()
    ]

    assert "sweep: test/accuracy after the last epoch" in text[0]["text"]
    assert "<td>batch(eps=0.001)</td>" in text[0]["text"]
    assert "([^/]+)/[^/]+$" in text[0]["text"]


def test_the_images_are_the_figures(api, server):
    tags = api("data/plugin/images/tags")["comparison"]

    figures = ("learning_curves", "effects", "confusions", "mistakes")
    assert set(tags) == {f"comparison/{figure}" for figure in figures}
    _, png = server.read_image("comparison/effects", "comparison")
    width, height = Image.open(io.BytesIO(png)).size
    assert width == 350  # as wide as a card, which leaves out dots of a wider picture
    assert 200 < height < 2 * width


def test_hparams_keeps_one_row_a_cell_and_the_metrics_of_the_runs(api):
    experiment = api("data/plugin/hparams/experiment", body={"experimentName": ""})
    body = {
        "experimentName": "",
        "allowedStatuses": ["STATUS_UNKNOWN", "STATUS_SUCCESS", "STATUS_FAILURE", "STATUS_RUNNING"],
        "colParams": [],
        "startIndex": 0,
        "sliceSize": 100,
    }
    groups = api("data/plugin/hparams/session_groups", body=body)["sessionGroups"]

    assert {group["name"] for group in groups} == {f"sweep/{cell}" for cell in CELLS}
    metrics = {info["name"]["tag"] for info in experiment["metricInfos"]}
    assert "test/accuracy" in metrics
    assert not [tag for tag in metrics if tag.startswith("with_interval")]


def test_the_last_line_is_the_address_to_open(server):
    address = urlsplit(server.find_printed_address())
    query = parse_qs(address.query)

    assert f"http://{address.netloc}" == server.address
    assert query["smoothing"] == ["0"]
    assert server.read(f"?{address.query}").startswith(b"<!doctype html>")


def test_ctrl_c_ends_it_without_an_error(compared):
    with serve_tensorboard("sweep", cwd=compared) as server:
        address = server.find_printed_address()
        assert server.interrupt() == 0
        assert server.find_printed_address() == address


def test_the_comparison_is_no_run_for_the_other_commands(bnexp, compared):
    assert len(read_experiments(["sweep"], compared / "runs")) == 9
    assert [path.name for path in list_experiments(compared / "runs")] == ["sweep"]
    listed = bnexp("ls", cwd=compared)
    planned = bnexp("compare", "sweep", "--format", "csv", cwd=compared)
    assert (listed.returncode, planned.returncode) == (0, 0)
    assert "_compare" not in listed.stdout + planned.stdout
    assert len(planned.stdout.splitlines()) == 1 + len(CELLS)
