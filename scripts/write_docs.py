"""Writes config, norms, metrics, doctor, cli, studies and studies-gpu in docs/, as Markdown.

That is from the schema, from docstrings, from the commands, and from the studies' results.

python scripts/write_docs.py [--check]     with --check, only says whether they are up to date
"""

from __future__ import annotations

import inspect
import json
import os
import re
import subprocess
import sys
import typing
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined
from typer.main import get_command

from bnexp.cli.app import build_app
from bnexp.config.claim.config import ClaimConfig, ReductionConfig
from bnexp.config.experiment import ExperimentConfig
from bnexp.config.optim import OPTIMIZERS, SCHEDULES
from bnexp.config.sweep.config import LooksConfig, SweepConfig
from bnexp.config.sweep.tuning import TuneConfig
from bnexp.config.train import EvaluateConfig, TrainConfig
from bnexp.data import DATASETS
from bnexp.diagnostics import DIAGNOSTICS
from bnexp.doctor.registry import ROOMS, find_checks
from bnexp.models import MODELS
from bnexp.models.borrowed.own import OwnInitializationConfig, OwnNormsConfig
from bnexp.models.cnn.config import ConvLayer, DropoutLayer, PoolLayer
from bnexp.models.initialization import INITIALIZATIONS
from bnexp.models.layers import ScaledWSConv2d, WSConv2d
from bnexp.norms import NORMS, NormConfig, reference
from bnexp.parts import Part, keys_of, part_name
from bnexp.runs.record import Scalar
from bnexp.studies.report.build import build_report
from bnexp.studies.report.drawing import add_shown
from bnexp.studies.report.markdown import render_studies_markdown
from bnexp.studies.results_folder import ResultsFolder

DOCS = Path(__file__).parents[1] / "docs"
NORMS_TEMPLATE = Path(__file__).with_name("norms.md")
METRICS_TEMPLATE = Path(__file__).with_name("metrics.md")
DOCTOR_TEMPLATE = Path(__file__).with_name("doctor.md")
STUDIES = {"studies.md": "studies", "studies-gpu.md": "studies/gpu-jpeg"}
"""Pages with a report, and in docs/ the folders of its results; scripts/ has their templates."""
CONFIG_INTRODUCTION = """\
# The YAML file

`python scripts/write_docs.py` generates this page from the schema, so every default on it is the
one that bnexp uses.

Numbers and booleans are read as in YAML 1.2: `1e-3` is a number, `off` and `no` are texts.
An unknown key, a wrong type, a duplicate key, an alias or a tag is an error. All errors are
reported at once, as `file:line:column: key.path: reason`, before anything is written.

- `extends: base.yaml` (or a list of files) puts this file on top of others, key by key. If it
  gives a part another `name`, the options of the old part are dropped. The name of a config that
  comes with bnexp works too: `extends: quickstart`.
- `tiers: {smoke: {train: {epochs: 1}}, full: {sweep: {seeds: 10}}}` holds overlays, each put on top
  of the config as the config is put on top of what it extends. `--tier smoke` of `train`, `plan`,
  `show` and `compare` chooses one; its runs go to `runs/<name>.smoke/`, and that is their name for
  `tb`, `ls` and `rm`. Without `--tier` the config is as it stands. `-s` changes what the tier made.
  Mistakes in any tier are reported, whichever is chosen.
- Editors with YAML support explain and check a config as you write it if its first line is
  `# yaml-language-server: $schema=bnexp.schema.json` and that file lies beside it. `bnexp init`
  writes both; `bnexp schema` prints the schema, with installed plug-ins.
- `-s key=value` on the command line replaces a value: `-s model.norm.name=none`,
  `-s train.epochs=3`, `-s sweep.seeds=5`, `-s sweep=null`. Of two overrides of one key, the last
  counts; a key and one inside it refine each other. A key that the sweep sets cannot be
  overridden, nor one above or below it; change the sweep instead, e.g.
  `-s 'sweep.grid={model.norm.name: [none, group]}'`. An override that no cell keeps, e.g. an
  option of a norm that the sweep replaces, is an error.
- A mistake is reported where its key stands: in the file, or in the `-s` that sets it. If only
  some cells of a sweep have it, one of them is named: `(in cell norm=none and 2 others)`.
- A part that needs only its name has a short form: `norm: batch`.
- BN's `momentum` is the weight of the *new* batch, as in PyTorch. If a paper says 0.9 for the
  old value, write 0.1.
- `train_size` and `val_size` are stratified: each class is sampled in proportion to its share of
  the training set, to within one image. A class that would be left without any is an error. The
  images are the same for every seed and cell. Use validation images for selection and tuning, and
  test images for the report.
"""


