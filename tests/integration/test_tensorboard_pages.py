"""TensorBoard's pages in a real browser: what a person sees of a sweep and its comparison."""

import shutil

import pytest
from chromium import PROGRAM, start_chromium
from tensorboard_server import serve_tensorboard

pytestmark = pytest.mark.skipif(PROGRAM is None, reason="no Chromium is installed")

COLOURS = """
(() => {
  const found = {};
  const walk = (node) => {
    const colour = node.style && node.style.backgroundColor;
    const row = colour && node.closest && node.closest("tb-data-table-content-row");
    if (row) found[row.textContent.trim().split(/\\\\s/)[0]] = colour;
    [...(node.shadowRoot ? node.shadowRoot.childNodes : []), ...node.childNodes].forEach(walk);
  };
  walk(document.body);
  return found;
})()
"""
"""The colour of each run in the tables of Time Series, by the run's name."""


@pytest.fixture(scope="module")
def server(bnexp, sweep, tmp_path_factory):
    folder = tmp_path_factory.mktemp("pages")
    shutil.copytree(sweep / "runs", folder / "runs", ignore=shutil.ignore_patterns("_compare"))
    done = bnexp("compare", "sweep", cwd=folder)
    assert (done.returncode, done.stderr) == (0, "")
    with serve_tensorboard("sweep", cwd=folder) as server:
        server.wait_for_runs(9)
        server.folder = folder
        yield server


@pytest.fixture(scope="module")
def means(server):
    with serve_tensorboard("sweep", "--aggregate", cwd=server.folder) as means:
        means.wait_for_runs(9)
        yield means


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with start_chromium(tmp_path_factory.mktemp("profile")) as browser:
        yield browser


@pytest.mark.parametrize(
    ("page", "words"),
    [
        ("scalars", ["optim/learning_rate", "norm=batch/seed=0", "norm=none/seed=2"]),
        ("hparams", ["Trial ID", "model.norm.name", "0.0010000", "Show Metrics"]),
        ("text", ["sweep: test/accuracy after the last epoch", "batch(eps=0.001)", "verdict"]),
        ("images", ["comparison/learning_curves", "comparison/effects", "samples"]),
    ],
)
def test_a_page_shows_what_it_is_for(server, browser, page, words):
    browser.open(f"{server.address}/#{page}")

    text = browser.wait_for(lambda text: all(word in text for word in words))

    assert [word for word in words if word not in text] == []


def test_the_metric_that_is_compared_has_the_first_chart(means, browser):
    browser.open(f"{means.address}/#custom_scalars")

    text = browser.wait_for(lambda text: "All runs" in text and text.count("val/loss") >= 2)

    bands, _, lines = text.rpartition("95 % t interval")[2].partition("All runs")
    for charts in (bands, lines):
        assert 0 < charts.index("test/accuracy") < charts.index("train/loss")


def test_the_printed_address_gives_the_runs_of_a_cell_one_colour(server, browser):
    browser.open(server.find_printed_address())

    found = browser.wait_for(lambda found: len(found) >= 9, COLOURS)

    colours = {}
    for run, colour in found.items():
        if "/" in run:
            colours.setdefault(run.split("/")[-2], set()).add(colour)
    assert set(colours) == {"norm=none", "norm=batch", "norm=batch(eps=0.001)"}
    assert all(len(of_cell) == 1 for of_cell in colours.values())
    assert len(set.union(*colours.values())) == 3
