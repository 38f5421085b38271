"""The page in a real browser: it fits any width, loads nothing, and nothing goes wrong."""

import html
import json
import os
import re
import signal
import subprocess
from dataclasses import replace

import pytest
from chromium import FLAGS, PROGRAM
from made_up_runs import make_predictions
from records import build_run

from bnexp.analysis.comparison import compare_by, compare_runs
from bnexp.analysis.diagnostics import show_diagnostics
from bnexp.analysis.predictions import show_predictions
from bnexp.analysis.results import Caveat
from bnexp.reports.html.page import render_html
from bnexp.runs.record import Series

LONG = "norm=batch(warmup_steps=50,r_max_steps=150,d_max_steps=100),placement=after_activation"
WRAPPER = """<!DOCTYPE html><title>wrapper</title><body>
<iframe style="width:{width}px;height:900px;border:0" srcdoc="{page}"></iframe>
<script>
addEventListener("load", () => {{
  const root = document.querySelector("iframe").contentDocument.documentElement;
  const width = svg => svg.getBoundingClientRect().width;
  const shown = [...root.querySelectorAll("svg.chart")].filter(width);
  const scale = svg => width(svg) / svg.viewBox.baseVal.width;
  const size = svg => parseFloat(getComputedStyle(svg).fontSize) * scale(svg);
  const smallest = Math.min(...shown.map(size));
  document.body.innerHTML = "<pre>" + JSON.stringify({{
    inner: root.clientWidth, scroll: root.scrollWidth, charts: shown.length, smallest,
    loaded: root.ownerDocument.defaultView.performance.getEntriesByType("resource").length,
  }}) + "</pre>";
}});
</script>"""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(PROGRAM is None, reason="no Chromium or Chrome is installed"),
]


def records_of(cells):
    rng = [0.0, 0.013, -0.008]
    return [
        build_run(
            cell,
            seed,
            0.6 + shift,
            history=(0.3 + shift, 0.5, 0.6 + shift),
            settings={"model.norm.name": cell, "data.batch_size": index % 2},
            environment={"git.commit": "0123456789abcdef" * 4, "command.0": "bnexp"},
        )
        for index, cell in enumerate(cells)
        for seed, shift in enumerate(rng)
    ]


def pages():
    few = records_of(["none", LONG, "layer"])
    many = records_of([f"{LONG},k={number}" for number in range(12)])
    caveat = Caveat("diverged", LONG, ("1 of 3 runs diverged",))
    warned = replace(compare_runs(few), caveats=(caveat,))
    return {
        "few cells": render_html([warned], few),
        "twelve long names": render_html([compare_runs(many)], many),
        "by": render_html(compare_by(many, "data.batch_size"), many),
        "inside": render_inside(many).replace('class="diagnostic"', 'class="diagnostic" open'),
        "classes": render_classes(many).replace('class="diagnostic"', 'class="diagnostic" open'),
    }


def render_classes(records):
    """Returns the page of runs that kept pictures, of classes with long names."""
    names = tuple(f"n0{number}_a_class_with_a_name_of_many_words" for number in range(15))
    kept = make_predictions(names=names, number=900, mistakes=24, side=32)
    comparison = show_predictions(compare_runs(records), records, lambda run: kept)
    return render_html([comparison], records)


def render_inside(records):
    """Returns the page of runs with diagnostics of layers with long names."""
    layers = [f"backbone.stages.{stage}.blocks.{block}.convolution_in_the_middle" for stage in
              range(4) for block in range(12)]  # fmt: skip
    series = Series((10, 20, 30), (1, 2, 3), (0.1, 20.0, 3.0))
    tags = {f"diag/gradient_norm/{layer}": series for layer in (*layers, "all")}
    diagnosed = [replace(run, diagnostics=tags) for run in records]
    comparison = show_diagnostics(compare_runs(diagnosed), diagnosed, lambda run: run)
    return render_html([comparison], diagnosed)


def look(page, width, folder):
    """Returns what the browser measured, and what it logged."""
    file = folder / "wrapper.html"
    file.write_text(WRAPPER.format(width=width, page=html.escape(page)), encoding="utf-8")
    command = [
        PROGRAM,
        *FLAGS,
        "--enable-logging=stderr",
        f"--user-data-dir={folder / 'profile'}",
        f"--window-size={width + 100},1000",
        "--virtual-time-budget=5000",
        "--dump-dom",
        file.as_uri(),
    ]
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        shown, logged = process.communicate(timeout=90)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        pytest.fail("the browser did not end within 90 s")
    return json.loads(html.unescape(re.search(r"<pre>(.*?)</pre>", shown)[1])), logged


@pytest.mark.parametrize("width", [400, 1280])
@pytest.mark.parametrize("name", ["few cells", "twelve long names", "by", "inside", "classes"])
def test_the_page_fits_its_window_and_loads_nothing(name, width, tmp_path):
    seen, logged = look(pages()[name], width, tmp_path)
    assert seen["inner"] <= width
    assert seen["scroll"] <= seen["inner"]
    assert seen["charts"] >= 2
    assert seen["smallest"] >= 11
    assert seen["loaded"] == 0
    assert "CONSOLE" not in logged
