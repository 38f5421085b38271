"""The house stays in order: imports go one way, and light commands stay light."""

import ast
import json
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "bnexp"

LAYERS = [
    {"cli"},
    {"api"},
    {"doctor", "studies"},
    {"launch", "reports", "trained"},
    {"training", "analysis"},
    {"config"},
    {"diagnostics", "models", "data"},
    {"norms"},
    {"runs"},
    {
        "console",
        "errors",
        "familiar_names",
        "foreign_text",
        "locks",
        "files",
        "parts",
        "seeding",
        "system",
        "version",
        "wording",
    },
]
"""Top to bottom; a module imports from its own package and from layers below it."""

PURE = {"numpy", "torch", "torchvision", "tensorboard", "json", "bnexp.runs.reading"}
"""What bnexp.analysis must not import: it takes records and gives comparisons."""


@cache
def read_nodes(path):
    return list(ast.walk(ast.parse(path.read_text())))


def read_imports(path):
    """Yields every module that a file imports, at module level or inside functions."""
    for node in read_nodes(path):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield node.module


def package_of(module):
    parts = module.split(".")
    return parts[1] if parts[0] == "bnexp" and len(parts) > 1 else None


def level_of(package):
    return next(level for level, packages in enumerate(LAYERS) if package in packages)


MODULES = sorted(path for path in PACKAGE.rglob("*.py") if path.parent != PACKAGE)


def test_imports_go_one_way():
    wrong = set()
    for path in MODULES:
        own = path.relative_to(PACKAGE).parts[0]
        imported = {package_of(module) for module in read_imports(path)} - {None, own}
        wrong |= {(path, found) for found in imported if level_of(found) <= level_of(own)}

    assert wrong == set()


