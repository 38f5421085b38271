import re
import shutil
import subprocess

import pytest
from claimed_runs import CLAIM, claimed_runs
from records import build_cell, build_run

from bnexp.analysis.comparison import compare_by, compare_runs
from bnexp.reports.latex import comment, escape, render_latex

NONE = [0.45, 0.46, 0.44]
BATCH = [0.61, 0.63, 0.6]
NASTY = r"a_b % c & #{d} ~e^f \g $h$ [i]* <j> | `k' \"l\" -- -1"


@pytest.fixture
def comparison():
    return compare_runs(
        [
            *build_cell("norm=none", NONE),
            *build_cell("norm=batch", BATCH),
            build_run("norm=batch", 3, state="diverged"),
        ]
    )


def nasty_comparison():
    claim = {**CLAIM, "statement": f"{NASTY}.", "source": "Übung, § 3: γ → 中"}
    records = [
        *claimed_runs(claim),
        *build_cell("norm=x", [0.3, 0.4, 0.35], settings={"model.norm.name": NASTY}),
        build_run("norm=x", 9, state="failed", problems=(f"{NASTY} cannot\nbe read",)),
    ]
    return compare_runs(records)


def check_syntax(text):
    """Fails where braces, environments, or the columns of a row do not match."""
    code = "\n".join(re.sub(r"(?<!\\)%.*", "", line) for line in text.splitlines())
    bare = re.sub(r"\\[\\{}$&#%_]", "", code)
    assert bare.count("{") == bare.count("}")
    assert bare.count("$") % 2 == 0
    assert not set("#^") & set(bare.replace("$^{", ""))
    open_environments = []
    for kind, name in re.findall(r"\\(begin|end)\{(\w+)\}", code):
        if kind == "begin":
            open_environments.append(name)
        else:
            assert open_environments.pop() == name
    assert not open_environments
    code = re.sub(r"\\begin\{tabular\}\[[tb]\].*?\\end\{tabular\}", "lines", code)
    for columns, body in re.findall(
        r"\\begin\{tabular\}\{@\{\}([lr]+)@\{\}\}(.*?)\\end\{tabular\}", code, re.DOTALL
    ):
        rows = [line for line in body.splitlines() if line.endswith(r" \\")]
        assert rows
        assert {len(re.findall(r"(?<!\\)&", row)) for row in rows} == {len(columns) - 1}


def compile_latex(text, folder, name="paper"):
    engine = shutil.which("pdflatex") or shutil.which("lualatex") or shutil.which("tectonic")
    if engine is None:
        pytest.skip("no TeX engine is installed")
    source = r"\documentclass{article}\usepackage{booktabs}\begin{document}"
    path = folder / f"{name}.tex"
    path.write_text(f"{source}\n{text}\n\\end{{document}}\n", encoding="utf-8")
    options = [] if engine.endswith("tectonic") else ["-halt-on-error", "-interaction=nonstopmode"]
    done = subprocess.run(
        [engine, *options, path.name], cwd=folder, capture_output=True, text=True, errors="replace"
    )
    assert done.returncode == 0, done.stdout[-2000:]
    assert path.with_suffix(".pdf").exists()


def row_of(text, start):
    return next(line for line in text.splitlines() if line.startswith(start))


def test_the_table_is_well_formed(comparison):
    check_syntax(render_latex(comparison))


def test_it_is_well_formed_whatever_the_names_hold():
    check_syntax(render_latex(nasty_comparison()))


def test_it_compiles(comparison, tmp_path):
    compile_latex(render_latex(comparison), tmp_path)


def test_it_compiles_whatever_the_names_hold(tmp_path):
    compile_latex(render_latex(nasty_comparison()), tmp_path)


def test_one_table_a_value_compiles(tmp_path):
    cells = {"norm=none": NONE, "norm=batch": BATCH}
    records = [
        run
        for size in ("8", "32")
        for cell, values in cells.items()
        for run in build_cell(f"{cell},batch_size={size}", values)
    ]
    text = render_latex(*compare_by(records, "batch_size"))
    check_syntax(text)
    assert re.findall(r"\\textbf\{(batch.+?)\}", text) == [
        r"batch\_size = 8",
        r"batch\_size = 32",
    ]
    compile_latex(text, tmp_path)


def test_the_rules_are_booktabs(comparison):
    text = render_latex(comparison)
    for rule in (r"\toprule", r"\midrule", r"\bottomrule"):
        assert text.count(rule) == 2


def test_a_row_has_the_mean_in_bold_the_difference_and_the_verdict_in_words(comparison):
    assert row_of(render_latex(comparison), "batch &") == (
        r"batch & 3 & \textbf{61.3 $\pm$ 3.8 \%} & +16.3 {[}14.9, 17.8{]} & "
        r"\textless{} 0.001 & better \\"
    )


def test_the_caption_names_metric_method_and_what_bold_means(comparison):
    caption = row_of(render_latex(comparison), r"\caption")
    for words in ("test/accuracy after the last epoch", "paired by seed", "Bold: the best mean"):
        assert words in caption


def test_warnings_are_comments_and_a_note(comparison):
    warning = "norm=batch: 1 of 4 runs diverged; its figures cover the other 3"
    text = render_latex(comparison)
    assert f"% warning: {warning}\n" in text
    assert rf"Warning: {warning}.\par" in text


def test_claims_are_a_list_below():
    below = render_latex(compare_runs(claimed_runs())).partition(r"\end{table}")[2]
    assert below.startswith("\n\\begin{enumerate}\n\\item \\textbf{Supported:} ")
    check_syntax(below)


@pytest.mark.parametrize(
    ("text", "latex"),
    [
        ("a_b", r"a\_b"),
        ("50 %", r"50 \%"),
        ("\\", r"\textbackslash{}"),
        ("{}~^#&$", r"\{\}\textasciitilde{}\textasciicircum{}\#\&\$"),
        ("--by", "-{}-by"),
        ("-0.5 a-1", "$-$0.5 a-1"),
        ("[*", "{[}{*}"),
        ("ü中\x07", "ü{[}U+4E2D{]}{[}U+0007{]}"),
    ],
)
def test_each_character_is_printed_as_it_is(text, latex):
    assert escape(text) == latex


def test_a_comment_is_one_line_that_steers_no_terminal():
    assert comment("a\nb\r\nc") == "% a b c"
    assert comment("\x1b[31m\u202e") == r"% \x1b[31m\u202e"


def test_chosen_columns_stand_in_their_order_and_a_caption_replaces_the_notes(comparison):
    text = render_latex(comparison, columns=["mean", "n", "verdict"], caption="5 % of all_nets")

    check_syntax(text)
    assert text.count(r"\begin{tabular}{") == 1
    header = next(line for line in text.splitlines() if "test/accuracy" in line and "&" in line)
    assert [part.strip(" \\") for part in header.split("&")] == [
        "norm", "test/accuracy", "n", "verdict",
    ]  # fmt: skip
    assert r"\caption{5 \% of all\_nets}" in text
