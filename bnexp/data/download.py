"""A file from the web; whatever goes wrong on the way becomes one plain reason."""

from __future__ import annotations

import errno
import shutil
import sys
from http.client import HTTPException
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

from rich.progress import wrap_file

from bnexp.console import VisibleConsole
from bnexp.errors import DataError

TIMEOUT_SECONDS = 30.0
"""A server that sends nothing for this long is given up."""

_STORAGE = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EFBIG}


class UnreachableError(DataError):
    """A URL cannot be downloaded; the message is only the reason."""


def download_file(url: str, path: Path) -> None:
    """Downloads `url` to `path`, with a bar on stderr if that is a terminal.

    What arrives is not checked: a connection that breaks can leave a shorter file.

    Raises:
        UnreachableError: The URL is not an http or https address, or does not answer, or not in
            time, or not with the file.
        OSError: The file cannot be written.
    """
    if not url.lower().startswith(("http://", "https://")):
        raise UnreachableError("only http and https addresses are downloaded")
    try:
        with urlopen(url, timeout=TIMEOUT_SECONDS) as answer, path.open("wb") as file:
            bar = wrap_file(
                answer,
                int(answer.headers.get("Content-Length") or 0),
                description="downloading",
                console=VisibleConsole(stderr=True),
                transient=True,
                disable=not sys.stderr.isatty(),
            )
            with bar as content:
                shutil.copyfileobj(content, file)
    except (OSError, HTTPException, ValueError) as error:
        if isinstance(error, OSError) and error.errno in _STORAGE:
            raise
        if isinstance(error, HTTPError):
            error.close()
        raise UnreachableError(_reason(error)) from error


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
