"""Structure is never recovered from text that the reports wrote: its parts are kept apart."""

import ast
from pathlib import Path

REPORTS = Path(__file__).parents[3] / "bnexp" / "reports"

PARSERS = {
    "endswith",
    "findall",
    "finditer",
    "fullmatch",
    "match",
    "partition",
    "removeprefix",
    "removesuffix",
    "rpartition",
    "rsplit",
    "search",
    "split",
    "splitlines",
    "startswith",
    "sub",
}
"""Methods of strings and patterns that look into a text."""

ALLOWED = {
    "csv.py": "escapes any text",
    "figures/files.py": "makes a file's name of any metric",
    "figures/fitting.py": "paths of layers",
    "figures/inside/diagnostics.py": "tags, which are a contract of quantity and layer",
    "figures/sheet.py": "breaks labels into lines where their words end",
    "words/cell_names.py": "breaks names, which the sweep wrote, into lines and parts with options",
    "words/claims.py": "an author's source may end in a full stop",
    "words/formatting.py": "a margin of one point has no s",
    "html/charts.py": "makes the SVG that Matplotlib wrote part of the page",
    "html/environment.py": "keys of an environment, of which versions have a prefix",
    "html/page.py": "lets long names break, and escapes them",
    "json.py": "the list of keys is written in lines",
    "latex.py": "escapes any text, and turns any name into a label",
    "tensorboard/hparams.py": "tags, which are a contract of prefix and kind",
    "tensorboard/serve.py": "names of folders, and lines that TensorBoard wrote",
    "terminal.py": "drops the blanks that Rich leaves at the ends of lines",
}
"""Modules that look into a text, and why it is not one whose parts we knew."""


def parsing_modules():
    """Yields the modules that call a method which looks into a text."""
    for path in sorted(REPORTS.rglob("*.py")):
        calls = (
            node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)
        )
        names = {call.func.attr for call in calls if isinstance(call.func, ast.Attribute)}
        if names & PARSERS:
            yield path.relative_to(REPORTS).as_posix(), sorted(names & PARSERS)


def test_only_the_modules_that_are_listed_with_a_reason_look_into_a_text():
    found = dict(parsing_modules())
    assert {name: calls for name, calls in found.items() if name not in ALLOWED} == {}
    assert set(ALLOWED) - set(found) == set()
