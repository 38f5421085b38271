import functools
import math
import re
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from html.parser import HTMLParser

import pytest
import yaml
from records import build_cell, build_run

from bnexp.analysis.comparison import compare_by, compare_runs
from bnexp.analysis.results import (
    Caveat,
    ClaimLook,
    ClaimPart,
    ClaimResult,
    ClaimSide,
    ClaimTest,
    Question,
)
from bnexp.analysis.stats.intervals import Interval
from bnexp.config.claim.config import ClaimConfig
from bnexp.errors import UsageError
from bnexp.reports.figures.style import GRID, INK, MUTED, PAPER
from bnexp.reports.html.page import render_html, write_html
from bnexp.reports.words.claims import describe_claim
from bnexp.reports.words.formatting import format_difference, format_p, metric_format
from bnexp.reports.words.sentences import describe_cells
from bnexp.runs.record import flatten

HISTORIES = {
    "norm=none": [(0.2, 0.4, 0.45), (0.22, 0.41, 0.46), (0.19, 0.4, 0.44)],
    "norm=batch": [(0.4, 0.6, 0.61), (0.42, 0.6, 0.63), (0.39, 0.5, 0.6)],
    "norm=layer": [(0.3, 0.4, 0.5), (0.3, 0.5, 0.52), (0.3, 0.4, 0.44)],
}
NASTY = "<script>alert(\"x\")</script> & 'q' \x00"
VOID = {"meta", "br", "wbr"}
ENVIRONMENT = {
    "command.0": "/somewhere/bin/bnexp",
    "command.1": "train",
    "command.2": "a study.yaml",
    "versions.torch": "2.9.0",
    "device.name": "a fast one",
    "git.commit": "0123456789abcdef",
    "git.dirty": True,
    "created": "2026-01-02T03:04:05+0000",
}


def runs_of(cells=HISTORIES, **fields):
    return [
        build_run(cell, seed, history[-1], history=history, **fields)
        for cell, histories in cells.items()
        for seed, history in enumerate(histories)
    ]


def claim_of(verdict, test, obstacle=None):
    side = ClaimSide(
        {"model.norm.name": "batch"}, ("norm=batch",), {0: 0.6, 1: 0.7}, {"finished": 2}
    )
    claim = ClaimConfig(
        statement=f"this one is {verdict} & done",
        source="a paper",
        treatment={"model.norm.name": "batch"},
        control={"model.norm.name": "none"},
        direction="higher",
        margin=0.02,
    )
    return ClaimResult(
        claim,
        (ClaimPart(side, side, test),),
        verdict,
        ClaimLook(2, 2, (2,)),
        obstacle=obstacle and Caveat("undecided", obstacle),
    )


def found(mean, low, high):
    ps = {"p": 0.01, "p_for": 0.01, "p_against": 1.0, "p_equivalence": 0.3}
    return ClaimTest(mean, Interval(low, high), n=4, name="Welch's t test", **ps)


def comparisons_of(name):
    """Returns the odd comparisons that a page must survive, by name."""
    nothing = [build_run(state="running"), build_run("norm=batch", state="failed")]
    diverged = [
        build_run(cell, seed, state="diverged", history=history)
        for cell, history in (("norm=none", (0.1, math.nan)), ("norm=batch", (math.nan,)))
        for seed in range(2)
    ]
    several = {f"norm={name}": HISTORIES["norm=none"] for name in "abcdefghijkl"}
    losses = {"norm=none": [(2.0, 1.5), (2.2, 1.4)], "norm=batch": [(1.5, 1.0), (1.4, 0.9)]}
    blown = build_run("norm=none", 5, state="diverged", metric="test/loss", history=(2.0, 1e30))
    match name:
        case "one seed":
            return [compare_runs(runs_of({cell: [rows[0]] for cell, rows in HISTORIES.items()}))]
        case "nothing finished":
            return [compare_runs(nothing)]
        case "all diverged":
            return [compare_runs(diverged)]
        case "one cell":
            return [compare_runs(runs_of({"norm=none": HISTORIES["norm=none"]}))]
        case "one epoch":
            return [compare_runs([*build_cell("norm=none", [0.1, 0.2, 0.4]), build_run("norm=b")])]
        case "twelve cells":
            return [compare_runs(runs_of(several))]
        case "loss":
            return [
                compare_runs([*runs_of(losses, metric="test/loss"), blown], Question("test/loss"))
            ]
        case "nasty names":
            return [compare_runs([build_run(NASTY, settings={}), build_run("b", settings={})])]
        case "by":
            question = Question(margin=0.01)
            return list(compare_by(runs_of(), "model.norm.name", question))


