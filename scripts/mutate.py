"""Which small mistakes the tests notice: random one-token mutants, each run against its tests.

    python scripts/mutate.py [--package norms]… [--count 60] [--seed 0] [--jobs 2] [--json FILE]

A mutant is the package with one comparison, operator, constant, condition, index, range or
return value changed. It runs in a copy of the tree, in a fork of a process that has imported
PyTorch, against the test files of its package (TESTS) that execute its line, the nearest first,
until one fails. If no test executes the line in its own process, all of them are asked. A mutant
that takes far longer than the tests do counts as noticed.

Before that, the tests must pass on the unchanged copy and fail on each package with a broken
module. Mutants that change no behaviour stand in equivalent_mutants.txt with the reason; they
are counted apart, and are no part of the score.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import json
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from types import CodeType
from typing import Any

import pytest
import torch
from coverage import Coverage
from scipy.stats import binomtest

ROOT = Path(__file__).resolve().parents[1]
EQUIVALENT = Path(__file__).with_name("equivalent_mutants.txt")
TESTS = {
    "analysis": [
        "tests/unit/analysis",
        "tests/properties/test_comparison_order.py",
        "tests/golden/test_comparison_table.py",
        "tests/unit/launch/test_changed_data.py",
        "tests/unit/reports",
    ],
    "norms": [
        "tests/unit/norms",
        "tests/contract/test_norms.py",
        "tests/unit/config/test_norm_checks.py",
        "tests/contract/test_parts.py",
    ],
    "training": [
        "tests/unit/training",
        "tests/unit/models/test_initialization.py",
        "tests/unit/launch",
    ],
    "data": [
        "tests/unit/data",
        "tests/contract/test_parts.py",
        "tests/integration/test_data_commands.py",
    ],
}
TABLE_STEP = 500
"""Of the mutants of a large table, one in so many is listed; else nothing but it would be drawn."""
FOR_CHECKERS = ("@dataclass(frozen=True", "if TYPE_CHECKING:")
"""Lines that change nothing that runs as long as the type checker has nothing to say."""
COMPARISONS: dict[type, tuple[type, ...]] = {
    ast.Lt: (ast.LtE, ast.Gt),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.Lt),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
OPERATORS: dict[type, type] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Div,
    ast.Mod: ast.FloorDiv,
    ast.Pow: ast.Mult,
    ast.BitOr: ast.BitAnd,
    ast.BitAnd: ast.BitOr,
    ast.And: ast.Or,
    ast.Or: ast.And,
}
NAMES = {"min": "max", "max": "min", "any": "all", "all": "any"}


@dataclass(frozen=True)
class Mutant:
    """One change of one file."""

    file: str
    line: int
    last_line: int
    function: str
    """Its dotted name in the file; empty for what stands outside of all functions."""
    text: str
    """The line, without its indentation."""
    old: str
    new: str
    source: bytes
    """The whole file, changed."""

    @property
    def key(self) -> str:
        """What finds it in the list of equivalent mutants, wherever its line moves."""
        return f"{self.file} {self.function or '-'}: {self.old} -> {self.new} in {self.text}"


@dataclass
class Outcome:
    """What became of a mutant."""

    mutant: Mutant
    end: str
    """noticed, timed out, survived or equivalent."""
    by: str = ""
    """The first test that failed."""


def list_variants(node: ast.AST) -> Iterator[ast.AST]:
    """Yields what one mistake makes of an expression or a statement."""
    match node:
        case ast.Compare(left, [operator, *others], comparators):
            for other in COMPARISONS[type(operator)]:
                yield ast.Compare(left, [other(), *others], comparators)
        case ast.BinOp(left, operator, right) if type(operator) in OPERATORS:
            yield ast.BinOp(left, OPERATORS[type(operator)](), right)
        case ast.AugAssign(target, operator, value) if type(operator) in OPERATORS:
            yield ast.AugAssign(target, OPERATORS[type(operator)](), value)
        case ast.BoolOp(operator, values):
            yield ast.BoolOp(OPERATORS[type(operator)](), values)
        case ast.UnaryOp(ast.Not() | ast.USub(), operand):
            yield operand
        case ast.Return(ast.expr() as value) if not is_none(value):
            yield ast.Return(ast.Constant(None))
        case ast.Constant() | ast.Name() | ast.Break() | ast.Continue():
            yield from list_replacements(node)


def list_replacements(node: ast.AST) -> Iterator[ast.AST]:
    """Yields other constants, names and jumps."""
    match node:
        case ast.Constant(bool() as value):
            yield ast.Constant(not value)
        case ast.Constant(int() | float() as value):
            yield ast.Constant(value + 1)
            yield ast.Constant(value * 2 if isinstance(value, float) and value else value - 1)
        case ast.Name(name) if name in NAMES:
            yield ast.Name(NAMES[name])
        case ast.Break():
            yield ast.Continue()
        case ast.Continue():
            yield ast.Break()


def list_roles(parent: ast.AST) -> Iterator[tuple[ast.expr, ast.expr]]:
    """Yields conditions, bounds and ranges, each with what a mistake makes of it."""
    match parent:
        case ast.If(test=test) | ast.While(test=test) | ast.IfExp(test=test):
            yield test, ast.UnaryOp(ast.Not(), test)
        case ast.comprehension(ifs=[test, *_]):
            yield test, ast.UnaryOp(ast.Not(), test)
        case ast.Subscript(slice=ast.Slice(lower, upper)):
            for bound in (lower, upper):
                if bound is not None and not isinstance(bound, ast.Constant):
                    yield bound, ast.BinOp(bound, ast.Add(), ast.Constant(1))
        case ast.Call(ast.Name("range"), arguments):
            for argument in arguments:
                yield argument, ast.BinOp(argument, ast.Add(), ast.Constant(1))


def is_none(node: ast.AST) -> bool:
    """Says whether an expression is None."""
    return isinstance(node, ast.Constant) and node.value is None


def walk(node: ast.AST, names: tuple[str, ...] = ()) -> Iterator[tuple[ast.AST, str, ast.AST]]:
    """Yields (node, its function, the node to put in its place); not for types and words."""
    for field, value in ast.iter_fields(node):
        for child in value if isinstance(value, list) else [value]:
            if not isinstance(child, ast.AST) or is_left_out(field, child):
                continue
            inner = names
            if isinstance(child, ast.FunctionDef | ast.ClassDef):
                inner = (*names, child.name)
            for variant in list_variants(child):
                yield child, ".".join(inner), variant
            for part, variant in list_roles(child):
                yield part, ".".join(inner), variant
            yield from walk(child, inner)


def is_left_out(field: str, child: ast.AST) -> bool:
    """Says whether a part is a type without bounds, or words for people."""
    is_type = field == "annotation" and "Annotated" not in ast.dump(child)
    return is_type or field == "returns" or isinstance(child, ast.JoinedStr)


def list_mutants(file: Path) -> list[Mutant]:
    """Returns every mutant of a file that compiles to other code."""
    text = file.read_text(encoding="utf-8")
    source = text.encode()
    starts = [0]
    for line in source.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    original = compile(text, str(file), "exec")
    found = {}
    tree = ast.parse(text)
    thinned, seen = find_tables(tree), 0
    for node, function, variant in walk(tree):
        if any(node.lineno in lines for lines in thinned):  # type: ignore[attr-defined]
            seen += 1
            if seen % TABLE_STEP:
                continue
        begin = starts[node.lineno - 1] + node.col_offset  # type: ignore[attr-defined]
        end = starts[node.end_lineno - 1] + node.end_col_offset  # type: ignore[attr-defined]
        new = ast.unparse(ast.fix_missing_locations(variant))
        bracketed = f"({new})" if isinstance(variant, ast.expr) else new
        changed = source[:begin] + bracketed.encode() + source[end:]
        try:
            compiled = compile(changed, str(file), "exec")
        except SyntaxError:
            continue
        if code_of(compiled) == code_of(original):
            continue
        name = str(file.relative_to(ROOT))
        old = ast.unparse(node)
        lines = (node.lineno, node.end_lineno)  # type: ignore[attr-defined]
        line = text.splitlines()[node.lineno - 1].strip()  # type: ignore[attr-defined]
        if line.startswith(FOR_CHECKERS):
            continue
        found[begin, end, new] = Mutant(name, *lines, function, line, old, new, changed)
    return list(found.values())


def find_tables(tree: ast.Module) -> list[range]:
    """Returns the lines of large tables: statements of over a thousand constants."""
    return [
        range(statement.lineno, (statement.end_lineno or statement.lineno) + 1)
        for statement in tree.body
        if isinstance(statement, ast.Assign | ast.AnnAssign)
        and sum(isinstance(node, ast.Constant) for node in ast.walk(statement)) > 1000
    ]


def code_of(code: CodeType) -> tuple[object, ...]:
    """Returns what a code object does, without its places in the file."""
    constants = [
        code_of(c) if isinstance(c, CodeType) else (type(c), repr(c)) for c in code.co_consts
    ]
    return (code.co_code, code.co_names, code.co_varnames, constants, code.co_exceptiontable)


class Watcher:
    """A pytest plugin: the nearest files first, the first failure noted, lines traced per file."""

    def __init__(self, files: list[str], coverage: Coverage | None = None) -> None:
        self.places = {file: place for place, file in enumerate(files)}
        self.coverage = coverage
        self.failed = ""
        self.file = ""

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Sorts the tests by the place of their file."""
        items.sort(key=lambda item: self.places.get(item.nodeid.partition("::")[0], 0))

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """Books the lines to the file of the test."""
        file = nodeid.partition("::")[0]
        if self.coverage is not None and file != self.file:
            self.file = file
            self.coverage.switch_context(file)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Notes the first test that fails."""
        if report.failed and not self.failed:
            self.failed = report.nodeid

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Notes a file that cannot be imported."""
        if report.failed and not self.failed:
            self.failed = report.nodeid


