"""Downloading a file: what is said if no file comes, and what is left on the screen."""

import io
import socket
import threading
from contextlib import contextmanager

import pytest

from bnexp.data.download import UnreachableError, download_file


@contextmanager
def answering(answer):
    """Serves these bytes to whoever asks for anything, and then hangs up."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve():
            connection, _ = server.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}/file"
        thread.join()


def reason_of(url, path):
    with pytest.raises(UnreachableError) as caught:
        download_file(url, path)
    return str(caught.value)


def test_a_server_that_hangs_up_is_described_by_its_own_words(tmp_path):
    with answering(b"") as url:
        reason = reason_of(url, tmp_path / "file")
    assert reason == "Remote end closed connection without response"


def test_a_server_that_nobody_runs_is_described_in_the_systems_words(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    assert reason_of(f"http://127.0.0.1:{port}/file", tmp_path / "file") == "Connection refused"


def test_the_bar_is_gone_from_a_terminal_when_the_file_has_come(tmp_path, monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    screen = Terminal()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr("sys.stderr", screen)
    with answering(b"HTTP/1.0 200 OK\r\nContent-Length: 4\r\n\r\nfile") as url:
        download_file(url, tmp_path / "file")

    assert (tmp_path / "file").read_bytes() == b"file"
    shown = screen.getvalue()
    assert "downloading" in shown
    assert shown.rpartition("downloading")[2].endswith("\x1b[1A\x1b[2K")