ODD = [
    "one seed",
    "nothing finished",
    "all diverged",
    "one cell",
    "one epoch",
    "twelve cells",
    "loss",
    "nasty names",
    "by",
]


class Page(HTMLParser):
    """Reads a page, and fails where elements are not closed in the order they were opened."""

    def __init__(self, source):
        super().__init__()
        self.open, self.ids, self.rows, self.texts, self.tags = [], [], [], [], []
        self.feed(source)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.ids += [value for name, value in attrs if name == "id"]
        if tag not in VOID:
            self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "style" in self.open:
            return
        self.texts.append(data)
        if self.open and ("td" in self.open or "th" in self.open):
            self.rows[-1][-1] += data

    @property
    def text(self):
        return " ".join("".join(self.texts).split())


def plain(text):
    """Returns text with ordinary blanks, and without those that only align it."""
    return text.replace("\u2007", "").replace("\u00a0", " ").strip()


def charts_of(source):
    """Returns the page's figures; each has a wide and a narrow one, claims a narrow one only."""
    charts = re.findall(r'<svg class="chart".*?</desc>.*?(?=</div>|<figcaption)', source, re.DOTALL)
    assert len(charts) == source.count('class="chart"')
    return [ElementTree.fromstring(chart) for chart in charts]


def texts_of(chart):
    return {element.text for element in chart.iter("text")}


@functools.cache
def page_of(name):
    return render_html(comparisons_of(name))


@pytest.fixture
def records():
    return runs_of(environment=ENVIRONMENT)


@pytest.fixture
def comparison(records):
    return compare_runs(records)


@pytest.mark.parametrize("name", ODD)
def test_every_element_is_closed_and_no_id_is_used_twice(name):
    page = Page(page_of(name))
    assert len(page.ids) == len(set(page.ids))


@pytest.mark.parametrize("name", ODD)
def test_a_figure_that_does_not_exist_is_never_written_as_a_number(name):
    source = page_of(name)
    assert not re.search(r"\b(nan|NaN|None|inf|Infinity)\b", source)


@pytest.mark.parametrize("name", ODD)
def test_charts_are_well_formed_and_their_words_lie_within_their_frame(name):
    for chart in charts_of(page_of(name)):
        _, _, width, height = map(float, chart.get("viewBox").split())
        for element in chart.iter("text"):
            assert 0 <= float(element.get("x")) <= width
            assert 0 <= float(element.get("y")) <= height


def test_charts_use_the_colours_of_the_page(comparison):
    for chart in charts_of(render_html([comparison])):
        styles = " ".join(element.get("style", "") for element in chart.iter())
        assert {"stroke:currentColor", "fill:currentColor"} <= set(re.split("[; ]", styles))
        assert not {INK, MUTED, GRID, PAPER} & set(re.split("[;: ]", styles))


def test_charts_say_in_words_what_they_show(comparison):
    for chart in charts_of(render_html([comparison])):
        assert chart.get("role") == "img"
        assert chart.find("title").text
        assert "norm=batch: " in chart.find("desc").text
        assert chart.find("desc").text in chart.get("aria-label")