def write_section(title: str, members: typing.Sequence[type[Part]], note: str = "") -> list[str]:
    """Returns a chapter: each config class with its docstring and a table of its fields."""
    lines = [f"## {title}", ""]
    if note:
        lines += [note, ""]
    for member in members:
        name = part_name(member)
        heading = f"`name: {name}`" if name else ""
        if heading:
            lines += [f"### {heading}", ""]
        lines += [read_summary(member), ""]
        lines += write_fields(member)
    return lines


def read_summary(member: type[Part]) -> str:
    """Returns a docstring, without the paragraphs under headings that a page of its own shows."""
    first = member.docstring_headings[:1]
    return inspect.cleandoc(member.__doc__ or "").partition(f"\n\n{first[0]}:" if first else "\0")[
        0
    ]


def write_fields(member: type[Part]) -> list[str]:
    """Returns the table of a class's fields."""
    rows = ["| key | type | default | meaning |", "|---|---|---|---|"]
    for key, field in keys_of(member).items():
        if key == "name" and part_name(member):
            continue
        kind = describe_type(field.annotation).replace("|", "\\|")
        meaning = " ".join((field.description or "").split())
        bounds = describe_bounds(field)
        rows.append(f"| `{key}` | {kind}{bounds} | {describe_default(field)} | {meaning} |")
    return [*rows, ""] if len(rows) > 2 else []


def describe_type(annotation: Any) -> str:  # noqa: ANN401 - a typing construct
    """Returns a type in the words of YAML."""
    simple = {int: "whole number", float: "number", str: "text", bool: "true/false"}
    if annotation in simple:
        return simple[annotation]
    if annotation is type(None):
        return "null"
    if annotation in (Any, Scalar):
        return "value"
    if isinstance(annotation, type) and issubclass(annotation, Part):
        return "section"
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Literal:
        return ", ".join(f"`{value}`" for value in arguments)
    if origin is tuple:
        return f"list of {describe_type(arguments[0])}"
    if origin is dict:
        return f"mapping of {describe_type(arguments[0])} to {describe_type(arguments[1])}"
    if origin is typing.Annotated:
        return describe_type(arguments[0])
    return " or ".join(dict.fromkeys(describe_type(argument) for argument in arguments))


def describe_bounds(field: FieldInfo) -> str:
    """Returns the bounds of a number: ` ≥ 1`."""
    signs = {"gt": ">", "ge": "≥", "lt": "<", "le": "≤"}
    bounds = [
        f"{sign} {getattr(constraint, name):g}"
        for constraint in field.metadata
        for name, sign in signs.items()
        if getattr(constraint, name, None) is not None
    ]
    return " " + ", ".join(bounds) if bounds else ""


def describe_default(field: FieldInfo) -> str:
    """Returns a default as YAML would write it."""
    if field.is_required():
        return "**required**"
    default = field.get_default(call_default_factory=True)
    return f"`{shorten(default)}`" if default is not PydanticUndefined else ""


