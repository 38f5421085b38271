"""What Python and notebooks use: the same figures as the files and the commands."""

import io
import json
import subprocess
import sys
from xml.etree import ElementTree

import pandas as pd
import pytest
from made_up_runs import add_rows, make_runs

import bnexp as public
from bnexp.errors import BnexpError, UsageError

TAGS = ("train/loss", "test/accuracy")


@pytest.fixture(scope="module")
def runs_dir(tmp_path_factory):
    folder = tmp_path_factory.mktemp("api") / "runs"
    make_runs(folder, cells=2, seeds=3, epochs=4)
    return folder


def test_all_names_are_there_and_importing_bnexp_is_light():
    for name in public.__all__:
        assert getattr(public, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'trian'"):
        _ = public.trian
    code = "import bnexp, sys; print(*{'torch', 'pydantic', 'numpy', 'pandas'} & {*sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_runs_are_what_their_folders_hold(runs_dir):
    runs = public.load_runs("many", runs_dir=runs_dir)
    first = runs[0]
    summary = json.loads((first.path / "summary.json").read_text())

    assert [(run.cell, run.seed) for run in runs] == sorted(
        ((run.cell, run.seed) for run in runs), key=lambda one: (first.cell != one[0], one[1])
    )
    config = json.loads((first.path / "environment.json").read_text())["config"]
    assert first.config == {key: value for key, value in config.items() if key != "claim"}
    assert {tag: [*values] for tag, values in first.history.items()} == summary["history"]
    assert first.final == summary["final"]
    assert first.state == "finished"
    assert repr(first) == f"<Run many/{first.cell}/seed=0, finished>"


def test_rows_are_those_of_the_file_unless_it_was_altered(tmp_path):
    make_runs(tmp_path, cells=2, seeds=1)
    run = public.load_runs("many", runs_dir=tmp_path)[0]
    add_rows(run.path, {(1, 1): {"train/loss": 2.5}, (2, 1): {"diag/gradient_norm/conv": None}})
    rows = [
        {"step": 1, "epoch": 1, "elapsed_seconds": 1.0, "train/loss": 2.5},
        {"step": 2, "epoch": 1, "elapsed_seconds": 1.0, "diag/gradient_norm/conv": None},
    ]
    run = public.load_runs("many", runs_dir=tmp_path)[0]

    assert run.metrics() == rows
    found = public.to_frame([run], per="steps")
    assert found["tag"].tolist() == ["train/loss", "diag/gradient_norm/conv"]
    assert found["step"].tolist() == [1, 2]
    with (run.path / "metrics.jsonl").open("a") as file:
        file.write('{"step": 3, "epoch": 1, "elapsed_seconds": 1, "train/loss": 0}\n')
    with pytest.raises(BnexpError, match=r"metrics\.jsonl"):
        run.metrics()


def test_a_comparison_is_that_of_the_command(runs_dir, bnexp):
    report = public.compare("many", runs_dir=runs_dir, margin=0.01)
    done = bnexp("compare", "many", "--margin", "0.01", "--format", "json", cwd=runs_dir.parent)

    assert report.to_dict() == json.loads(done.stdout)
    assert len(report.cells) == 2
    assert report.runs == report.every_run
    assert "| norm" in report.to_markdown()
    split = public.compare("many", runs_dir=runs_dir, by="norm")
    assert (split.by, len(split.comparisons)) == ("model.norm.name", 2)
    with pytest.raises(UsageError, match="tset/accuracy"):
        public.compare("many", runs_dir=runs_dir, metric="tset/accuracy")


def test_a_notebook_shows_table_and_figure_of_the_page(runs_dir):
    report = public.compare("many", runs_dir=runs_dir)
    shown, page = report._repr_html_(), report.to_html()
    root = ElementTree.fromstring(f"<div>{shown}</div>")

    cells = [cell.text for cell in root.findall("table/tr/td") if cell.text]
    assert len(root.findall("table/tr")) == 3
    assert {"none", "batch", "3"} <= {*cells}
    (image,) = root.findall("img")
    assert image.get("src").startswith("data:image/png;base64,iVBOR")
    assert "<title>" + image.get("alt").partition(". ")[0] in page


@pytest.mark.parametrize("form", ["csv", "json", "parquet"])
def test_a_table_has_a_row_per_value(runs_dir, bnexp, tmp_path, form):
    runs = public.load_runs("many", runs_dir=runs_dir)
    frame = public.to_frame(runs)
    file = tmp_path / f"new/table.{form}"
    done = bnexp("export", "many", "--format", form, "-o", file, cwd=runs_dir.parent)
    read = {"csv": pd.read_csv, "json": pd.read_json, "parquet": pd.read_parquet}[form]

    assert done.returncode == 0, done.stderr
    pd.testing.assert_frame_equal(read(file), frame, check_dtype=False)
    assert list(frame)[:4] == ["experiment", "cell", "seed", "state"]
    assert list(frame)[-3:] == ["epoch", "tag", "value"]
    chosen = frame[(frame.tag == "test/accuracy") & (frame.cell == runs[-1].cell)]
    means = chosen.groupby("epoch").value.mean().tolist()
    expected = pd.DataFrame([run.history["test/accuracy"] for run in runs[3:]]).mean().tolist()
    assert means == pytest.approx(expected)


def test_a_table_goes_to_stdout_without_a_file(runs_dir, bnexp):
    done = bnexp("export", "many", cwd=runs_dir.parent)
    frame = public.to_frame(public.load_runs("many", runs_dir=runs_dir))

    pd.testing.assert_frame_equal(pd.read_csv(io.StringIO(done.stdout)), frame, check_dtype=False)
    refused = bnexp("export", "many", "--format", "parquet", cwd=runs_dir.parent)
    assert (refused.returncode, "name a file" in refused.stderr) == (2, True)


def test_a_config_is_read_by_file_or_by_name(tmp_path):
    (tmp_path / "c.yaml").write_text("name: mine\ndata: {name: shapes}\nmodel: {name: cnn}\n")
    own = public.load_config(tmp_path / "c.yaml", ["model.norm=layer"])

    assert own.runs[0].config.model.norm.name == "layer"
    assert public.load_config("quickstart").name == "quickstart"
    with pytest.raises(UsageError):
        public.load_config("quikstart")
