"""`bnexp show`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import RenderableType

from bnexp.cli.names import (
    TierOption,
    add_tier,
    complete_config_or_experiment,
    find_named_config,
)
from bnexp.cli.options import JsonOption, RunsDirOption, SetOption, TrustOption
from bnexp.cli.output import echo, print_json, print_table, say, warn
from bnexp.console import FoldedName
from bnexp.errors import UsageError, did_you_mean
from bnexp.wording import LOADING, count, format_speed

if TYPE_CHECKING:
    from bnexp.config.load import RunSpec
    from bnexp.data.dataset import DatasetFacts
    from bnexp.models.summary import LayerSummary, NetworkSummary
    from bnexp.runs import RunRecord


def show(
    target: Annotated[
        str,
        typer.Argument(
            metavar="CONFIG_OR_RUN",
            help="A YAML file, or a run: NAME/CELL/seed=N, NAME, or a folder; or a config that "
            "comes with bnexp, if there are no runs of that name.",
            autocompletion=complete_config_or_experiment,
        ),
    ],
    settings: SetOption = None,
    tier: TierOption = None,
    cell: Annotated[
        str | None,
        typer.Option(metavar="CELL", help="The cell of a sweep to show. [default: the first]"),
    ] = None,
    is_network: Annotated[
        bool,
        typer.Option("--network", help="Show a run's network. A config's network is always shown."),
    ] = False,
    runs_dir: RunsDirOption = Path("runs"),
    is_trusted: TrustOption = False,
    is_json: JsonOption = False,
) -> None:
    """Show a config's network, or a run: its state, its results, and how to continue.

    A network is shown with its layers, where the norm sits, and what they cost. Parameters
    counts trainable values. FLOPs are those of one image's forward pass through convolutions and
    linear layers; a multiply-add counts as two.

    Example: `bnexp show quickstart --network`
    """
    run = add_tier(target, tier, runs_dir)
    config = find_named_config(target, run, runs_dir)
    if not (is_network or settings or config):
        from bnexp.cli.runs.show_run import show_run

        show_run(_find_record(run, cell, runs_dir), runs_dir, is_json)
        return
    if config:
        spec = _read_spec(config, settings or [], tier, cell, is_json)
    else:
        from bnexp.config.load import restore_spec

        spec = restore_spec(_find_record(run, cell, runs_dir), settings or [])
    if "torch" not in sys.modules:
        say(LOADING)
    from bnexp.models.file.trust import trusting_files

    facts = _find_facts(spec)
    with trusting_files(is_trusted):
        summary = _summarize(spec, facts)
    if is_json:
        print_json(_describe(spec, facts, summary))
        return
    _print(spec, facts, summary)


def _find_record(target: str, cell: str | None, runs_dir: Path) -> RunRecord:
    """Returns the run that is named, or the first one of its cell or experiment."""
    from bnexp.runs import read_experiments

    records = read_experiments([target], runs_dir)
    chosen = _choose(cell, tuple(dict.fromkeys(record.cell for record in records)))
    record = next(record for record in records if record.cell == chosen)
    if len(records) > 1:
        say(f"the first of {len(records)} runs; bnexp ls {target} lists them")
    return record


def _read_spec(
    config: Path, settings: Sequence[str], tier: str | None, cell: str | None, is_quiet: bool
) -> RunSpec:
    """Returns the first run of the cell, from a config file."""
    from bnexp.config.load import load_experiment

    experiment = load_experiment(config, settings, tier)
    chosen = _choose(cell, experiment.cells)
    if cell is None and len(experiment.cells) > 1 and not is_quiet:
        say(f"the first of {len(experiment.cells)} cells; --cell CELL shows another")
    return next(run for run in experiment.runs if run.cell == chosen)


def _choose(cell: str | None, cells: Sequence[str]) -> str:
    if cell is None:
        return cells[0]
    if cell not in cells:
        hint = did_you_mean(cell, cells) or f"; there are {', '.join(cells)}"
        raise UsageError(f"no cell '{cell}'{hint}")
    return cell


def _find_facts(spec: RunSpec) -> DatasetFacts:
    """Returns image shape and classes, loading the dataset only if the config is not enough."""
    data = spec.config.data
    if known := data.facts():
        return known
    from bnexp.training.setup import find_facts

    return find_facts(data.load(say))


def _summarize(spec: RunSpec, facts: DatasetFacts) -> NetworkSummary:
    from bnexp.models.summary import summarize_network
    from bnexp.training.optimization.trainable import choose_trained
    from bnexp.training.setup import check_against_facts

    for warning in check_against_facts(spec.config, facts):
        warn(warning)
    model = spec.config.model
    sites = model.find_norm_sites(facts.image_shape, facts.num_classes)
    network = model.build(facts.image_shape, facts.num_classes)
    trained = choose_trained(network, spec.config.train, sites).count()
    return replace(summarize_network(network, sites, facts.image_shape), trained=trained)


def _describe(spec: RunSpec, facts: DatasetFacts, summary: NetworkSummary) -> dict[str, Any]:
    return {
        "experiment": spec.config.name,
        "cell": spec.cell,
        "model": spec.config.model.name,
        "norm": spec.config.model.norm.name,
        "image_shape": list(facts.image_shape),
        "num_classes": facts.num_classes,
        "parameters": summary.parameters,
        "trained_parameters": summary.trained,
        "norm_parameters": summary.norm_parameters,
        "flops": summary.flops,
        "biases_left_out": list(summary.biases_left_out),
        "layers": [asdict(layer) for layer in summary.layers],
    }


def _print(spec: RunSpec, facts: DatasetFacts, summary: NetworkSummary) -> None:
    height, width, channels = facts.image_shape
    model = spec.config.model
    title = f"{spec.config.name}, {spec.cell}: {model.name} on {width}×{height}×{channels}"
    numbers = ("parameters", "MFLOPs")
    total = ("all", "", "", "", "", f"{summary.parameters:,}", _write_flops(summary.flops))
    rows = [*map(_as_row, summary.layers), total]
    print_table(("layer", "kind", "output", "norm", "bias", *numbers), rows, numbers, title)
    for line in _conclude(summary, model.norm.name):
        echo(line, len("norm:   "))


def _as_row(layer: LayerSummary) -> tuple[RenderableType, ...]:
    bias = {None: "", True: "yes", False: "no"}[layer.has_bias]
    return (
        FoldedName(layer.name),
        FoldedName(layer.kind),
        "×".join(str(size) for size in layer.output_shape),
        "●" if layer.is_norm else "",
        bias,
        f"{layer.parameters:,}" if layer.parameters else "",
        _write_flops(layer.flops) if layer.flops else "",
    )


def _write_flops(flops: int) -> str:
    return format_speed(flops / 1e6)


def _conclude(summary: NetworkSummary, norm: str) -> list[str]:
    partly = summary.trained not in (None, summary.parameters)
    norms = sum(layer.is_norm for layer in summary.layers)
    weighted = sum(layer.has_bias is not None for layer in summary.layers)
    return [
        f"norm:   {norm}, {count(norms, 'layer')} with "
        f"{count(summary.norm_parameters, 'parameter')}",
        f"biases: left out of {len(summary.biases_left_out)} of {weighted} convolutions and "
        "linear layers",
        *[f"trained: {summary.trained:,} of {count(summary.parameters, 'parameter')}"] * partly,
        f"FLOPs:  {_write_flops(summary.flops)} million per image, forward pass through "
        "convolutions and linear layers; a multiply-add counts as two",
    ]