def shorten(value: Any) -> str:  # noqa: ANN401 - any default
    """Returns a value in YAML's flow style, parts by their name or what is set."""
    if isinstance(value, Part):
        value = {"name": part_name(type(value)), **value.model_dump(exclude_unset=True)}
        value = {key: item for key, item in value.items() if item is not None}
        if set(value) == {"name"}:
            return str(value["name"])
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {shorten(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(shorten(item) for item in value) + "]"
    if value is None:
        return "null"
    return str(value).lower() if isinstance(value, bool) else str(value)


def write_config_page() -> str:
    """Returns docs/config.md."""
    lines = [CONFIG_INTRODUCTION]
    lines += write_section("The file", [ExperimentConfig])
    lines += write_section("`data`: the dataset", DATASETS)
    lines += write_section("`model`: the network", MODELS)
    lines += write_section("A layer of a `cnn`", [ConvLayer, PoolLayer, DropoutLayer])
    lines += write_section(
        "`model.initialization`: the first weights", [*INITIALIZATIONS, OwnInitializationConfig]
    )
    note = "Formulas, shapes and sources of all norms: [norms.md](norms.md)."
    lines += write_section("`norm`: the normalization layer", [*NORMS, OwnNormsConfig], note)
    lines += write_section("`optim`: the optimiser", OPTIMIZERS)
    lines += write_section("`optim.schedule`: the learning rate over time", SCHEDULES)
    lines += write_section("`train`: how long and on what", [TrainConfig])
    lines += write_section("`evaluate`: when, and what is kept", [EvaluateConfig])
    note = "Formulas, units, costs and sources of all of them: [metrics.md](metrics.md)."
    lines += write_section("`diagnostics`: what is measured inside", DIAGNOSTICS, note)
    lines += write_section("`sweep`: the variants", [SweepConfig])
    lines += write_section("`sweep.seeds`: as many as it takes", [LooksConfig])
    lines += write_section("`sweep.tune`: values that each cell chooses", [TuneConfig])
    lines += write_section("`claim`: what is predicted", [ClaimConfig])
    lines += write_section("`claim.reduction`: one number per seed", [ReductionConfig])
    return "\n".join(lines).rstrip() + "\n"


def write_norms_page() -> str:
    """Returns docs/norms.md: scripts/norms.md with a table and a section for each norm."""
    table, sections = describe_parts(NORMS, "##")
    parts = {
        "table": table,
        "norms": sections,
        "weight_standardization": write_headings(WSConv2d),
        "scaled_weight_standardization": write_headings(ScaledWSConv2d),
        "reference": Path(reference.__file__).read_text(encoding="utf-8"),
    }
    return fill_in(NORMS_TEMPLATE, parts)


def write_metrics_page() -> str:
    """Returns docs/metrics.md: scripts/metrics.md with a section for each diagnostic."""
    table, sections = describe_parts(DIAGNOSTICS, "###")
    return fill_in(METRICS_TEMPLATE, {"table": table, "diagnostics": sections})


def describe_parts(members: Sequence[type[Part]], level: str) -> tuple[str, str]:
    """Returns the rows of a table of parts, linked to the sections that follow."""
    rows, sections = [], []
    for member in members:
        name = part_name(member)
        summary = " ".join(inspect.cleandoc(member.__doc__ or "").partition("\n\n")[0].split())
        rows.append(f"| [`{name}`](#{name}) | {summary} |")
        sections.append(f"{level} `{name}`\n\n{write_headings(member)}")
    return "\n".join(rows), "\n\n".join(sections)


def fill_in(template: Path, parts: typing.Mapping[str, str]) -> str:
    """Returns a template with each `{{name}}` replaced by the part of that name."""
    page = template.read_text(encoding="utf-8")
    for name, text in parts.items():
        page = page.replace(f"{{{{{name}}}}}", text)
    return page


def write_doctor_page() -> str:
    """Returns docs/doctor.md: scripts/doctor.md with a table of the checks of each room."""
    tables = {room: ["| check | problem | cause | fix |", "|---|---|---|---|"] for room in ROOMS}
    for check in find_checks():
        tables[check.room].append(
            f"| `{check.name}` | {check.problem} | {check.cause} | {check.fix} |"
        )
    return fill_in(DOCTOR_TEMPLATE, {room: "\n".join(rows) for room, rows in tables.items()})


def write_headings(documented: type) -> str:
    """Returns a docstring with the headings of its kind of part, by default norms, in bold."""
    kind = documented if issubclass(documented, Part) else NormConfig
    headings = "|".join(kind.docstring_headings)
    doc = inspect.cleandoc(documented.__doc__ or "")
    return re.sub(rf"^({headings}):", r"**\1:**", doc, flags=re.MULTILINE)


def write_cli_page() -> str:
    """Returns docs/cli.md: the help of every command."""
    lines = ["# The commands", "", "`python scripts/write_docs.py` generates this page.", ""]
    lines += [
        "Results go to stdout, progress and errors to stderr. Exit codes: 0 success; 1 a failure,",
        "e.g. of a run; 2 wrong config or command line; 129, 130 or 143 interrupted by SIGHUP,",
        "Ctrl-C or SIGTERM. A diverged run is a result, not a failure.",
        "",
    ]
    commands = ["", *find_commands(get_command(build_app()))]
    for command, page in zip(commands, read_help(commands), strict=True):
        lines += [f"## `bnexp {command}`".replace(" `", " `").replace(" `\n", "`"), "", "```text"]
        lines += [page, "```", ""]
    return "\n".join(lines).rstrip().replace("`bnexp `", "`bnexp`") + "\n"


def find_commands(group: Any, above: str = "") -> Iterator[str]:  # noqa: ANN401 - typer's own
    """Yields the words of each command, and of each group before its commands."""
    for name, command in group.commands.items():
        words = f"{above}{name}"
        yield words
        if hasattr(command, "commands"):
            yield from find_commands(command, f"{words} ")


READ_HELP = """
import contextlib, io, json, sys
from bnexp.cli.app import main

pages = []
for words in json.load(sys.stdin):
    sys.argv = ["bnexp", *words, "--help"]
    with contextlib.redirect_stdout(io.StringIO()) as printed, contextlib.suppress(SystemExit):
        main()
    pages.append(printed.getvalue())
json.dump(pages, sys.stdout)
"""


def read_help(commands: Sequence[str]) -> list[str]:
    """Returns the help of each command, 100 columns wide, without colours."""
    environment = {**os.environ, "COLUMNS": "100", "TERMINAL_WIDTH": "100", "NO_COLOR": "1"}
    environment = {key: value for key, value in environment.items() if key != "FORCE_COLOR"}
    done = subprocess.run(
        [sys.executable, "-c", READ_HELP],
        input=json.dumps([command.split() for command in commands]),
        env={**environment, "TERM": "dumb"},
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    return [
        "\n".join(line.rstrip() for line in page.strip("\n").splitlines())
        for page in json.loads(done.stdout)
    ]


def write_studies_page(name: str) -> str:
    """Returns the page with the report on the studies whose results are in its folder."""
    folder = ResultsFolder(DOCS / STUDIES[name])
    report = add_shown(build_report(folder), folder, DOCS.parent / "runs", print)
    text = render_studies_markdown(report, Path(STUDIES[name]))
    return fill_in(Path(__file__).with_name(name), {"report": text})


def main() -> None:
    """Writes the pages, or says which are out of date and exits with 1."""
    pages = {
        "config.md": write_config_page(),
        "norms.md": write_norms_page(),
        "metrics.md": write_metrics_page(),
        "doctor.md": write_doctor_page(),
        "cli.md": write_cli_page(),
        **{name: write_studies_page(name) for name in STUDIES},
    }
    stale = [
        name
        for name, text in pages.items()
        if not (DOCS / name).exists() or (DOCS / name).read_text(encoding="utf-8") != text
    ]
    if "--check" in sys.argv:
        if stale:
            sys.exit(f"out of date: {', '.join(stale)}; run python scripts/write_docs.py")
        return
    for name in stale:
        (DOCS / name).write_text(pages[name], encoding="utf-8")
        print(f"written: docs/{name}")


if __name__ == "__main__":
    main()