def name_of(path):
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def read_graph():
    """Returns the modules of bnexp that each module imports, at any level of its code."""
    paths = {name_of(path): path for path in PACKAGE.rglob("*.py")}
    graph = {}
    for name, path in paths.items():
        graph[name] = set()
        for node in read_nodes(path):
            if isinstance(node, ast.Import):
                found = {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                # `from package import module` imports the module, not what the package holds.
                inner = {f"{node.module}.{alias.name}" for alias in node.names}
                found = {one if one in paths else node.module for one in inner}
            else:
                continue
            graph[name] |= found & paths.keys()
    return graph


def find_circle(graph):
    """Returns the nodes of some circle in the order of their imports, or an empty list."""
    finished = set()

    def visit(node, trail):
        if node in trail:
            return [*trail[trail.index(node) :], node]
        if node in finished:
            return []
        for target in sorted(graph.get(node, ())):
            if circle := visit(target, [*trail, node]):
                return circle
        finished.add(node)
        return []

    return next(filter(None, (visit(node, []) for node in sorted(graph))), [])


def fold(graph, depth):
    """Returns the graph between packages `depth` levels deep, each with all that it holds."""
    folded = {}
    for name, targets in graph.items():
        own, *others = (".".join(one.split(".")[:depth]) for one in (name, *sorted(targets)))
        folded.setdefault(own, set()).update(set(others) - {own})
    return folded


@pytest.mark.parametrize("depth", [2, 3, 4], ids=["rooms", "folders", "modules"])
def test_no_imports_go_in_a_circle(depth):
    assert find_circle(fold(read_graph(), depth)) == []


def test_a_circle_is_found():
    graph = {"a": {"b"}, "b": {"c", "d"}, "c": set(), "d": {"b"}}

    assert find_circle(graph) == ["b", "d", "b"]


def test_the_analysis_is_pure():
    imported = {
        module for path in (PACKAGE / "analysis").rglob("*.py") for module in read_imports(path)
    }

    assert imported & PURE == set()


LIGHT_COMMANDS = [
    ["--help"],
    ["train", "--help"],
    ["plan", "configs/quickstart.yaml"],
    ["init"],
    ["schema"],
    ["ls"],
    ["compare", "--help"],
    ["compare", "nothing-here"],
    ["tb", "--help"],
    ["show", "--help"],
    ["show", "nothing-here"],
    ["rm", "--help"],
    ["rm", "nothing-here"],
    ["data", "--help"],
    ["doctor", "--help"],
    ["doctor", "nothing-here"],
    ["study", "--help"],
    ["study", "list"],
    ["study", "nothing-here"],
]


def test_light_commands_do_not_import_the_heavy_libraries():
    code = (
        "import json, sys\n"
        "from bnexp.cli.app import main\n"
        "for arguments in json.load(sys.stdin):\n"
        "    sys.argv = ['bnexp', *arguments]\n"
        "    try:\n"
        "        main()\n"
        "    except SystemExit:\n"
        "        pass\n"
        "    heavy = {'torch', 'torchvision', 'matplotlib', 'tensorboard'} & set(sys.modules)\n"
        "    assert not heavy, (arguments, heavy)\n"
    )

    done = subprocess.run(
        [sys.executable, "-c", code],
        input=json.dumps(LIGHT_COMMANDS),
        capture_output=True,
        text=True,
        cwd=PACKAGE.parent,
    )

    assert done.returncode == 0, done.stderr


def test_help_pages_import_no_library_but_the_command_lines():
    code = (
        "import sys\n"
        "from bnexp.cli.app import main\n"
        "try:\n"
        "    main()\n"
        "except SystemExit:\n"
        "    pass\n"
        "assert not {'pydantic_core', 'numpy', 'yaml', 'filelock'} & set(sys.modules)\n"
    )

    done = subprocess.run(
        [sys.executable, "-c", code, "--help"], capture_output=True, text=True, cwd=PACKAGE.parent
    )

    assert done.returncode == 0, done.stderr


DOORS = {
    "print": {"cli/runs/ls.py"},
    "echo": {"cli/output.py"},
    "secho": set(),
    "Console": set(),
    "Markup": {"reports/html/charts.py", "reports/html/page.py"},
    "open_console": {"cli/experiments/doctor.py", "cli/output.py", "reports/terminal.py"},
}
"""What shows text to people, and the modules that may call it: there it is made visible.

A console is a `VisibleConsole`; `echo` is Typer's. All else is shown with `say`, `echo`, `write`
and `print_line`.
"""


def find_calls(path):
    """Yields the names of what a file calls, but for the door called `echo` itself."""
    calls = (node for node in read_nodes(path) if isinstance(node, ast.Call))
    for called in (call.func for call in calls):
        if isinstance(called, ast.Name) and called.id != "echo":
            yield called.id
        elif isinstance(called, ast.Attribute) and ast.unparse(called.value) in ("typer", "click"):
            yield called.attr


def test_what_people_read_goes_through_the_doors():
    found = {name: set() for name in DOORS}
    for path in PACKAGE.rglob("*.py"):
        for name in find_calls(path):
            if name in found:
                found[name].add(path.relative_to(PACKAGE).as_posix())

    assert found == DOORS


def test_no_stream_and_no_markup_goes_around_the_doors():
    for path in PACKAGE.rglob("*.py"):
        text = path.read_text()
        assert "stdout.write" not in text, path
        assert "stderr.write" not in text, path
        assert "console.file.write" not in text or path.name == "terminal.py", path
    for path in (PACKAGE / "reports" / "html").glob("*.html"):
        assert "|safe" not in path.read_text(), path


OWN_FILES = {
    "bnexp.config.shipped", "bnexp.config.whole", "bnexp.config.yaml.reader",
    "bnexp.familiar_names", "bnexp.files",
    "bnexp.runs.environment", "bnexp.training.machine.conditions", "bnexp.training.machine.device",
    "bnexp.reports.tensorboard.serve",
}  # fmt: skip
"""Modules that read our own files, the system's, or a config that the user names."""


def test_files_of_runs_are_read_by_one_function():
    called = {
        (path, node.func.attr)
        for path in MODULES
        # A dataset's files are verified by their own rules.
        if name_of(path) not in OWN_FILES and package_of(name_of(path)) != "data"
        for node in read_nodes(path)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
    }
    reading = {"read_text", "read_bytes", "readall", "fdopen"}
    assert {(path, name) for path, name in called if name in reading} == set()


WRITERS = {
    "files.py",
    "cli/app.py", "launch/screen/output.py", "system.py",  # the system's null device and pipes
    "runs/streams/tensorboard.py",  # a new file, or none
    "reports/tensorboard/report.py", "reports/tensorboard/serve.py",  # new folders of their own
}  # fmt: skip
"""Modules that open files to write to; all others leave it to `files.py`, which follows no link."""


def is_writing(call):
    """Returns whether a call opens a file to write to it, or may."""
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    if name in ("write_text", "write_bytes"):
        return True
    if name != "open":
        return False
    modes = [one.value for one in call.args if isinstance(one, ast.Constant)]
    is_system = ast.unparse(call.func) == "os.open"
    return is_system or any(isinstance(mode, str) and set(mode) & set("wax+") for mode in modes)


def test_files_are_written_through_one_door():
    found = {
        path.relative_to(PACKAGE).as_posix()
        for path in PACKAGE.rglob("*.py")
        # A dataset's files are downloaded and verified by their own rules.
        if path.relative_to(PACKAGE).parts[0] != "data"
        for node in read_nodes(path)
        if isinstance(node, ast.Call) and is_writing(node)
    }
    assert found <= WRITERS, found - WRITERS
