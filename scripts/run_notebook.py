"""Runs docs/notebook.ipynb from the start and stores in it what it shows."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient

NOTEBOOK = Path(__file__).resolve().parents[1] / "docs" / "notebook.ipynb"


def run(notebook: nbformat.NotebookNode, folder: Path) -> None:
    """Executes the cells in a folder, and puts what they show into the notebook.

    Raises:
        CellExecutionError: A cell fails.
    """
    # `!bnexp` is the command that belongs to this Python.
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", "")))
    client = NotebookClient(
        notebook,
        timeout=300,
        kernel_name="python3",
        resources={"metadata": {"path": str(folder)}},
        record_timing=False,
        coalesce_streams=True,
    )
    client.execute(env={**os.environ, "PATH": path, "NO_COLOR": "1", "COLUMNS": "110"})


if __name__ == "__main__":
    content = nbformat.read(NOTEBOOK, as_version=4)
    with tempfile.TemporaryDirectory() as folder:
        run(content, Path(folder))
    content.metadata.language_info = {"name": "python"}
    nbformat.write(content, NOTEBOOK)
