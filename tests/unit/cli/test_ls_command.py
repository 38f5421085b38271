"""`bnexp ls` shows whole names, whatever the width and the encoding."""

import json

import pytest

CELL = "norm=none,placement=after_activation,batch_size=128,learning_rate=0.0125"


@pytest.fixture
def here(tmp_path):
    run = tmp_path / "runs" / "sw" / CELL / "seed=0"
    run.mkdir(parents=True)
    (run / "status.json").write_text(json.dumps({"state": "pending", "cell": CELL}))
    (run / "config.yaml").write_text("")
    return tmp_path


def test_a_long_cell_name_is_folded_and_not_cut(here, bnexp):
    done = bnexp("ls", "sw", cwd=here, COLUMNS="80")

    rows = [line.split("│")[1].strip() for line in done.stdout.splitlines() if "│" in line]
    assert "".join(rows) == CELL


def test_names_fit_any_encoding(here, bnexp):
    done = bnexp("ls", "sw", cwd=here, PYTHONIOENCODING="ascii")

    assert done.returncode == 0, done.stderr
    assert "batch_size=128" in done.stdout
