"""Row 10 of the fault matrix: downloads at once, cut, changed or hostile, by the real command."""

import os
import pickle
import tarfile

import pytest
from cifar10_files import PER_BATCH, make_members, write_archive
from cifar10_server import Server
from forks import wait_until

PUBLISH = """
import pickle
from bnexp.data.cifar10.config import Cifar10Config
Cifar10Config.source = pickle.loads({archive!r})
"""
READY = f"cifar10 is ready: {5 * PER_BATCH} training and {PER_BATCH} test images, 10 classes\n"


@pytest.fixture
def server():
    served = Server()
    yield served
    served.close()


class Site:
    """An archive on a server, and the command that fetches it into `home`."""

    def __init__(self, server, folder, forks):
        self.home = folder / "home"
        self.folder = folder
        self._server = server
        self._forks = forks
        self._here = folder / "here"
        self._here.mkdir()

    def publish(self, members=None, extra=()):
        """Makes an archive the official one, served by the server."""
        path = self.folder / "published.tar.gz"
        self.archive = write_archive(path, members, extra, url=self._server.url)
        self._server.content = path.read_bytes()
        path.unlink()

    def start(self):
        return self._forks.start(
            *("data", "fetch", "cifar10", "--root", self.home),
            cwd=self._here,
            before=PUBLISH.format(archive=pickle.dumps(self.archive)),
            no_proxy="127.0.0.1",
        )

    def fetch(self):
        """Returns exit code and words of one command, which never shows a traceback."""
        process = self.start()
        code = process.wait()
        assert "Traceback" not in process.said
        return code, process.said

    def everything(self):
        """Returns all below the test's own folder but the empty file that a download locks."""
        paths = [path for path in self.folder.rglob("*") if path.suffix != ".lock"]
        return sorted(str(path.relative_to(self.folder)) for path in paths)

    def all_that_is_kept(self):
        names = ("cifar-10-python.tar.gz", f"cifar10-{self.archive.files[0].sha256[:16]}.npz")
        return ["here", "home", *(f"home/{name}" for name in names)]


@pytest.fixture
def site(server, tmp_path, forks):
    return Site(server, tmp_path, forks)


def check_that_a_retry_works(site):
    code, said = site.fetch()
    assert code == 0, said
    assert "which holds" not in said
    assert said.endswith(READY)
    assert site.everything() == site.all_that_is_kept()


@pytest.mark.parametrize("count", [3, pytest.param(8, marks=pytest.mark.slow)])
def test_row_10_of_several_cold_starts_at_once_one_downloads_and_all_are_served(
    count, site, server
):
    site.publish()
    server.seconds_before_content = 60  # or until all have come

    processes = [site.start() for _ in range(count)]
    wait_until(lambda: sum("which holds" in process.said for process in processes) == count - 1)
    server.is_closing.set()
    codes = [process.wait() for process in processes]

    assert codes == [0] * count, [process.said for process in processes]
    assert all(process.said.endswith(READY) for process in processes)
    assert sum("downloading CIFAR-10" in process.said for process in processes) == 1
    assert server.download_count == 1
    assert site.everything() == site.all_that_is_kept()


def test_row_10_a_cut_download_leaves_nothing_and_is_tried_again(site, server):
    site.publish()
    whole = server.content
    server.content, server.claimed_length = whole[:1000], len(whole)

    code, said = site.fetch()

    assert code == 1
    assert f"the download from {server.url} was cut off or is wrong, nothing was kept" in said
    assert f"it has 1,000 of {site.archive.files[0].size:,} bytes" in said
    assert site.everything() == ["here", "home"]
    server.content, server.claimed_length = whole, None
    check_that_a_retry_works(site)


def test_row_10_a_download_with_another_hash_is_refused_with_both_ways_out(site, server):
    site.publish()
    whole = server.content
    server.content = whole[:-1] + bytes([whole[-1] ^ 1])

    code, said = site.fetch()

    assert code == 1
    assert f"but should have {site.archive.files[0].sha256}" in said
    assert "run `bnexp data fetch cifar10` again" in said
    assert "`bnexp data import PATH`" in said
    assert site.everything() == ["here", "home"]
    server.content = whole
    check_that_a_retry_works(site)


def test_row_10_one_killed_in_the_middle_of_a_download_holds_nobody_up(site, server):
    site.publish()
    server.seconds_before_content = 60
    process = site.start()
    wait_until(lambda: server.download_count == 1)
    process.wait(kill_after=0)
    server.is_closing.set()

    assert process.code == -9
    assert not (site.home / "cifar-10-python.tar.gz").exists()
    check_that_a_retry_works(site)


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


def test_row_10_hostile_members_of_an_archive_write_nothing_and_are_passed_over(site):
    site.publish(extra=hostile_members(site.folder))

    check_that_a_retry_works(site)


class Code:
    def __init__(self, command):
        self.command = command

    def __reduce__(self):
        return (os.system, (self.command,))


def test_row_10_code_in_an_archive_with_the_right_hash_does_not_run(site):
    ran = site.folder / "ran"
    code = pickle.dumps(Code(f"touch {ran}"), protocol=2)
    site.publish(make_members() | {"cifar-10-batches-py/data_batch_3": code})

    exit_code, said = site.fetch()

    assert exit_code == 1
    assert "data_batch_3 in the archive holds more than images and labels" in said
    assert "system); refused" in said
    assert not ran.exists()
