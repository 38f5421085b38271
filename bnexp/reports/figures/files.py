"""The figures of a comparison, as PNG and SVG; loads matplotlib only to draw them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from bnexp.analysis.results import Comparison
from bnexp.errors import UsageError
from bnexp.files import open_atomically
from bnexp.foreign_text import visible
from bnexp.reports.figures.answers.confusion import build_confusion
from bnexp.reports.figures.answers.mistakes import build_mistakes
from bnexp.reports.figures.claims.figure import build_claim_figures
from bnexp.reports.figures.curves import build_curves
from bnexp.reports.figures.effects import build_effects
from bnexp.reports.figures.inside.diagnostics import build_diagnostics
from bnexp.reports.figures.sensitivity.chart import build_sensitivities
from bnexp.reports.figures.sheet import Chart
from bnexp.reports.figures.style import figure_settings
from bnexp.reports.words.headings import describe_part

_DOTS_PER_INCH = 160


def build_charts(comparison: Comparison) -> dict[str, Chart]:
    """Returns each figure that the comparison has data for, by name.

    `sensitivity_<key>` needs a number that the cells differ in, `curves` a history of the
    metric in some run, `effects` a difference to the baseline.
    """
    found: dict[str, Chart | None] = {
        f"sensitivity_{visible(key)}": chart
        for key, chart in build_sensitivities(comparison).items()
    }
    found |= {"curves": build_curves(comparison), "effects": build_effects(comparison)}
    return {name: chart for name, chart in found.items() if chart is not None}


def build_class_charts(comparison: Comparison) -> dict[str, Chart]:
    """Returns the figures of what the first run of each cell predicted, by name, if it is known."""
    found = {"confusions": build_confusion(comparison), "mistakes": build_mistakes(comparison)}
    return {name: chart for name, chart in found.items() if chart is not None}


def write_figures(comparisons: Sequence[Comparison], directory: Path) -> tuple[Path, ...]:
    """Writes every figure as `<name>_<metric>.png` and `.svg`, and returns the paths.

    Those that belong to no metric are `claim_<place>_<kind>` of claims, `confusions`, `mistakes`,
    and `diag_<name>` of diagnostics.

    Each of several comparisons has its own folder, named after what sets it apart. The same
    comparison gives the same bytes.

    Raises:
        UsageError: The folder cannot be written.
    """
    try:
        return tuple(
            path
            for comparison in comparisons
            for path in _write(comparison, directory / _folder(comparison, comparisons))
        )
    except OSError as error:
        raise UsageError(f"--plots: cannot write figures to '{directory}': {error}") from error


def _write(comparison: Comparison, directory: Path) -> Iterator[Path]:
    directory.mkdir(parents=True, exist_ok=True)
    charts = build_claim_figures(comparison)
    charts |= {f"{name}_{comparison.metric}": one for name, one in build_charts(comparison).items()}
    charts |= build_class_charts(comparison)
    charts |= {f"diag_{name}": one for name, one in build_diagnostics(comparison).items()}
    with figure_settings():
        for name, chart in charts.items():
            sheet = chart.draw_alone(is_wide=True)
            drawn = {"png": sheet.encode_png(_DOTS_PER_INCH), "svg": sheet.encode_svg()}
            for suffix, content in drawn.items():
                path = directory / f"{_file_name(name)}.{suffix}"
                with open_atomically(path) as file:
                    file.write(content)
                yield path


def _folder(comparison: Comparison, comparisons: Sequence[Comparison]) -> str:
    return _file_name(describe_part(comparison, comparisons).replace(" = ", "=")).strip(".")


def _file_name(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9._=,()-]+", "_", text)
