"""Row 18 of the fault matrix: whatever a runs folder says is shown as text and does nothing."""

import csv
import json
import re
import warnings
from html.parser import HTMLParser

import pytest
from made_up_runs import add_predictions, add_rows, make_predictions, make_run, seal
from many_commands import run_all
from markdown_it import MarkdownIt

from bnexp import compare
from bnexp.foreign_text import visible_lines
from bnexp.reports.csv import render_csv
from bnexp.reports.latex import render_latex
from bnexp.reports.tensorboard.report import render_text as render_for_tensorboard
from bnexp.reports.terminal import render_text
from bnexp.runs.run_dir import TUNING
from bnexp.runs.tuning_record import write_tunings

SECRET = "ghp_" + "a1B2c3" * 5
MARKUP = (
    "=1'\"><script>x</script><img src=//evil onerror=x><meta http-equiv=refresh>&#60;b&#62;"
    "</title></svg><a href=javascript:x>![i](http://evil/i)[a](http://evil)[b]: http://evil "
    f"www.evil.org <http://evil> *e* _e_ `c` | $x$ \\input{{/etc/passwd}} {SECRET} /home/ann/x "
    "%0\x1b[31m\a\r\x9b\u202e\u2066\u200b\u2028\U000e0041"
)
FILES = ("status.json", "environment.json", "summary.json")
DIAGNOSTIC = "diag/gradient_norm/conv1"
TUNED = {
    "over": {"optim.learning_rate": [0.1, 0.2]},
    "by": "val/accuracy",
    "seeds": [100],
    "arm": {"model.norm.name": "batch"},
    "chosen": {"optim.learning_rate": 0.1},
    "at_edge": ["optim.learning_rate"],
    "scores": [
        {"values": {"optim.learning_rate": rate}, "mean": 0.6 - rate, "n": 1, "diverged": 0}
        for rate in (0.1, 0.2)
    ],
}
ITSELF = object()
CLAIM = {
    "statement": "batch is better",
    "source": "a paper",
    "treatment": {"model.norm.name": "batch"},
    "control": {"model.norm.name": "none"},
    "metric": "test/accuracy",
    "direction": "higher",
    "margin": 0.01,
}


def make_folder(tmp_path):
    """Makes two finished, tuned runs with a claim, all of whose files are whole."""
    for index, norm in enumerate(("none", "batch")):
        path = tmp_path / "study" / f"norm={norm}" / "seed=0"
        make_run(path, {"model.norm.name": norm, "optim.learning_rate": 0.1}, index)
        environment = json.loads((path / "environment.json").read_text())
        environment["config"]["claim"] = [CLAIM]
        environment["tuning"] = TUNED
        resume = {"step": 1, "checkpoint": "checkpoint.pt", "differences": ["threads is 1"]}
        environment["resumes"] = [resume]
        (path / "environment.json").write_text(json.dumps(environment))
        add_predictions(path, make_predictions())
        add_rows(path, {(step, 1): {DIAGNOSTIC: 1.5} for step in (1, 2)})
    (tmp_path / "study" / TUNING).mkdir()
    write_tunings(tmp_path / "study" / TUNING, {"norm=batch": TUNED, "norm=none": TUNED})
    return path


def walk(tree, path=()):
    """Yields the way to each string of a file; that of a key ends with `ITSELF`."""
    children = tree.items() if isinstance(tree, dict) else enumerate(tree)
    for key, value in children:
        if isinstance(key, str):
            yield (*path, key, ITSELF)
        if isinstance(value, dict | list):
            yield from walk(value, (*path, key))
        elif isinstance(value, str):
            yield (*path, key)


def inject(tree, path, text):
    """Puts a text into the place of a string, or before a key."""
    head, *rest = path
    if rest == [ITSELF]:
        tree[f"{text}{head}"] = tree.pop(head)
    elif rest:
        inject(tree[head], rest, text)
    else:
        tree[head] = text


