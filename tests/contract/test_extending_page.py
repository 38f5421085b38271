"""docs/extending.md works as it stands: its files make a part of every kind."""

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from one_process import run_in_one_process
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "extending.md").read_text(encoding="utf-8")
FILES = dict(re.findall(r"^```\w+\n# (\S+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL))
PLACES = {
    "image_rms": "norms",
    "tiny": "models",
    "stripes": "data",
    "negative_share": "diagnostics",
}
SHARE = "diag/negative_share/norm"
"""What the page's diagnostic measures of the page's model."""


def write_packages(folder, files):
    """Writes files, and an `__init__.py` wherever the page has one."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        if path.parent != folder:
            for package in (path.parent, path.parent.parent):
                if not (package / "__init__.py").exists():
                    (package / "__init__.py").write_text('"""Parts."""\n')


def environment(folder):
    path = os.pathsep.join([str(folder), *filter(None, [os.environ.get("PYTHONPATH")])])
    return {**os.environ, "PYTHONPATH": path}


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A folder with the package of the page, installed as pip would."""
    folder = tmp_path_factory.mktemp("my-parts")
    write_packages(folder, FILES)
    info = folder / "my_parts-0.1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: my-parts\nVersion: 0.1.0\n")
    groups = tomllib.loads(FILES["pyproject.toml"])["project"]["entry-points"]
    lines = [
        line
        for group, entries in groups.items()
        for line in (f"[{group}]", *(f"{name} = {value}" for name, value in entries.items()))
    ]
    (info / "entry_points.txt").write_text("\n".join(lines))
    return folder


def test_the_page_shows_every_file_that_it_names():
    assert set(FILES) == {
        "my_net.py",
        "mine.yaml",
        "pyproject.toml",
        "toy.yaml",
        *(f"my_parts/{name}/config.py" for name in PLACES),
        "my_parts/image_rms/layer.py",
        "my_parts/tiny/network.py",
        "my_parts/stripes/drawing.py",
        "my_parts/negative_share/probe.py",
    }


def test_the_parts_of_the_page_train_from_a_package(installed, tmp_path):
    shutil.copy(installed / "toy.yaml", tmp_path)
    commands = re.findall(r"^bnexp (.*toy.*)$", PAGE, re.MULTILINE)
    assert commands

    done = run_in_one_process(
        [command.split() for command in (*commands, "compare toy --format json")],
        tmp_path,
        **environment(installed),
    )

    assert len(list(tmp_path.glob("runs/toy/*/seed=*/summary.json"))) == 6
    run = tmp_path / "runs" / "toy" / "norm=image_rms" / "seed=0"
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    shares = {row["step"]: row[SHARE] for row in rows if SHARE in row}
    assert list(shares) == [10, 20, 30]
    assert all(0 < share < 1 for share in shares.values())
    events = EventAccumulator(str(run)).Reload()
    assert [event.step for event in events.Scalars(SHARE)] == [10, 20, 30]
    assert "negative_share" in (tmp_path / "toy.html").read_text()
    (claim,) = json.loads(done.printed[-1])["claims"]
    final = [
        [row[SHARE] for row in map(json.loads, path.read_text().splitlines()) if SHARE in row][-1]
        for path in sorted(tmp_path.glob("runs/toy/norm=image_rms/seed=*/metrics.jsonl"))
    ]
    assert claim["treatment"]["mean"] == pytest.approx(sum(final) / 3, rel=1e-6)
    assert claim["verdict"] in ("supported", "contradicted", "inconclusive")


def test_the_parts_of_the_page_train_from_bnexp_itself(started_bnexp, tmp_path):
    shutil.copytree(ROOT / "bnexp", tmp_path / "bnexp")
    for name, text in FILES.items():
        if name.startswith("my_parts/"):
            _, part, _ = name.split("/")
            home = f"{PLACES[part]}/{part}"
            text_inside = text.replace(f"my_parts.{part}", f"bnexp.{home.replace('/', '.')}")
            path = name.replace(f"my_parts/{part}", f"bnexp/{home}")
            write_packages(tmp_path, {path: text_inside})
    (tmp_path / "toy.yaml").write_text(FILES["toy.yaml"])

    words = ("train", "toy.yaml", "-s", "sweep.seeds=1", "-s", "train.epochs=1")
    done = started_bnexp(*words, cwd=tmp_path, **environment(tmp_path))

    assert done.returncode == 0, done.stderr
    assert len(list(tmp_path.glob("runs/toy/*/seed=*/summary.json"))) == 2


def test_the_parts_of_the_page_pass_the_contract_of_all_parts(installed):
    options = ["-v", "-p", "no:cacheprovider", "-k", re.search('tests/contract -k "(.+)"', PAGE)[1]]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, "tests/contract"],
        cwd=ROOT,
        env=environment(installed),
        capture_output=True,
        text=True,
    )

    assert done.returncode == 0, done.stdout
    passed = set(re.findall(rf"::(test_\w+)\[.*\b(?:{'|'.join(PLACES)})\b.* PASSED", done.stdout))
    for contract in ("test_norms.py", "test_diagnostics.py"):
        source = Path(__file__).with_name(contract).read_text(encoding="utf-8")
        # Those on a GPU are asked for by hand.
        assert passed > set(re.findall(r"^def (test_(?!on_cuda)\w+)", source, re.MULTILINE))
