"""The commands that made a comparison's runs, and the comparison itself, as they can be pasted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from bnexp.runs.record import RunRecord, Scalar
from bnexp.wording import command_to_paste

if TYPE_CHECKING:
    from bnexp.analysis.results import Comparison


def train_command(environment: Mapping[str, Scalar]) -> str | None:
    """Returns the command line that began a run, or None if it was not recorded."""
    words: list[str] = []
    while (key := f"command.{len(words)}") in environment:
        words.append(str(environment[key]))
    return command_to_paste(words) if words else None


def compare_command(comparisons: Sequence[Comparison], records: Sequence[RunRecord]) -> str:
    """Returns the command that compares the same runs in the same way."""
    folders = list(dict.fromkeys(record.experiment_folder for record in records))
    roots = {folder.parent for folder in folders}
    words = ["bnexp", "compare"]
    if len(roots) == 1:
        root = str(roots.pop())
        words += [folder.name for folder in folders]
        words += [] if root == "runs" else ["--runs-dir", root]
    else:
        words += [str(folder) for folder in folders] or [comparisons[0].experiment]
    return command_to_paste([*words, *_options(comparisons)])


def _options(comparisons: Sequence[Comparison]) -> list[str]:
    first = comparisons[0]
    by = split_key(comparisons)
    asked = first.question
    # One table may stand for one value of --by: its conditions then hold that value.
    conditions = first.where if by is None else asked.where
    words = ["--metric", asked.metric, *(["--layers", asked.layers] if asked.layers else [])]
    for key, values in conditions.items():
        for value in values:
            words += ["--where", f"{key}={value}"]
    words += [] if by is None else ["--by", by]
    baseline = first.baseline if by is None else asked.baseline
    words += [] if baseline is None else ["--baseline", baseline]
    words += [] if asked.target is None else ["--target", repr(asked.target)]
    return words if asked.margin is None else [*words, "--margin", repr(asked.margin)]


def split_key(comparisons: Sequence[Comparison]) -> str | None:
    """Returns the key by whose values the runs were split into several comparisons."""
    keys = dict.fromkeys(key for comparison in comparisons for key in comparison.where)
    values = {key: {repr(comparison.where.get(key)) for comparison in comparisons} for key in keys}
    return next((key for key in keys if len(values[key]) == len(comparisons) > 1), None)