class Structure(HTMLParser):
    """Elements with their attributes, without what is text."""

    def __init__(self, source):
        super().__init__()
        self.found = set()
        self.feed(source)
        self.close()

    def handle_starttag(self, tag, attrs):
        names = tuple(name for name, _ in attrs)
        urls = tuple(value for name, value in attrs if name in ("href", "src", "http-equiv"))
        self.found.add((tag, names, urls))

    def handle_comment(self, data):
        self.found.add(("comment", data))

    def handle_decl(self, decl):
        self.found.add(("declaration", decl))

    def unknown_decl(self, data):
        self.found.add(("declaration", data))


def to_html(markdown):
    """Renders Markdown as GitHub does, but for the links that it makes of bare addresses."""
    return MarkdownIt("commonmark").enable(["table", "strikethrough"]).render(markdown)


def to_tensorboard(markdown):
    with warnings.catch_warnings(action="ignore"):
        from tensorboard import plugin_util
    return plugin_util.markdown_to_safe_html(markdown)


def render_all(runs_dir):
    """Returns every report of a runs folder, by its format."""
    report = compare("study", runs_dir=runs_dir)
    (comparison,) = report.comparisons
    markdown = report.to_markdown()
    return {
        "html": report.to_html(),
        "markdown": markdown,
        "github": to_html(markdown),
        "tensorboard": to_tensorboard(render_for_tensorboard(comparison)),
        "latex": render_latex(comparison),
        "csv": render_csv(comparison),
        "text": render_text(comparison),
    }


def find_places(tmp_path):
    path = make_folder(tmp_path)
    return [
        (name, place) for name in FILES for place in walk(json.loads((path / name).read_text()))
    ]


def check(reports, clean):
    """Checks that the reports have the structure of those without foreign text, and no more."""
    for name in ("html", "github", "tensorboard"):
        assert Structure(reports[name]).found <= clean[name]
    for name, text in reports.items():
        assert visible_lines(text) == text, name
    for name in ("html", "markdown", "github", "tensorboard", "latex"):
        assert SECRET not in reports[name], name
        assert "/home/ann" not in reports[name], name
    assert not re.search(r"(?i)https?://evil|www\.", reports["markdown"])
    assert not re.search(r"(?m)^(?!%).*\\input", reports["latex"])
    for row in csv.reader(reports["csv"].splitlines()):
        assert not [cell for cell in row if cell.startswith(("=", "+", "@", "\t"))]


@pytest.fixture(scope="module")
def clean(tmp_path_factory):
    """Returns the structures of reports on whole runs, and on runs that are partly damaged."""
    tmp_path = tmp_path_factory.mktemp("clean")
    found = {name: set() for name in ("html", "github", "tensorboard")}
    path = make_folder(tmp_path)
    harms = ("summary.json", "environment.json", "status.json", "manifest.json", "metrics.jsonl",
             "predictions.npz")  # fmt: skip
    for harm in (None, *harms):
        if harm:
            (path / harm).rename(tmp_path / harm)
        for name in found:
            found[name] |= Structure(render_all(tmp_path)[name]).found
        if harm:
            (tmp_path / harm).rename(path / harm)
    return found


@pytest.mark.parametrize("is_sealed_again", [True, pytest.param(False, marks=pytest.mark.slow)])
@pytest.mark.parametrize("step", [17, pytest.param(1, marks=pytest.mark.slow)])
def test_row_18_markup_in_any_string_of_a_run_stays_text(step, is_sealed_again, tmp_path, clean):
    places = find_places(tmp_path)
    path = tmp_path / "study" / "norm=batch" / "seed=0"
    wholes = {one: one.read_bytes() for one in path.iterdir()}

    for name, place in places[::step]:
        tree = json.loads(wholes[path / name])
        inject(tree, place, MARKUP)
        (path / name).write_text(json.dumps(tree))
        if is_sealed_again:  # a forger can do that, too
            seal(path)
        check(render_all(tmp_path), clean)
        for one, content in wholes.items():
            one.write_bytes(content)

    assert len(places) > 120


