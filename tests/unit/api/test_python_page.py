"""What docs/python.md shows works, line by line."""

import re
from pathlib import Path

import torch

PAGE = Path(__file__).parents[3] / "docs" / "python.md"
CONFIG = """\
name: quickstart
data: {name: shapes, train_size: 100, val_size: 20, test_size: 40, batch_size: 20}
model: {name: cnn, layers: [{conv: 4}, {pool: max, size: 4}]}
train: {epochs: 1, device: cpu, threads: 1}
sweep: {seeds: 2, grid: {model.norm.name: [none, batch]}}
"""


def test_the_page_does_what_it_says(tmp_path, bnexp, monkeypatch):
    (tmp_path / "c.yaml").write_text(CONFIG)
    done = bnexp("train", "c.yaml", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    monkeypatch.chdir(tmp_path)
    names = {"images": torch.zeros(2, 3, 32, 32, dtype=torch.uint8)}
    for block in re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.S):
        exec(block, names)

    assert names["model"].predict(names["images"]).shape == (2, 10)
    assert len(names["runs"]) == 4
    assert {*names["frame"].cell} == {"norm=none", "norm=batch"}
