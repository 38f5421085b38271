"""Datasets beside CIFAR-10 that are downloaded and verified, and archives that are unpacked."""

import dataclasses
import gzip
import hashlib
import pickle
import re
import struct
import tarfile
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from cifar10_files import PER_BATCH, make_batch, make_members, read_archive, write_archive

from bnexp.config.load import load_experiment
from bnexp.data.array_cache import forget_loaded
from bnexp.data.cifar10.config import Cifar10Config
from bnexp.data.cifar100.config import Cifar100Config
from bnexp.data.dataset import DatasetFacts
from bnexp.data.fashion_mnist.config import FashionMnistConfig
from bnexp.data.mnist.config import MnistConfig
from bnexp.data.published.source import PublishedFile
from bnexp.data.published.store import import_files
from bnexp.errors import DataError

TRAIN, TEST = 30, 20


def idx(array):
    return (
        bytes((0, 0, 8, array.ndim)) + struct.pack(f">{array.ndim}I", *array.shape) + bytes(array)
    )


def make_images(count):
    return np.arange(count * 784, dtype=np.uint32).astype(np.uint8).reshape(count, 28, 28)


def make_contents():
    """Returns the four files of a small MNIST, uncompressed."""
    sets = [(make_images(n), (np.arange(n) % 10).astype(np.uint8)) for n in (TRAIN, TEST)]
    return [idx(array) for pair in sets for array in pair]


def publish(folder, source, files, facts, **changes):
    """Writes the files and returns a source that says that they are the published ones."""
    folder.mkdir(parents=True, exist_ok=True)
    published = []
    for name, content in files.items():
        (folder / name).write_bytes(content)
        published.append(PublishedFile(name, len(content), hashlib.sha256(content).hexdigest()))
    return dataclasses.replace(source, files=tuple(published), facts=facts, **changes)


def publish_mnist(folder, config=MnistConfig, contents=None, **changes):
    names = [file.filename for file in config.source.files]
    packed = [gzip.compress(one) for one in contents or make_contents()]
    facts = DatasetFacts((28, 28, 1), 10, TRAIN, TEST)
    return publish(folder, config.source, dict(zip(names, packed, strict=True)), facts, **changes)


def ignore(line):
    del line


@pytest.fixture
def served(tmp_path):
    """A folder and the address where a server on this machine offers it."""
    folder = tmp_path / "served"
    folder.mkdir()

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *arguments):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield folder, f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.mark.parametrize(
    ("config", "shape", "classes", "train", "test", "sizes"),
    [
        (Cifar10Config, (32, 32, 3), 10, 50_000, 10_000, (170_498_071,)),
        (Cifar100Config, (32, 32, 3), 100, 50_000, 10_000, (169_001_437,)),
        (MnistConfig, (28, 28, 1), 10, 60_000, 10_000, (9_912_422, 28_881, 1_648_877, 4_542)),
        (FashionMnistConfig, (28, 28, 1), 10, 60_000, 10_000,
         (26_421_880, 29_515, 4_422_102, 5_148)),
    ],
)  # fmt: skip
def test_the_facts_are_the_published_ones(config, shape, classes, train, test, sizes):
    assert config().facts() == DatasetFacts(shape, classes, train, test)
    assert tuple(file.size for file in config.source.files) == sizes


@pytest.mark.parametrize("config", [MnistConfig, FashionMnistConfig])
def test_four_files_are_fetched_from_the_first_mirror_that_answers(
    config, served, data_folder, monkeypatch
):
    folder, url = served
    mirrors = ("http://127.0.0.1:1/", url)
    monkeypatch.setattr(config, "source", publish_mnist(folder, config, folders=mirrors))
    said = []
    dataset = config().load(said.append)

    assert dataset.name == config().name
    assert len(said) == 4
    assert (dataset.train.images == make_images(TRAIN)[..., None]).all()
    assert dataset.test.labels.tolist() == [n % 10 for n in range(TEST)]
    assert len(dataset.class_names) == 10
    assert (data_folder / config().name / "t10k-labels-idx1-ubyte.gz").exists()
    assert config().stored_files()[0].exists()
    assert len(config().stored_files()) == 5