class Tree:
    """A copy of the sources and tests in which one file at a time is changed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("bnexp", "configs", "docs", "scripts", "tests"):
            skip = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / name, folder / name, ignore=skip)
        for path in ROOT.glob("[!.]*.*"):
            shutil.copy(path, folder)

    def change(self, file: str, source: bytes) -> None:
        """Writes a file, and forgets what Python compiled of it."""
        path = self.folder / file
        path.write_bytes(source)
        for compiled in (path.parent / "__pycache__").glob(f"{path.stem}.*.pyc"):
            compiled.unlink()

    def restore(self, file: str) -> None:
        """Puts a file back."""
        self.change(file, (ROOT / file).read_bytes())


class Job:
    """A run of pytest on a tree, in a fork of this process."""

    def __init__(
        self,
        tree: Tree,
        files: list[str],
        seconds: float,
        *,
        traced: str = "",
        all_of: bool = False,
    ) -> None:
        self.deadline = time.monotonic() + seconds
        self.report = tree.folder / "report.json"
        self.report.unlink(missing_ok=True)
        sys.stdout.flush()
        self.pid = os.fork()
        if self.pid:
            return
        code = 70
        try:
            os.setsid()
            self._run(tree, files, traced, all_of)
            code = 0
        finally:
            os._exit(code)

    def _run(self, tree: Tree, files: list[str], traced: str, all_of: bool) -> None:
        os.chdir(tree.folder)
        resource.setrlimit(resource.RLIMIT_DATA, (6 << 30, 6 << 30))
        sys.dont_write_bytecode = not all_of
        os.environ |= {"PYTHONPATH": str(tree.folder), "BNEXP_DATA": str(tree.folder / "cache")}
        if not all_of:
            os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
        sys.path[:] = [str(tree.folder), *(p for p in sys.path if p not in ("", str(ROOT)))]
        output = os.open(tree.folder / "output.txt", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(output, 1)
        os.dup2(output, 2)
        coverage = start_coverage(tree, traced) if traced else None
        watcher = Watcher(files, coverage)
        options = ["-q", "-p", "no:cacheprovider", "-p", "no:randomly", *([] if all_of else ["-x"])]
        code = int(pytest.main([*options, *files], plugins=[watcher]))
        lines: dict[str, dict[int, list[str]]] = {}
        if coverage is not None:
            coverage.stop()
            data = coverage.get_data()
            for file in data.measured_files():
                name = str(Path(file).relative_to(tree.folder))
                lines[name] = data.contexts_by_lineno(file)
        report = {"code": code, "by": watcher.failed, "lines": lines}
        self.report.write_text(json.dumps(report), encoding="utf-8")

    def poll(self) -> dict[str, Any] | None:
        """Returns the report once there is one; ends the job at its limit."""
        done, _ = os.waitpid(self.pid, os.WNOHANG)
        is_late = time.monotonic() > self.deadline
        if not done and not is_late:
            return None
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        if not done:
            os.waitpid(self.pid, 0)
            return {"code": 1, "by": "time limit"}
        if not self.report.exists():
            return {"code": 1, "by": "crash"}
        report: dict[str, Any] = json.loads(self.report.read_text(encoding="utf-8"))
        return report

    def wait(self) -> dict[str, Any]:
        """Returns the report at the end."""
        while (report := self.poll()) is None:
            time.sleep(0.05)
        return report


def start_coverage(tree: Tree, package: str) -> Coverage:
    """Starts tracing the lines of a package."""
    source = [str(tree.folder / "bnexp" / package)]
    started = Coverage(data_file=None, config_file=False, source=source)
    started.start()
    return started


def list_test_files(package: str) -> list[str]:
    """Returns the test files of a package, from the root."""
    files = []
    for name in TESTS[package]:
        path = ROOT / name
        found = [path] if path.suffix == ".py" else sorted(path.rglob("test_*.py"))
        files += [str(file.relative_to(ROOT)) for file in found]
    return files


class Package:
    """A package with its tests, the lines that each executes, and its mutants."""

    def __init__(self, name: str, tree: Tree) -> None:
        self.name = name
        self.files = list_test_files(name)
        began = time.monotonic()
        report = Job(tree, self.files, 1800, traced=name, all_of=True).wait()
        self.seconds = time.monotonic() - began
        if report["code"] != 0:
            output = (tree.folder / "output.txt").read_text(encoding="utf-8")
            raise SystemExit(f"{name}: the unchanged tree fails {report['by']}\n{output[-3000:]}")
        self.lines = {
            file: {int(line): set(tests) for line, tests in lines.items()}
            for file, lines in report["lines"].items()
        }
        file = max(self.lines, key=lambda file: len(self.lines[file]))
        broken = (ROOT / file).read_bytes() + b"\nraise RuntimeError('broken')\n"
        tree.change(file, broken)
        noticed = Job(tree, self.files, 600).wait()["code"]
        tree.restore(file)
        if noticed == 0:
            raise SystemExit(f"{name}: the tests do not notice that {file} cannot be imported")

    def find_tests(self, mutant: Mutant) -> list[str]:
        """Returns the files that execute a mutant's lines, the nearest first."""
        lines = self.lines.get(mutant.file, {})
        spans = range(mutant.line, mutant.last_line + 1)
        found = set().union(*(lines.get(line, set()) for line in spans))
        place = Path(mutant.file).relative_to("bnexp")
        # Lines that run at import, or only in processes that tests start, may concern any file.
        is_for_all = "" in found or not found
        files = [file for file in self.files if is_for_all or file in found]
        return sorted(files, key=lambda file: -count_common(Path(file), place))