def test_each_chart_is_drawn_for_wide_and_for_narrow_pages(comparison):
    widths = [chart.get("viewBox").split()[2] for chart in charts_of(render_html([comparison]))]
    assert widths == ["860", "390"] * 2


@pytest.mark.parametrize("name", ODD)
def test_nothing_is_loaded_and_nothing_runs(name):
    source = page_of(name)
    page = Page(source)
    assert not {"script", "link", "img", "iframe", "object", "image", "use"} & set(page.tags)
    assert not re.search(r"\s(?:src|srcset|xlink:href|on\w+)=|url\(|@import|https?:", source)
    assert all(target.startswith("#") for target in re.findall(r'href="([^"]*)"', source))
    assert "default-src 'none'" in source.replace("&#x27;", "'")


def test_the_same_comparison_gives_the_same_page(records):
    first, again = (render_html([compare_runs(records)], records) for _ in range(2))
    assert first == again


def test_names_are_shown_as_they_are_but_never_as_html():
    source = render_html(comparisons_of("nasty names"))
    shown = NASTY.replace("\x00", r"\x00")
    assert "<script" not in source
    assert "\x00" not in source
    assert shown in Page(source).text


def test_names_from_folders_with_broken_encoding_can_be_written(tmp_path):
    records = [build_run("a\udcff", settings={}), build_run("b", settings={})]
    file = write_html([compare_runs(records)], records, tmp_path / "page.html")
    assert r"a\udcff" in file.read_text(encoding="utf-8")


def test_the_table_holds_the_figures_of_the_comparison(comparison):
    write = metric_format(comparison)
    rows = {
        plain(row[0]): [plain(cell) for cell in row] for row in Page(render_html([comparison])).rows
    }
    for cell in comparison.cells:
        row = rows[cell.settings["model.norm.name"]]
        half = write.number(cell.ci_high - cell.mean)
        assert f"{write.number(cell.mean)} ± {half} %" in row
        assert str(cell.n) in row
        if cell.difference is not None:
            assert format_difference(cell.difference, write) in row
            assert format_p(cell.difference.p_holm) in row
            assert any(text.endswith(cell.difference.verdict) for text in row)


def test_every_sentence_is_told_with_its_figures(comparison):
    text = Page(render_html([comparison])).text
    for sentence in describe_cells(comparison):
        for figure in re.findall(r"[-+]?\d+\.\d+", sentence.join()):
            assert figure in text


def test_clear_differences_are_told_before_unclear_ones(comparison):
    text = Page(render_html([comparison])).text
    assert text.index("norm=batch is better") < text.index("norm=layer and norm=none show no clear")


def test_warnings_stand_between_verdict_and_table():
    diverged = build_run("norm=none", 9, state="diverged", history=(0.1, 0.05))
    comparison = compare_runs([*runs_of(), diverged])
    text = Page(render_html([comparison])).text
    assert comparison.caveats
    for caveat in comparison.caveats:
        assert text.index("is better than") < text.index(caveat.text) < text.index("epochs to")


@pytest.mark.parametrize("verdict", ["supported", "contradicted", "equivalent", "inconclusive"])
def test_a_claim_is_told_first_with_verdict_evidence_and_notes(comparison, verdict):
    claim = claim_of(verdict, found(0.05, 0.03, 0.07), "it is so" if verdict[0] == "i" else None)
    text = Page(render_html([replace(comparison, claims=(claim,))])).text
    described = describe_claim(claim)
    headline = f"{verdict.capitalize()} {claim.claim.statement}"
    assert text.index(headline) < text.index("is better than")
    assert all(" ".join(paragraph.split()) in text for paragraph in described.paragraphs)


def test_a_claim_without_a_figure_has_no_drawing(comparison):
    claim = claim_of("inconclusive", None, "nothing has finished")
    bare = charts_of(render_html([comparison]))
    assert len(charts_of(render_html([replace(comparison, claims=(claim,))]))) == len(bare)


