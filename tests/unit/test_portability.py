"""Nothing that only some systems have is used outside `bnexp.system`, and all text is UTF-8."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "bnexp"

POSIX_MODULES = {"fcntl", "grp", "posix", "pty", "pwd", "resource", "syslog", "termios", "tty"}
WINDOWS_SIGNALS = {"SIGABRT", "SIGFPE", "SIGILL", "SIGINT", "SIGSEGV", "SIGTERM"}
POSIX_NAMES = re.compile(
    r"os\.(fork\w*|set[a-z]*id|get[a-z]*id|killpg|wait\w*|nice|mkfifo|chown|fchmod|uname|statvfs"
    r"|sched_\w+|register_at_fork|WNOHANG|O_(?!RDONLY|WRONLY|RDWR|CREAT|EXCL|TRUNC|APPEND)\w+)"
    r"|signal\.(pthread_\w+|sig\w*wait\w*|alarm|setitimer|pause)"
)
EVERYWHERE = {"os.getpid", "os.getppid"}


def find_posix_only(tree):
    """Yields the line and name of what Windows lacks."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names if alias.name in POSIX_MODULES]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module] if node.module in POSIX_MODULES else []
        elif isinstance(node, ast.Attribute):
            name = ast.unparse(node)
            signal = name.removeprefix("signal.")
            is_signal = re.fullmatch(r"SIG[A-Z]+", signal) and signal not in WINDOWS_SIGNALS
            is_missing = POSIX_NAMES.fullmatch(name) and name not in EVERYWHERE
            names = [name] if is_signal or is_missing else []
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            names = [node.value] if re.match(r"/(proc|dev|sys)/", node.value) else []
        else:
            continue
        yield from ((node.lineno, name) for name in names)


def find_unnamed_encodings(tree):
    """Yields the line of each call that reads or writes text in the system's encoding."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        keywords = {word.arg: word.value for word in node.keywords}
        name = getattr(node.func, "attr", getattr(node.func, "id", ""))
        constants = [arg.value for arg in node.args if isinstance(arg, ast.Constant)]
        modes = [*constants, getattr(keywords.get("mode"), "value", None)]
        is_text = {
            "read_text": not node.args,
            "write_text": len(node.args) < 2,
            "open": any(isinstance(mode, str) and re.fullmatch("[rwaxt+]+", mode) for mode in modes)
            or not (node.args or keywords),
            "fdopen": not any(isinstance(mode, str) and "b" in mode for mode in modes),
        }.get(name, "text" in keywords and name in ("run", "Popen", "check_output"))
        if is_text and "encoding" not in keywords:
            yield node.lineno, ast.unparse(node)


def read(path):
    return ast.parse(path.read_text("utf-8"))


def test_what_only_some_systems_have_is_used_in_one_place():
    paths = {*PACKAGE.rglob("*.py")} - {PACKAGE / "system.py"}
    assert [(path, *found) for path in paths for found in find_posix_only(read(path))] == []


def test_text_is_read_and_written_as_utf_8():
    paths = [*PACKAGE.rglob("*.py"), *(ROOT / "scripts").rglob("*.py")]
    assert [(path, *found) for path in paths for found in find_unnamed_encodings(read(path))] == []


@pytest.mark.parametrize(
    "code",
    [
        "import resource",
        "from fcntl import flock",
        "signal.SIGHUP",
        "signal.pthread_sigmask",
        "os.fork()",
        "os.sched_getaffinity(0)",
        "os.open(path, os.O_NOFOLLOW)",
        "Path('/proc/self/status')",
    ],
)
def test_what_only_some_systems_have_is_found(code):
    assert [*find_posix_only(ast.parse(code))]


@pytest.mark.parametrize(
    "code",
    [
        "path.read_text()",
        "path.write_text(text)",
        "path.open()",
        "path.open('a')",
        "open(path, mode='w')",
        "os.fdopen(handle, 'w')",
        "subprocess.run(words, text=True)",
    ],
)
def test_text_without_an_encoding_is_found(code):
    assert [*find_unnamed_encodings(ast.parse(code))]