def test_a_file_that_has_arrived_is_not_fetched_again(served, data_folder, monkeypatch):
    folder, url = served
    monkeypatch.setattr(MnistConfig, "source", publish_mnist(folder, folders=(url,)))
    (lost := folder / "t10k-labels-idx1-ubyte.gz").rename(folder / "away")
    with pytest.raises(
        DataError, match=r"cannot download MNIST from .*404.*bnexp data fetch mnist"
    ):
        MnistConfig().load(ignore)
    (folder / "away").rename(lost)
    said = []
    MnistConfig().load(said.append)
    assert [line.split(" (")[0] for line in said] == [f"downloading MNIST's {lost.name}"]


def test_a_wrong_download_is_refused(served, data_folder, monkeypatch):
    folder, url = served
    monkeypatch.setattr(MnistConfig, "source", publish_mnist(folder, folders=(url,)))
    path = folder / "train-labels-idx1-ubyte.gz"
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(DataError, match="was cut off or is wrong, nothing was kept"):
        MnistConfig().load(ignore)


def test_a_mirror_is_the_address_of_the_folder(monkeypatch):
    monkeypatch.setenv("BNEXP_MNIST_URL", "http://mirror/mnist")
    source = MnistConfig.source
    assert source.list_urls(source.files[3]) == ["http://mirror/mnist/t10k-labels-idx1-ubyte.gz"]


def test_the_layout_of_torchvision_is_read_in_place(tmp_path, monkeypatch):
    monkeypatch.setattr(MnistConfig, "source", publish_mnist(tmp_path / "MNIST" / "raw"))
    assert len(MnistConfig(root=str(tmp_path)).load(ignore).train) == TRAIN


def wrong(place, content):
    contents = make_contents()
    contents[place] = content(contents[place])
    return contents


@pytest.mark.parametrize(
    ("contents", "reason"),
    [
        (wrong(0, lambda c: b"\0\0\x09" + c[3:]), "does not begin as an IDX file of 30×28×28"),
        (wrong(0, lambda c: c[:4] + struct.pack(">I", 31) + c[8:]), "does not begin as an IDX"),
        (wrong(1, lambda c: idx(np.zeros((TRAIN, 1), np.uint8))), "IDX file of 30 bytes"),
        (wrong(2, lambda c: c[:-1]), "holds 15,679 numbers, not 15,680"),
        (wrong(2, lambda c: c + b"x"), "holds 15,681 numbers, not 15,680"),
        (wrong(3, lambda c: b""), "but with nothing"),
        (wrong(3, lambda c: c[:-1] + b"\x0a"), "labels go from 0 to 10"),
    ],
)
def test_what_is_no_idx_file_of_the_right_shape_is_refused(tmp_path, contents, reason):
    source = publish_mnist(tmp_path, contents=contents)
    packed = {file.filename: (tmp_path / file.filename).read_bytes() for file in source.files}
    with pytest.raises(DataError, match=reason):
        source.read(packed, tmp_path)


def test_a_gzip_that_is_cut_short_is_refused(tmp_path):
    source = publish_mnist(tmp_path)
    packed = {file.filename: (tmp_path / file.filename).read_bytes() for file in source.files}
    packed["train-images-idx3-ubyte.gz"] = packed["train-images-idx3-ubyte.gz"][:-9]
    with pytest.raises(DataError, match=r"train-images-idx3-ubyte.gz is not a readable gzip file"):
        source.read(packed, tmp_path)


