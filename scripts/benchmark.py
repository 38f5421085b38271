"""Measures bnexp: speed next to what people use, what each part costs, seconds to a verdict.

    python scripts/benchmark.py              # training: next to what people use, and the floor
    python scripts/benchmark.py SUBJECT --help

`--json FILE` keeps every figure; `--into docs/performance.md` rewrites the page's section. Absolute
figures vary from machine to machine and from hour to hour; quote the ratios. Exits with 1 if the
figures cannot be believed.
"""

from __future__ import annotations

import argparse
import json
import sys
from importlib import import_module
from pathlib import Path

from benchmarks.report import (
    BenchmarkError,
    describe_command,
    describe_machine,
    describe_versions,
    write_section,
)

SUBJECTS = (
    "training",
    "verdict",
    "steps",
    "norms",
    "diagnostics",
    "limit",
    "startup",
    "reading",
    "memory_format",
    "compiling",
)


def main() -> None:
    """Measures a subject, and prints its tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    subjects = parser.add_subparsers(dest="subject")
    for name in SUBJECTS:
        module = import_module(f"benchmarks.{name}")
        text = module.__doc__ or ""
        own = subjects.add_parser(
            name,
            help=text.partition("\n")[0],
            description=text,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        own.add_argument("--json", type=Path, metavar="FILE")
        own.add_argument("--into", type=Path, metavar="PAGE", help="rewrites its section")
        own.add_argument(
            "--data", type=Path, metavar="FOLDER", help="of real pictures; else shapes"
        )
        own.add_argument(
            "--seed", type=int, default=0, help="of the order in which sides take turns"
        )
        module.add_arguments(own)
        own.set_defaults(measure=module.measure)
    arguments = sys.argv[1:]
    if not arguments or arguments[0] not in (*SUBJECTS, "-h", "--help"):
        arguments = [SUBJECTS[0], *arguments]
    options = parser.parse_args(arguments)
    options.say = lambda line: print(line, file=sys.stderr, flush=True)
    try:
        report = options.measure(options)
        text = report.to_markdown()
        print(text)
        if options.json:
            origin = {
                "command": describe_command(),
                "machine": describe_machine(),
                "versions": describe_versions(),
            }
            figures = json.dumps({**report.figures, **origin}, indent=2, ensure_ascii=False)
            options.json.write_text(figures + "\n", encoding="utf-8")
        if report.problems:
            raise BenchmarkError("\n".join(report.problems))
        if options.into:
            write_section(options.into, options.subject, text)
    except BenchmarkError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
