"""What `bnexp compare` writes for TensorBoard, read back from the files."""

import os
import random
import shutil
import signal
import warnings
from dataclasses import replace
from html import unescape
from pathlib import Path

import numpy as np
import pytest
from claimed_runs import claimed_runs
from records import build_cell, build_run
from tensorboard.backend.event_processing.event_file_loader import LegacyEventFileLoader
from tensorboard.plugins.custom_scalar import layout_pb2
from tensorboard.util import tensor_util

from bnexp.analysis.comparison import compare_runs
from bnexp.analysis.diagnostics import measure_diagnostic
from bnexp.analysis.results import Question
from bnexp.analysis.stats.intervals import t_interval
from bnexp.reports.tensorboard.report import render_text, write_to_tensorboard
from bnexp.runs import list_experiments
from bnexp.runs.record import Series


def render_html(markdown):
    """Renders Markdown as TensorBoard does; a part of it warns of itself when imported."""
    with warnings.catch_warnings(action="ignore"):
        from tensorboard import plugin_util
    return plugin_util.markdown_to_safe_html(markdown)


def build_runs(cell="norm=none", seeds=3, epochs=4, **fields):
    drawn = random.Random(cell)
    return [
        build_run(cell, seed, history=[drawn.random() for _ in range(epochs)], value=0.5, **fields)
        for seed in range(seeds)
    ]


def write(records, folder, **options):
    said = []
    write_to_tensorboard(compare_runs(records, Question(**options)), records, folder, said.append)
    return said


def read_values(folder):
    """Returns the values of every event file in a folder, by step and tag."""
    (path,) = folder.glob("events.out.tfevents.*")
    events = LegacyEventFileLoader(str(path)).Load()
    return {(event.step, value.tag): value for event in events for value in event.summary.value}


def read_scalars(folder):
    return {key: value.simple_value for key, value in read_values(folder).items()}


def read_layout(folder):
    """Returns the categories of charts on the page Custom Scalars."""
    content = read_values(folder / "layout")[(0, "custom_scalars__config__")].tensor
    return layout_pb2.Layout.FromString(tensor_util.make_ndarray(content).item()).category


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "study").mkdir()
    return tmp_path / "study" / "_compare"


def test_mean_low_and_high_are_those_of_the_t_interval_within_the_range_of_the_metric(folder):
    records = build_runs()

    assert write(records, folder) == []

    for epoch in range(4):
        values = [run.summary.history["test/accuracy"][epoch] for run in records]
        interval = t_interval(values)
        point = (100 * (epoch + 1), "test/accuracy")
        for line, value in (
            ("mean", np.mean(values)),
            ("low", max(interval.low, 0)),
            ("high", min(interval.high, 1)),
        ):
            assert read_scalars(folder / "norm=none" / line)[point] == np.float32(value)


def test_the_band_of_a_loss_ends_at_zero(folder):
    losses = ((2.0, 0.2), (2.2, 0.9), (1.9, 0.1))
    runs = [
        build_run(seed=seed, history=loss, metric="test/loss") for seed, loss in enumerate(losses)
    ]
    write(runs, folder, metric="test/loss")

    low, high = (read_scalars(folder / "norm=none" / line) for line in ("low", "high"))
    assert low[(200, "test/loss")] == 0
    assert low[(100, "test/loss")] == np.float32(t_interval([2.0, 2.2, 1.9]).low)
    assert high[(200, "test/loss")] == np.float32(t_interval([0.2, 0.9, 0.1]).high)


def test_the_band_of_a_metric_is_in_the_run_of_its_mean(folder):
    write(build_runs(), folder)

    mean = read_scalars(folder / "norm=none" / "mean")
    for line in ("low", "high"):
        ends = read_scalars(folder / "norm=none" / line)
        assert mean[(100, f"with_interval/test/accuracy/{line}")] == ends[(100, "test/accuracy")]


def test_one_seed_has_a_mean_and_no_interval(folder):
    write(build_runs(seeds=1), folder)

    assert {path.name for path in (folder / "norm=none").iterdir()} == {"mean"}
    assert {tag for _, tag in read_scalars(folder / "norm=none" / "mean")} == {"test/accuracy"}


def test_runs_that_did_not_finish_are_left_out(folder):
    diverged = build_run(seed=9, state="diverged", history=[0.1])
    records = [*build_runs(seeds=2), diverged, build_run(seed=8, state="running")]

    write(records, folder)

    values = [run.summary.history["test/accuracy"][0] for run in records[:2]]
    mean = read_scalars(folder / "norm=none" / "mean")
    assert mean[(100, "test/accuracy")] == np.float32(np.mean(values))
    assert (400, "test/accuracy") in mean


def test_cells_without_a_finished_run_have_no_curves(folder):
    write([*build_runs(), build_run("norm=batch", state="failed")], folder)

    assert not (folder / "norm=batch").exists()


def test_a_comparison_without_any_finished_run_is_written_without_curves(folder):
    assert write([build_run(state="running")], folder) == []
    assert (0, "comparison") in read_values(folder / "comparison")


def test_the_layout_draws_each_metric_with_its_band_and_then_all_runs(folder):
    write(build_runs(), folder)

    bands, lines = read_layout(folder)
    series = bands.chart[0].margin.series[0]
    assert [series.value, series.lower, series.upper] == [
        "test/accuracy",
        "with_interval/test/accuracy/low",
        "with_interval/test/accuracy/high",
    ]
    assert list(lines.chart[0].multiline.tag) == ["^test/accuracy$"]