def count_common(test: Path, module: Path) -> int:
    """Returns how near a test file is to a module: folders in common, and the name."""
    folders = sum(part in test.parts for part in module.parts[:-1])
    stem = test.stem.removeprefix("test_")
    return 2 * folders + (module.stem in stem or module.parent.name in stem)


def draw_mutants(name: str, count: int, source: random.Random) -> list[Mutant]:
    """Draws mutants of a package, all equally likely."""
    files = sorted((ROOT / "bnexp" / name).rglob("*.py"))
    mutants = [mutant for file in files for mutant in list_mutants(file)]
    return source.sample(mutants, min(count, len(mutants)))


def run_mutants(
    package: Package, mutants: list[Mutant], trees: list[Tree], show: Callable[[Outcome], None]
) -> None:
    """Runs the mutants of a package, one on each tree at a time."""
    waiting = mutants[::-1]
    free = list(trees)
    busy: list[tuple[Job, Tree, Mutant]] = []
    while waiting or busy:
        while free and waiting:
            mutant = waiting.pop()
            files = package.find_tests(mutant)
            tree = free.pop()
            tree.change(mutant.file, mutant.source)
            busy.append((Job(tree, files, 60 + 4 * package.seconds), tree, mutant))
        for entry in list(busy):
            job, tree, mutant = entry
            report = job.poll()
            if report is None:
                continue
            busy.remove(entry)
            tree.restore(mutant.file)
            free.append(tree)
            end = "noticed" if report["code"] else "survived"
            if report["by"] == "time limit":
                end = "timed out"
            show(Outcome(mutant, end, report["by"]))
        time.sleep(0.02)


