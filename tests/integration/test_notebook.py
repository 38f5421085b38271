"""docs/notebook.ipynb does what it shows, on fewer pictures."""

import importlib.util
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).parents[2]


def load_script():
    spec = importlib.util.spec_from_file_location("run_notebook", ROOT / "scripts/run_notebook.py")
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    return script


def list_outputs(notebook):
    """Returns for each cell of code in which forms it shows something."""
    return [
        [sorted(output.get("data", ())) or output.get("name") for output in cell.outputs]
        for cell in notebook.cells
        if cell.cell_type == "code"
    ]


@pytest.mark.slow
def test_the_notebook_runs_and_shows_what_is_stored_in_it(tmp_path, monkeypatch):
    script = load_script()
    stored = nbformat.read(script.NOTEBOOK, as_version=4)
    nbformat.validate(stored)
    executed = nbformat.read(script.NOTEBOOK, as_version=4)
    config = executed.cells[1]
    for more, few in (("train_size: 3000", "train_size: 200"), ("test_size: 500", "test_size: 50")):
        assert more in config.source
        config.source = config.source.replace(more, few)
    # Where the kernel notes how it is reached.
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "jupyter"))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))

    script.run(executed, tmp_path)

    assert list_outputs(executed) == list_outputs(stored)
    assert "stderr" not in str(list_outputs(stored))
    assert "norms: 6 finished" in executed.cells[4].outputs[0].text
    assert len(script.NOTEBOOK.read_bytes()) < 300_000