def forge_manifest(path):
    manifest = json.loads((path / "manifest.json").read_text())
    manifest["identity"] = dict.fromkeys((*manifest["identity"], MARKUP), MARKUP)
    (path / "manifest.json").write_text(json.dumps(manifest))
    (path / "status.json").unlink()


def forge_metrics(path):
    rows = {(1, 1): {f"diag/gradient_norm/{MARKUP}": 1.5, f"diag/{MARKUP}/conv1": 1.5, MARKUP: 1.0}}
    add_rows(path, rows)


def forge_predictions(path):
    names = tuple(f"{MARKUP}{letter}" for letter in "abc")
    for one in path.parents[1].glob("norm=*/seed=0"):  # cells of other classes are not shown
        add_predictions(one, make_predictions(names=names))


def forge_tuning(path):
    tuned = json.loads(json.dumps(TUNED).replace("optim.learning_rate", "optim.learning_rate.x"))
    tuned["over"][MARKUP] = tuned["chosen"][MARKUP] = MARKUP
    tuned["by"], tuned["arm"], tuned["at_edge"] = MARKUP, {MARKUP: MARKUP}, [MARKUP]
    environment = json.loads((path / "environment.json").read_text())
    (path / "environment.json").write_text(json.dumps({**environment, "tuning": tuned}))
    seal(path)
    write_tunings(path.parents[1] / TUNING, {"norm=batch": tuned, MARKUP: tuned})


def forge_claim_record(path):
    lines = [{"at": MARKUP, "claims": [MARKUP], "runs": ["f" * 16]}, {"result": MARKUP}, MARKUP]
    text = "".join(f"{json.dumps(line)}\n" for line in lines)
    (path.parents[2] / "claims.jsonl").write_text(text)


@pytest.mark.parametrize(
    "forge", [forge_manifest, forge_metrics, forge_predictions, forge_tuning, forge_claim_record]
)
def test_row_18_markup_in_the_other_files_stays_text(forge, tmp_path, clean):
    forge(make_folder(tmp_path))

    reports = render_all(tmp_path)

    check(reports, clean)
    assert ("&lt;script&gt;" in reports["html"]) == (forge is not forge_claim_record)


def test_row_18_no_command_sends_what_steers_a_terminal(tmp_path):
    path = make_folder(tmp_path / "runs")
    for name in FILES:
        tree = json.loads((path / name).read_text())
        for place in [place for place in walk(tree) if place[-1] is not ITSELF]:
            inject(tree, place, f"{MARKUP}\ud800\x00")
        (path / name).write_text(json.dumps(tree))
    odd = tmp_path / "runs" / "s\x1b]0;x\a\u202et\udcffy" / "c\x9bll\n\r" / "seed=0"
    make_run(odd, {"model.norm.name": MARKUP})
    (tmp_path / "c\x1b[2J.yaml").write_text("name: \x9b\n")
    names = ("study", odd.parts[-3])
    commands = [
        ["ls"],
        ["rm", "no\x1b[2J", "--yes"],
        ["plan", "c\x1b[2J.yaml"],
        ["plan", "no\x1b[2J.yaml", "-s", "\x1b=1"],
        ["ls", "--no\x1b[2J"],
        ["no\x1b[2J"],
        *([command, name] for command in ("ls", "compare") for name in names),
        *(["show", f"{name}"] for name in (*names, "study/norm=batch/seed=0", "no\x1b[2J")),
        *(["compare", "study", "--format", kind] for kind in ("md", "csv", "latex", "json")),
        *([command, "study", "--json"] for command in ("ls", "show")),
    ]

    for arguments, (code, said, printed) in zip(commands, run_all(commands, tmp_path), strict=True):
        assert code in (0, 1, 2), (arguments, code)
        assert said + printed
        assert "unexpected" not in said, (arguments, said)
        assert visible_lines(said + printed) == said + printed, arguments
        if "json" in arguments or "--json" in arguments:
            assert json.loads(printed), (arguments, said)
