"""Downloading CIFAR-10 from a server on this machine, and what is said where none is reached."""

import dataclasses
import io
import socket
import subprocess
import sys
import time

import pytest
from cifar10_files import PER_BATCH, write_archive
from cifar10_server import Server

from bnexp.data import download
from bnexp.data.array_cache import forget_loaded
from bnexp.data.cifar10.config import Cifar10Config
from bnexp.errors import DataError
from bnexp.wording import format_bytes


@pytest.fixture
def server():
    served = Server()
    yield served
    served.close()


@pytest.fixture
def home(tmp_path, monkeypatch):
    """The data folder, still to be made."""
    monkeypatch.setenv("BNEXP_DATA", str(tmp_path / "home"))
    monkeypatch.delenv("BNEXP_CIFAR10_URL", raising=False)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    return tmp_path / "home"


@pytest.fixture
def publish(tmp_path, server, monkeypatch, home):
    """Makes an archive the official one, served by the server."""

    def publish_archive(members=None, extra=()):
        path = tmp_path / "published.tar.gz"
        archive = write_archive(path, members, extra, url=server.url)
        server.content = path.read_bytes()
        monkeypatch.setattr(Cifar10Config, "source", archive)
        return archive

    return publish_archive


def load(say=lambda line: None):
    return Cifar10Config().load(say)


def error_of_load():
    with pytest.raises(DataError) as caught:
        load()
    message = str(caught.value)
    assert "\n" not in message
    return message


def everything_below(folder):
    """All files but the empty one that the download locks."""
    return sorted(
        str(path.relative_to(folder)) for path in folder.rglob("*") if path.suffix != ".lock"
    )


def test_a_cold_load_downloads_verifies_and_decodes(publish, server, home):
    archive = publish()
    said = []
    dataset = load(said.append)
    assert len(dataset.train) == 5 * PER_BATCH
    size = format_bytes(archive.files[0].size)
    assert said == [f"downloading CIFAR-10 ({size}) from {server.url} to {home}"]
    assert everything_below(home) == [
        "cifar-10-python.tar.gz",
        f"cifar10-{archive.files[0].sha256[:16]}.npz",
    ]


def test_a_second_load_needs_no_server(publish, server):
    publish()
    first = load()
    forget_loaded()
    assert load().fingerprint == first.fingerprint
    assert server.download_count == 1


def test_a_bar_is_drawn_on_a_terminal(publish, monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    publish()
    monkeypatch.setattr("sys.stderr", Terminal())
    load()
    assert "downloading" in sys.stderr.getvalue()


def test_no_bar_is_drawn_elsewhere(publish, capsys):
    publish()
    load()
    assert capsys.readouterr() == ("", "")


def test_a_mirror_is_asked_instead(publish, server, monkeypatch):
    archive = publish()
    elsewhere = dataclasses.replace(archive, folders=("http://127.0.0.1:1/none/",))
    monkeypatch.setattr(Cifar10Config, "source", elsewhere)
    monkeypatch.setenv("BNEXP_CIFAR10_URL", server.url)
    load()
    assert server.download_count == 1


def test_a_damaged_archive_in_the_data_folder_is_downloaded_again(publish, home):
    publish()
    home.mkdir()
    (home / "cifar-10-python.tar.gz").write_bytes(b"damaged")
    said = []
    load(said.append)
    assert said[0].startswith(f"{home}/cifar-10-python.tar.gz is not cifar-10-python.tar.gz: ")
    assert said[0].endswith("; downloading it again")


def assert_names_both_ways_out(message, url, reason):
    assert message.startswith(f"cannot download CIFAR-10 from {url} ({reason}): ")
    assert "connect to the internet and run `bnexp data fetch cifar10`, or get " in message
    assert "cifar-10-python.tar.gz elsewhere and run `bnexp data import PATH`" in message


def test_a_closed_port_gives_one_line_with_both_ways_out(home, monkeypatch):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/cifar-10-python.tar.gz"
    monkeypatch.setenv("BNEXP_CIFAR10_URL", url)
    assert_names_both_ways_out(error_of_load(), url, "Connection refused")
    assert everything_below(home) == []


def test_a_server_that_says_no_gives_its_answer(publish, server):
    publish()
    server.status = 404
    assert_names_both_ways_out(error_of_load(), server.url, "the server answers 404 Not Found")


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("mirror", "only http and https addresses are downloaded"),
        ("ftp://mirror/x.tar.gz", "only http and https addresses are downloaded"),
        ("file:///mirror/x.tar.gz", "only http and https addresses are downloaded"),
        ("http://127.0.0.1:port/x", "nonnumeric port: 'port'"),
    ],
)
def test_a_mirror_that_is_no_url_is_told(home, monkeypatch, url, reason):
    monkeypatch.setenv("BNEXP_CIFAR10_URL", url)
    assert_names_both_ways_out(error_of_load(), url, reason)


def test_a_server_that_hangs_is_given_up(publish, server, monkeypatch, home):
    publish()
    server.seconds_before_content = 30
    monkeypatch.setattr(download, "TIMEOUT_SECONDS", 0.5)
    started = time.monotonic()
    message = error_of_load()
    assert time.monotonic() - started < 10
    assert_names_both_ways_out(message, server.url, "no answer within 0.5 seconds")
    assert socket.getdefaulttimeout() is None
    assert everything_below(home) == []


def test_a_server_that_does_not_answer_at_all_is_given_up(home, monkeypatch):
    monkeypatch.setattr(download, "TIMEOUT_SECONDS", 0.5)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/cifar-10-python.tar.gz"
        monkeypatch.setenv("BNEXP_CIFAR10_URL", url)
        assert_names_both_ways_out(error_of_load(), url, "no answer within 0.5 seconds")


def test_a_full_disk_is_no_network_failure(publish, monkeypatch, home):
    def refuse(*arguments):
        raise OSError(28, "No space left on device")

    publish()
    monkeypatch.setattr(download.shutil, "copyfileobj", refuse)
    message = error_of_load()
    assert message.startswith(f"cannot keep CIFAR-10 in {home} (No space left on device): ")
    assert everything_below(home) == []


def test_another_process_fails_offline_with_the_line_alone(home, monkeypatch):
    monkeypatch.setenv("BNEXP_CIFAR10_URL", "http://127.0.0.1:1/none")
    code = (
        "from bnexp.data.cifar10.config import Cifar10Config\n"
        "from bnexp.errors import DataError\n"
        "try:\n    Cifar10Config().load(print)\nexcept DataError as error:\n    print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    lines = done.stdout.splitlines()
    assert done.returncode == 0, done.stderr
    assert len(lines) == 2
    assert_names_both_ways_out(lines[1], "http://127.0.0.1:1/none", "Connection refused")
