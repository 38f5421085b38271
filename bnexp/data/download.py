"""A file from the web through torchvision, whose failures become one plain reason."""

from __future__ import annotations

import contextlib
import errno
import io
import socket
import sys
from collections.abc import Callable, Iterator
from http.client import HTTPException
from pathlib import Path
from urllib.error import HTTPError, URLError

from bnexp.errors import DataError
from bnexp.packages import describe_torchvision_mismatch

TIMEOUT_SECONDS = 30.0
"""A server that sends nothing for this long is given up."""

_STORAGE = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EFBIG}


class UnreachableError(DataError):
    """A URL cannot be downloaded; the message is the reason alone."""


def download_file(url: str, path: Path) -> None:
    """Downloads `url` to `path`, with a bar on stderr if that is a terminal.

    What arrives is not checked: a connection that breaks can leave a shorter file.

    Raises:
        UnreachableError: The URL is not an http or https address, or does not answer, or not in
            time, or not with the file.
        OSError: The file cannot be written.
        DataError: The installed torchvision does not work with the installed torch.
    """
    if not url.lower().startswith(("http://", "https://")):
        raise UnreachableError("only http and https addresses are downloaded")
    download_url = _import_download_url()
    try:
        with _socket_timeout(TIMEOUT_SECONDS), _bar_on_terminals_only():
            download_url(url, str(path.parent), path.name)
    except (OSError, HTTPException, ValueError, RuntimeError) as error:
        if isinstance(error, OSError) and error.errno in _STORAGE:
            raise
        if isinstance(error, HTTPError):
            error.close()
        raise UnreachableError(_reason(error)) from error


def _import_download_url() -> Callable[[str, str, str], None]:
    try:
        from torchvision.datasets.utils import download_url
    except (ImportError, RuntimeError, OSError, AttributeError) as error:
        raise DataError(
            f"{describe_torchvision_mismatch(error)}; or get the archive elsewhere and run "
            "`bnexp data import PATH`, which needs no torchvision"
        ) from error
    return download_url  # type: ignore[no-any-return]


@contextlib.contextmanager
def _socket_timeout(seconds: float) -> Iterator[None]:
    # torchvision passes no timeout on; the default is the only way to give it one.
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


@contextlib.contextmanager
def _bar_on_terminals_only() -> Iterator[None]:
    if sys.stderr.isatty():
        yield
        return
    # Thousands of redrawn bars would fill a log file.
    with contextlib.redirect_stderr(io.StringIO()):
        yield


def _reason(error: Exception) -> str:
    if isinstance(error, HTTPError):
        return f"the server answers {error.code} {error.reason}"
    if isinstance(error, URLError):
        return _reason(error.reason) if isinstance(error.reason, Exception) else str(error.reason)
    if isinstance(error, TimeoutError):
        return f"no answer within {TIMEOUT_SECONDS:g} seconds"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__