def test_of_diagnostics_only_the_one_that_is_compared_has_curves(folder):
    series = {
        f"diag/gradient_norm/{layer}": Series((100, 400), (1, 4), (1.0, 2.0))
        for layer in ("conv1", "conv2")
    }
    runs = [replace(run, diagnostics=series) for run in build_runs()]
    question = Question("diag/gradient_norm", layers="median")

    assert write(runs, folder) == []
    means = folder / "norm=none" / "mean"
    assert not {tag for _, tag in read_scalars(means) if "diag/" in tag}
    assert write(measure_diagnostic(runs, question), folder, metric=question.metric,
                 layers="median") == []  # fmt: skip
    assert read_scalars(means)[(100, question.tag)] == 1.0
    bands, lines = read_layout(folder)
    assert bands.chart[-1].title == question.tag
    assert [chart.title for chart in lines.chart] == ["test/accuracy"]


def test_the_figures_are_pictures_of_the_comparison(folder):
    write([*build_runs(), *build_runs("norm=batch")], folder)

    tags = {tag for _, tag in read_values(folder / "comparison")}
    assert tags >= {"comparison/learning_curves", "comparison/effects"}


def test_each_claim_has_a_picture(folder):
    write(claimed_runs(), folder)

    tags = {tag for _, tag in read_values(folder / "comparison")}
    assert "comparison/claim_1_effect" in tags


def test_a_figure_is_as_wide_as_a_card_which_would_leave_out_dots_of_a_wider_one(folder):
    write([*build_runs(), *build_runs("norm=batch")], folder)

    values = read_values(folder / "comparison")
    for tag in ("comparison/learning_curves", "comparison/effects"):
        width, _, png = tensor_util.make_ndarray(values[(0, tag)].tensor)
        assert width == b"350"
        assert png[16:20] == (350).to_bytes(4)


def test_an_unchanged_comparison_is_not_written_again(folder):
    write(build_runs(), folder)
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}

    write(build_runs(), folder)

    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before


def test_a_changed_comparison_replaces_all_that_was_there(folder):
    write([*build_runs(), *build_runs("norm=batch")], folder)
    before = set(folder.rglob("events.out.tfevents.*"))

    write(build_runs(seeds=4), folder)

    after = set(folder.rglob("events.out.tfevents.*"))
    assert after
    assert not before & after
    assert {path.name for path in folder.iterdir() if path.is_dir()} == {
        "comparison",
        "layout",
        "norm=none",
    }
    assert [path.name for path in folder.parent.iterdir()] == ["_compare"]


def test_another_metric_is_another_comparison(folder):
    records = build_runs(final={"test/loss": 1.0})
    write(records, folder)
    before = read_values(folder / "comparison")[(0, "comparison")]

    write(records, folder, metric="test/loss")

    assert read_values(folder / "comparison")[(0, "comparison")] != before


def test_a_file_that_was_removed_is_written_again(folder):
    write(build_runs(), folder)
    shutil.rmtree(folder / "norm=none" / "low")

    write(build_runs(), folder)

    assert (100, "test/accuracy") in read_scalars(folder / "norm=none" / "low")


def test_a_folder_that_cannot_be_written_is_warned_of_in_one_line(tmp_path):
    (tmp_path / "study").write_text("in the way")

    (warning,) = write(build_runs(), tmp_path / "study" / "_compare")

    assert "cannot be written for TensorBoard" in warning
    assert "\n" not in warning


def test_what_was_there_is_kept_where_the_new_cannot_be_written(folder, monkeypatch):
    write(build_runs(), folder)
    before = sorted(folder.rglob("*"))

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("bnexp.reports.tensorboard.report._write_files", fail)
    (warning,) = write(build_runs(seeds=2), folder)

    assert "No space left on device" in warning
    assert sorted(folder.rglob("*")) == before
    assert [path.name for path in folder.parent.iterdir()] == ["_compare"]


def test_cells_of_two_folders_stay_below_the_comparison(folder):
    here, there = build_cell("norm=none", [0.5, 0.6]), build_cell("norm=none", [0.5, 0.7])
    records = [
        *(run.__class__(**{**vars(run), "path": Path("/a") / run.path}) for run in here),
        *(run.__class__(**{**vars(run), "path": Path("/b") / run.path}) for run in there),
    ]

    write(records, folder)

    found = {path.parent.parent for path in folder.rglob("mean/events.out.tfevents.*")}
    assert {path.name for path in found} == {"norm=none"}
    assert len(found) == 2


def test_a_comparison_alone_is_no_experiment(folder):
    write(build_runs(), folder)

    assert list_experiments(folder.parent.parent) == []


def test_costs_have_a_table_of_their_own(folder):
    text = render_text(compare_runs([*build_runs(), *build_runs("norm=batch")]))

    html = render_html(text)
    assert html.count("<table>") == 2
    assert "([^/]+)/[^/]+$" in html


def test_tensorboards_markdown_shows_names_as_they_are():
    cell = "data.root=a|b<i>*c*~d`e"
    text = render_text(compare_runs(build_runs(cell, settings={"data.root": "a|b<i>*c*~d`e"})))

    html = render_html(text)
    assert "<i>" not in html
    assert "a|b<i>*c*~d`e" in unescape(html)


def test_a_fifo_in_place_of_the_digest_is_replaced_and_not_waited_for(folder):
    records = build_runs()
    write(records, folder)
    (folder / ".digest").unlink()
    os.mkfifo(folder / ".digest")
    signal.alarm(20)  # the default action ends a test that waits
    try:
        assert write(records, folder) == []
    finally:
        signal.alarm(0)
    assert (folder / ".digest").is_file()
