"""Downloading CIFAR-10 from a server on this machine, and all that can go wrong on the way."""

import contextlib
import dataclasses
import io
import json
import pickle
import socket
import subprocess
import sys
import tarfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from cifar10_files import PER_BATCH, make_members, write_archive

from bnexp.data import cifar10_archive, cifar10_store, download
from bnexp.data.cifar10 import Cifar10Config
from bnexp.errors import DataError

DOWNLOADER = """
import json, sys
from bnexp.data import cifar10_archive
from bnexp.data.cifar10 import Cifar10Config
cifar10_archive.CIFAR10 = cifar10_archive.Archive(**json.loads(sys.argv[1]))
dataset = Cifar10Config().load(lambda line: print(line, file=sys.stderr))
print(dataset.fingerprint)
"""


class Server:
    """Serves one archive on 127.0.0.1 and misbehaves on request."""

    def __init__(self):
        self.content = b""
        self.claimed_length = None
        self.seconds_before_content = 0.0
        self.status = 200
        self.download_count = 0
        self.is_closing = threading.Event()
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(server.status)
                length = server.claimed_length or len(server.content)
                self.send_header("Content-Length", str(length))
                self.end_headers()
                # torchvision looks for redirections first, by a request it does not read.
                if self.headers["Method"] != "HEAD":
                    server.download_count += 1
                    server.is_closing.wait(server.seconds_before_content)
                    with contextlib.suppress(ConnectionError):
                        self.wfile.write(server.content)

            def log_message(self, *arguments):
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._http.serve_forever)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._http.server_port}/cifar-10-python.tar.gz"

    def close(self):
        self.is_closing.set()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()


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
        monkeypatch.setattr(cifar10_archive, "CIFAR10", archive)
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
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_a_cold_load_downloads_verifies_and_decodes(publish, server, home):
    archive = publish()
    said = []
    dataset = load(said.append)
    assert len(dataset.train) == 5 * PER_BATCH
    assert said == [f"downloading CIFAR-10 (0.0 MB) from {server.url} to {home}"]
    assert everything_below(home) == [
        "cifar-10-python.tar.gz",
        f"cifar10-{archive.sha256[:16]}.npz",
    ]


def test_a_second_load_needs_no_server(publish, server):
    publish()
    first = load()
    cifar10_store._load.cache_clear()
    assert load().fingerprint == first.fingerprint
    assert server.download_count == 1


