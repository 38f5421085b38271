"""Whether the Python file of a model may be run: `train` does so unasked, all else if told to."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, redirect_stdout
from contextvars import ContextVar

from bnexp.errors import UsageError

_IS_TRUSTED = ContextVar("_IS_TRUSTED", default=False)


@contextmanager
def trusting_files(is_trusted: bool = True) -> Iterator[None]:
    """Lets the files of models be run inside the block, or the function that it decorates.

    What they print goes to stderr: stdout is for the results of a command.
    """
    token = _IS_TRUSTED.set(is_trusted)
    try:
        with redirect_stdout(sys.stderr) if is_trusted else nullcontext():
            yield
    finally:
        _IS_TRUSTED.reset(token)


def refuse_untrusted(file: str) -> None:
    """Does nothing inside of `trusting_files`.

    Raises:
        UsageError: Nobody said that a model's file may be run.
    """
    if not _IS_TRUSTED.get():
        raise UsageError(
            f"{file} is Python code, which only bnexp train runs unasked; read it, and if you "
            "trust it, add --trust (in Python: load_model(run, trust=True))"
        )