def test_a_folder_of_files_is_imported_whole_or_not_at_all(tmp_path, data_folder):
    sources = [Cifar10Config.source, publish_mnist(tmp_path / "got")]
    assert import_files(tmp_path / "got", sources, data_folder, ignore) == (
        "mnist",
        data_folder / "mnist",
    )
    (tmp_path / "got" / "train-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(DataError, match=r"mnist also needs train-labels-idx1-ubyte.gz"):
        import_files(tmp_path / "got", sources, tmp_path / "other", ignore)
    assert not (tmp_path / "other").exists()


def test_a_file_with_a_published_name_but_another_content_is_compared_with_that_one(tmp_path):
    sources = [Cifar10Config.source, Cifar100Config.source]
    for source in sources:
        path = tmp_path / source.files[0].filename
        path.write_bytes(b"short")

        reason = f"{path.name} is not {path.name}: it has 5 of {source.files[0].size:,} bytes"
        with pytest.raises(DataError, match=re.escape(reason)):
            import_files(path, sources, tmp_path / "data", ignore)


def test_cifar100_has_its_fine_labels(tmp_path, data_folder, monkeypatch):
    def make(count):
        batch = make_batch(1, count)
        fine = [n % 100 for n in range(count)]
        return {"data": batch["data"], "fine_labels": fine, "coarse_labels": [0] * count}

    names = [f"fine {n}" for n in range(100)]
    meta = {"fine_label_names": names, "coarse_label_names": ["none"]}
    members = {"train": make(200), "test": make(100), "meta": meta}
    path = tmp_path / "made.tar.gz"
    write_archive(
        path, {f"cifar-100-python/{name}": pickle.dumps(one, 2) for name, one in members.items()}
    )
    facts = DatasetFacts((32, 32, 3), 100, 200, 100)
    archive = {"cifar-100-python.tar.gz": path.read_bytes()}
    source = publish(data_folder, Cifar100Config.source, archive, facts)
    monkeypatch.setattr(Cifar100Config, "source", source)

    dataset = Cifar100Config().load(ignore)
    assert dataset.class_names == tuple(names)
    assert dataset.train.labels.max() == 99
    assert dataset.train.images.shape == (200, 32, 32, 3)


@pytest.fixture
def unpacked(tmp_path, monkeypatch):
    """The folder that a small CIFAR-10 archive was unpacked to, and the archive's fingerprint."""
    archive = write_archive(tmp_path / "a.tar.gz")
    with tarfile.open(tmp_path / "a.tar.gz") as tar:
        # Python 3.11.0 to 3.11.3 have no filters; later ones warn without one.
        options = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
        tar.extractall(tmp_path / "home", **options)
    md5 = {Path(name).name: hashlib.md5(one).hexdigest() for name, one in make_members().items()}
    monkeypatch.setattr(Cifar10Config, "source", dataclasses.replace(archive, md5=md5))
    fingerprint = read_archive(tmp_path / "a.tar.gz", archive).fingerprint
    return tmp_path / "home" / "cifar-10-batches-py", fingerprint


@pytest.mark.parametrize("is_root", [False, True])
def test_an_unpacked_archive_is_read_as_the_archive_is(unpacked, is_root):
    folder, fingerprint = unpacked
    before = sorted(folder.iterdir())
    said = []
    dataset = Cifar10Config(root=str(folder if is_root else folder.parent)).load(said.append)
    assert len(dataset.train) == 5 * PER_BATCH
    assert dataset.fingerprint == fingerprint
    assert said == []
    assert sorted(folder.iterdir()) == before


def test_an_unpacked_archive_counts_as_there(unpacked):
    folder, _ = unpacked
    cache, *files = Cifar10Config(root=str(folder.parent)).stored_files()
    assert not cache.exists()
    assert set(files) == set(folder.iterdir())


def test_a_folder_that_may_not_be_listed_is_not_imported(tmp_path, monkeypatch):
    def refuse(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "iterdir", refuse)
    with pytest.raises(DataError, match=r"cannot read .*\(Permission denied\)"):
        import_files(tmp_path, [Cifar10Config.source], tmp_path, ignore)


def change(path):
    path.write_bytes(path.read_bytes() + b"x")


def inject(path):
    path.write_bytes(b"cos\nsystem\n(S'true'\ntR.")


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (change, "data_batch_2 has the MD5 .* but should have"),
        (inject, "data_batch_2 has the MD5 .* but should have"),
        (Path.unlink, "is not CIFAR-10, unpacked: No such file or directory: .*data_batch_2"),
    ],
)
def test_an_unpacked_file_that_is_not_the_published_one_is_refused(unpacked, damage, reason):
    damage(unpacked[0] / "data_batch_2")
    forget_loaded()
    with pytest.raises(DataError, match=reason):
        Cifar10Config(root=str(unpacked[0].parent)).load(ignore)


def test_code_in_an_unpacked_file_does_not_run_whatever_its_md5(unpacked, monkeypatch):
    path = unpacked[0] / "data_batch_2"
    inject(path)
    md5 = {**Cifar10Config.source.md5, path.name: hashlib.md5(path.read_bytes()).hexdigest()}
    monkeypatch.setattr(Cifar10Config, "source", dataclasses.replace(Cifar10Config.source, md5=md5))
    with pytest.raises(DataError, match=r"data_batch_2 holds more than images .*os\.system"):
        Cifar10Config(root=str(path.parent)).load(ignore)


def test_the_tutorials_mlp_has_270346_parameters_on_mnist():
    runs = load_experiment(Path(__file__).parents[4] / "configs" / "mnist" / "mlp.yaml").runs
    config = next(run.config for run in runs if run.config.model.norm.name == "batch")
    network = config.model.build((28, 28, 1), 10)
    assert sum(parameter.numel() for parameter in network.parameters()) == 270_346