def test_a_bar_is_drawn_on_a_terminal(publish, monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    publish()
    monkeypatch.setattr("sys.stderr", Terminal())
    load()
    assert "100" in sys.stderr.getvalue()


def test_no_bar_is_drawn_elsewhere(publish, capsys):
    publish()
    load()
    assert capsys.readouterr() == ("", "")


def test_a_mirror_is_asked_instead(publish, server, monkeypatch):
    archive = publish()
    elsewhere = dataclasses.replace(archive, url="http://127.0.0.1:1/none")
    monkeypatch.setattr(cifar10_archive, "CIFAR10", elsewhere)
    monkeypatch.setenv("BNEXP_CIFAR10_URL", server.url)
    load()
    assert server.download_count == 1


def test_a_cut_download_leaves_nothing_and_can_be_tried_again(publish, server, home):
    archive = publish()
    whole = server.content
    server.content, server.claimed_length = whole[:1000], len(whole)
    message = error_of_load()
    assert f"the download from {server.url} was cut or is wrong, nothing was kept" in message
    assert f"it has 1,000 of {archive.size:,} bytes" in message
    assert everything_below(home) == []
    server.content = whole
    assert len(load().test) == PER_BATCH


def test_a_download_with_another_hash_is_refused_with_both_hashes(publish, server, home):
    archive = publish()
    server.content = server.content[:-1] + b"?"
    message = error_of_load()
    assert f"where {archive.sha256} is expected" in message
    assert "run `bnexp data fetch cifar10` again" in message
    assert "`bnexp data import PATH`" in message
    assert everything_below(home) == []


def test_a_damaged_archive_in_the_data_folder_is_downloaded_again(publish, home):
    publish()
    home.mkdir()
    (home / "cifar-10-python.tar.gz").write_bytes(b"damaged")
    said = []
    load(said.append)
    assert said[0].startswith(f"{home}/cifar-10-python.tar.gz is not cifar-10-python.tar.gz: ")
    assert said[0].endswith("; downloading it again")


def hostile_members(folder):
    evil = tarfile.TarInfo("../evil")
    absolute = tarfile.TarInfo(f"{folder}/absolute")
    link = tarfile.TarInfo("cifar-10-batches-py/test_batch")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
    hard = tarfile.TarInfo("cifar-10-batches-py/data_batch_1")
    hard.type, hard.linkname = tarfile.LNKTYPE, "../evil"
    device = tarfile.TarInfo("cifar-10-batches-py/data_batch_2")
    device.type = tarfile.CHRTYPE
    return [(evil, b"x"), (absolute, b"x"), (link, b""), (hard, b""), (device, b"")]


def test_hostile_members_of_an_archive_write_nothing_and_are_passed_over(
    publish, tmp_path, monkeypatch
):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    archive = publish(extra=hostile_members(tmp_path))
    dataset = load()
    assert len(dataset.train) == 5 * PER_BATCH
    assert everything_below(tmp_path) == [
        "here",
        "home",
        "home/cifar-10-python.tar.gz",
        f"home/cifar10-{archive.sha256[:16]}.npz",
        "published.tar.gz",
    ]


class Code:
    def __init__(self, command):
        self.command = command

    def __reduce__(self):
        import os

        return (os.system, (self.command,))


def test_code_in_an_archive_with_the_right_hash_does_not_run(publish, tmp_path):
    code = pickle.dumps(Code(f"touch {tmp_path}/ran"), protocol=2)
    publish(make_members() | {"cifar-10-batches-py/data_batch_3": code})
    message = error_of_load()
    assert "data_batch_3 in the archive holds more than images and labels" in message
    assert "system); refused" in message
    assert not (tmp_path / "ran").exists()


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
    monkeypatch.setattr(download, "_import_download_url", lambda: refuse)
    message = error_of_load()
    assert message.startswith(f"cannot keep CIFAR-10 in {home} (No space left on device): ")
    assert everything_below(home) == []


def test_a_torchvision_that_does_not_match_torch_is_told_in_one_line(
    publish, tmp_path, monkeypatch
):
    (tmp_path / "fake/torchvision").mkdir(parents=True)
    (tmp_path / "fake/torchvision/__init__.py").write_text(
        'raise RuntimeError("operator torchvision::nms does not exist\\nmore")'
    )
    for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.syspath_prepend(tmp_path / "fake")
    versions = {"torch": "2.13.0+cpu", "torchvision": "0.28.0+cu130"}
    monkeypatch.setattr("bnexp.packages.version", versions.__getitem__)
    publish()
    message = error_of_load()
    assert message.startswith(
        "torchvision 0.28.0+cu130 does not work with torch 2.13.0+cpu "
        "(operator torchvision::nms does not exist): reinstall the two together"
    )
    assert "`bnexp data import PATH`, which needs no torchvision" in message


def test_two_processes_at_once_download_once_and_both_load(publish, server, home):
    archive = publish()
    server.seconds_before_content = 1.0
    command = [sys.executable, "-c", DOWNLOADER, json.dumps(dataclasses.asdict(archive))]
    processes = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    outputs = [process.communicate(timeout=120) for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0], outputs
    assert len({stdout for stdout, _ in outputs}) == 1
    assert server.download_count == 1
    assert len(everything_below(home)) == 2


def test_another_process_fails_offline_with_the_line_alone(home, monkeypatch):
    monkeypatch.setenv("BNEXP_CIFAR10_URL", "http://127.0.0.1:1/none")
    code = (
        "from bnexp.data.cifar10 import Cifar10Config\n"
        "from bnexp.errors import DataError\n"
        "try:\n    Cifar10Config().load(print)\nexcept DataError as error:\n    print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    lines = done.stdout.splitlines()
    assert done.returncode == 0, done.stderr
    assert len(lines) == 2
    assert_names_both_ways_out(lines[1], "http://127.0.0.1:1/none", "Connection refused")
