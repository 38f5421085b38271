"""TensorBoard's pages in a real browser: what a person sees of a sweep and its comparison."""

import shutil

import pytest
from chromium import PROGRAM, start_chromium
from made_up_runs import make_cells
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
        ("hparams", ["Trial ID", "model.norm", "batch(eps=0.001)", "seeds", "Show Metrics"]),
        ("text", ["sweep: test/accuracy after the last epoch", "batch(eps=0.001)", "verdict"]),
        ("images", ["comparison/learning_curves", "comparison/effects", "samples"]),
    ],
)
def test_a_page_shows_what_it_is_for(server, browser, page, words):
    browser.open(f"{server.address}/#{page}")

    text = browser.wait_for(lambda text: all(word in text for word in words))

    assert [word for word in words if word not in text] == []


CLICK = """
((label) => {
  const walk = (node) => {
    if (node.nodeName === "PAPER-CHECKBOX" && node.textContent.trim() === label) {
      node.click();
      return true;
    }
    return [...(node.shadowRoot ? node.shadowRoot.childNodes : []), ...node.childNodes].some(walk);
  };
  return walk(document.body);
})
"""
"""Clicks the checkbox with a label, on the page HParams."""


@pytest.fixture(scope="module")
def mixed(server):
    """Runs of which one key is null, 16 or 8, with two learning rates."""
    make_cells(server.folder / "mixed", {"model.norm.normalization_batch_size": (None, 16, 8),
                                         "optim.learning_rate": (0.1, 0.01)})  # fmt: skip
    with serve_tensorboard("mixed", "--runs-dir", ".", cwd=server.folder) as mixed:
        yield mixed


def test_ticking_values_on_the_page_hparams_leaves_the_rows_that_have_them(mixed, browser):
    browser.open(f"{mixed.address}/#hparams")
    counts = "Number of matching session groups: {}"
    browser.wait_for(lambda text: counts.format(6) in text)

    for label, left in (("8", 4), ("null", 2), ("0.10000", 1)):
        assert browser.evaluate(f"{CLICK}({label!r})") is True
        text = browser.wait_for(lambda text, left=left: counts.format(left) in text, seconds=20)
        assert counts.format(left) in text, label


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


def test_diagnostics_of_many_layers_leave_accuracy_and_loss_in_the_first_view(server, browser):
    quantities = ("activation_mean", "gradient_norm", "update_ratio")
    measured = {f"diag/{name}/layers.{n}.conv": 1.0 for name in quantities for n in range(30)}
    axes = {"model.norm.name": ("none", "batch")}
    make_cells(server.folder / "inside", axes, scalars=measured)
    with serve_tensorboard("inside", "--runs-dir", ".", cwd=server.folder) as inside:
        browser.open(inside.find_printed_address())
        cards = ("test /accuracy", "train /accuracy", "test /loss", "train /loss")
        text = browser.wait_for(lambda text: all(card in text for card in cards))

        pinned, _, rest = text.partition("diag 90 cards")
        assert [card for card in cards if card not in pinned] == []
        assert rest
        browser.open(f"{inside.address}/#hparams")
        text = browser.wait_for(lambda text: "test/accuracy" in text and "Trial ID" in text)
        assert "diag/" not in text