def test_a_claim_with_a_figure_has_a_drawing_with_its_margin(comparison):
    claim = claim_of("supported", found(0.05, 0.03, 0.07))
    page = render_html([replace(comparison, claims=(claim,))])
    wide, narrow = charts_of(page)[:2]
    assert "test/accuracy: norm=batch minus norm=batch (points)" in texts_of(wide)
    assert "+5.0 points [3.0, 7.0]" in texts_of(wide)
    assert "+5.0 points [3.0, 7.0] · n = 4 runs" in texts_of(narrow)
    assert "Shaded: within the margin of 2 points." in Page(page).text


@pytest.mark.parametrize(
    ("fields", "says_why"),
    [
        ({"history": ()}, True),
        ({"history": (0.4, 0.5)}, False),
        ({"history": (), "state": "running"}, False),
    ],
    ids=["measured once", "curves", "nothing yet"],
)
def test_a_page_says_why_it_has_no_curves(fields, says_why):
    runs = [
        build_run(cell, seed, **fields) for cell in ("norm=none", "norm=batch") for seed in (0, 1)
    ]

    text = Page(render_html([compare_runs(runs)])).text

    assert ("There are no curves over the epochs" in text) is says_why


def test_a_figure_that_no_run_measures_after_each_epoch_has_no_setting_to_blame():
    runs = [
        build_run(cell, seed, metric="train_eval/accuracy", history=())
        for cell in ("norm=none", "norm=batch")
        for seed in (0, 1)
    ]
    comparison = compare_runs(runs, Question("train_eval/accuracy"))

    text = Page(render_html([comparison])).text

    assert "the runs measured train_eval/accuracy once, at their end." in text


def test_costs_stand_beside_their_ratio_to_the_baseline():
    records = [
        *build_cell("norm=none", [0.1, 0.2]),
        *build_cell("norm=b", [0.1, 0.3], speed=1500.0),
    ]
    text = Page(render_html([compare_runs(records)])).text
    assert "1,500" in text
    assert "1.50 ×" in text


def test_a_dash_stands_instead_of_a_ratio_that_would_mislead():
    records = [
        *build_cell("norm=none", [0.1, 0.2]),
        *build_cell("norm=b", [0.1, 0.3], speed=1500.0, environment={"platform": "Linux"}),
    ]
    text = Page(render_html([compare_runs(records)])).text
    assert "1,500–" in text
    assert "1.50 ×" not in text
    assert "speed and time of norm=b cannot be compared with the baseline's" in text


def test_each_value_of_by_has_a_section_with_a_link():
    page = Page(render_html(comparisons_of("by")))
    assert page.ids == ["part-1", "part-2", "part-3"]
    assert "norm = batch" in page.text or "name = batch" in page.text


def test_the_environment_is_told_where_runs_share_it(comparison, records):
    text = Page(render_html([comparison], records)).text
    assert "torch 2.9.0" in text
    assert "git commit0123456789abcdef" in text
    assert "uncommitted changesyes" in text
    assert "begun2026-01-02 03:04 +0000" in text


def test_a_difference_in_the_environment_is_counted(records):
    others = runs_of({"norm=x": HISTORIES["norm=none"]}, environment={"versions.torch": "2.8.0"})
    mixed = [*records, *others]
    text = Page(render_html([compare_runs(mixed)], mixed)).text
    assert "torchdiffers: 2.9.0 (9 runs), 2.8.0 (3 runs)" in text


def test_the_config_of_a_run_is_shown_as_yaml(comparison, records):
    source = render_html([comparison], records)
    shown = re.search(r"<details>.*?<code>(.*?)</code>", source, re.DOTALL)[1]
    assert flatten(yaml.safe_load(shown)) == dict(records[0].config)


def test_a_file_that_cannot_be_written_is_named(comparison, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match=r"--html: cannot write the page to '.*file.page\.html'"):
        write_html([comparison], [], tmp_path / "file" / "page.html")