def read_equivalent() -> dict[str, str]:
    """Returns the reasons for which listed mutants change no behaviour."""
    reasons = {}
    for line in EQUIVALENT.read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            key, _, reason = line.partition("  # ")
            reasons[key] = reason
    return reasons


def summarize(name: str, outcomes: list[Outcome]) -> dict[str, Any]:
    """Returns a package's counts and score with its interval."""
    ends = Counter(outcome.end for outcome in outcomes)
    noticed = ends["noticed"] + ends["timed out"]
    changing = len(outcomes) - ends["equivalent"]
    interval = binomtest(noticed, changing).proportion_ci(method="wilson")
    return {
        "package": name,
        "mutants": len(outcomes),
        **ends,
        "score": noticed / changing if changing else None,
        "interval": [round(float(end), 3) for end in interval],
    }


def main() -> None:
    """Draws, runs and counts mutants."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--package", action="append", choices=sorted(TESTS))
    parser.add_argument("--count", type=int, default=60, help="mutants per package")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"  # also in what the tests start
    torch.set_num_threads(1)
    names = options.package or list(TESTS)
    equivalent = read_equivalent()
    outcomes: dict[str, list[Outcome]] = {name: [] for name in names}

    def show(outcome: Outcome) -> None:
        mutant = outcome.mutant
        if outcome.end == "survived" and mutant.key in equivalent:
            outcome.end = "equivalent"
        outcomes[mutant.file.split("/")[1]].append(outcome)
        if outcome.end == "survived":
            print(f"survived {mutant.file}:{mutant.line}\n    {mutant.key}", flush=True)

    with tempfile.TemporaryDirectory() as folder:
        trees = [Tree(Path(folder) / str(number)) for number in range(options.jobs)]
        for name in names:
            package = Package(name, trees[0])
            print(f"{name}: the tests pass in {package.seconds:.0f} s", flush=True)
            drawn = draw_mutants(name, options.count, random.Random(f"{options.seed} {name}"))
            run_mutants(package, drawn, trees, show)
            print(json.dumps(summarize(name, outcomes[name])), flush=True)
    summaries = [summarize(name, outcomes[name]) for name in names]
    if options.json:
        details = [
            {**asdict(outcome), "mutant": outcome.mutant.key}
            for name in names
            for outcome in outcomes[name]
        ]
        found = {"packages": summaries, "mutants": details}
        options.json.write_text(json.dumps(found, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
