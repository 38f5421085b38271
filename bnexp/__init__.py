"""bnexp: experiments on normalization in CNNs, from a YAML file to a verdict.

What Python and notebooks use of it; each is imported when it is first asked for:

- `load_config(path)`: an experiment, read and checked, with the resolved config of each run.
- `load_runs("name")`: runs, each with `.config`, `.summary`, `.history` and `.metrics()`.
- `load_model(run)`: a run's network in evaluation mode, with its preprocessing.
- `compare("name")`: a comparison with its verdicts, which a notebook shows with table and figure.
- `to_frame(runs)`: runs as a tidy pandas table.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from bnexp.version import __version__

if TYPE_CHECKING:
    from bnexp.api.configs import load_config as load_config
    from bnexp.api.report import compare as compare
    from bnexp.api.runs import load_model as load_model
    from bnexp.api.runs import load_runs as load_runs
    from bnexp.api.tables import to_frame as to_frame

__all__ = ["__version__", "compare", "load_config", "load_model", "load_runs", "to_frame"]

_HOMES = {
    "compare": "report",
    "load_config": "configs",
    "load_model": "runs",
    "load_runs": "runs",
    "to_frame": "tables",
}
"""In which module of `bnexp.api` each function is: none is imported before it is used."""


def __getattr__(name: str) -> Any:  # noqa: ANN401 - a function
    if name not in _HOMES:
        raise AttributeError(f"module 'bnexp' has no attribute {name!r}")
    return getattr(import_module(f"bnexp.api.{_HOMES[name]}"), name)
