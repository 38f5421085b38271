"""Pages that are made from the code are as the code is now."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from bnexp.config.load import load_experiment

ROOT = Path(__file__).parents[2]
CONFIGS = sorted((ROOT / "configs").rglob("*.yaml"))


def test_the_generated_pages_are_up_to_date():
    done = subprocess.run(
        [sys.executable, ROOT / "scripts" / "write_docs.py", "--check"],
        capture_output=True,
        text=True,
    )

    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_every_config_loads_and_opens_with_its_purpose(path):
    load_experiment(path)

    header = path.read_text(encoding="utf-8").partition("\nname:")[0].partition("\nextends:")[0]
    is_study = re.match(r"\d\d-", path.name)
    refuted = ["Refuted"] if is_study else []
    assert re.findall(r"^# (\w+):", header, re.MULTILINE) == [
        "Purpose",
        "Source",
        *refuted,
        "Expected",
        "Command",
    ]


def read_yaml_blocks(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    return re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)


def test_the_yaml_of_the_readme_is_right(tmp_path):
    config, _claim = read_yaml_blocks("README.md")
    (tmp_path / "c.yaml").write_text(config, encoding="utf-8")

    assert len(load_experiment(tmp_path / "c.yaml").runs) == (2 * 2 * 2 - 2 + 1) * 5


@pytest.mark.parametrize(
    ("page", "grid"),
    [
        ("README.md", "{model.norm.name: [none, batch]}"),
        ("docs/compare.md", "{model.norm.name: [none, batch], optim.learning_rate: [0.1, 1.0]}"),
    ],
)
def test_the_claims_of_the_pages_are_right(tmp_path, page, grid):
    config, _ = read_yaml_blocks("README.md")
    claim = read_yaml_blocks(page)[-1]
    whole = f"{config.partition('sweep:')[0]}sweep: {{grid: {grid}}}\n{claim}"
    (tmp_path / "c.yaml").write_text(whole, encoding="utf-8")

    assert len(load_experiment(tmp_path / "c.yaml").runs[0].config.claim) == 1


@pytest.mark.parametrize("tier", ["cpu", "smoke"])
def test_the_study_of_ones_own_can_be_run(tmp_path, tier):
    (study,) = read_yaml_blocks("docs/studying.md")
    (tmp_path / "mine.yaml").write_text(study, encoding="utf-8")

    assert len(load_experiment(tmp_path / "mine.yaml", tier=tier).runs[0].config.claim) == 1


@pytest.mark.parametrize(
    ("page", "folder"), [("studies.md", "studies"), ("studies-gpu.md", "studies/gpu-jpeg")]
)
def test_each_measured_claim_of_the_studies_is_shown_with_its_figure(page, folder):
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    results = [path for path in (ROOT / "docs" / folder).glob("*.json")
               if path.name != "family.json"]  # fmt: skip

    assert results
    for path in results:
        claims = json.loads(path.read_text(encoding="utf-8"))["claims"]
        for place in range(1, len(claims) + 1):
            figure = f"{folder}/{path.stem}/claim_{place}.png"
            assert (ROOT / "docs" / figure).is_file()
            assert f"]({figure})\n" in text, figure


def test_the_readme_says_of_the_studies_what_their_report_says():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    report = (ROOT / "docs" / "studies.md").read_text(encoding="utf-8")
    chapter = readme.partition("## What textbooks claim about batch norm\n")[2].partition("\n## ")[
        0
    ]

    (counts,) = re.findall(r"45 claims: ([^.]*)\.", " ".join(chapter.split()))
    assert f"**45 claims: {counts}.**" in report
    rows = re.findall(r"^\| (?!claim|---).* \| (\w+) \| (.*) \|$", chapter, re.MULTILINE)
    assert len(rows) == 6
    for verdict, effect in rows:
        written = effect.replace("−", "-")
        assert f"| {verdict.capitalize()} | {written} |" in report, effect
