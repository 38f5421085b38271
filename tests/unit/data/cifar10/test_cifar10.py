"""Reading CIFAR-10 from a verified archive, and keeping it."""

import pickle
from pathlib import Path

import numpy as np
import pytest
from cifar10_files import (
    CLASS_NAMES,
    PER_BATCH,
    make_batch,
    make_members,
    read_archive,
    write_archive,
)

from bnexp.data.array_cache import forget_loaded
from bnexp.data.cifar10.config import CIFAR10, Cifar10Config
from bnexp.data.published import pickled_batches
from bnexp.data.published.store import find_mismatch, import_files, load_published
from bnexp.errors import DataError


class Lines(list):
    """Collects what is said."""

    def __call__(self, line):
        self.append(line)


@pytest.fixture
def said():
    return Lines()


def import_archive(path, home, say):
    return import_files(path, [Cifar10Config.source], home, say)[1]


def load_cifar10(home, say):
    return load_published(Cifar10Config.source, home, say)


@pytest.fixture
def source(tmp_path, monkeypatch):
    """An archive got by hand, which counts as the official one."""
    path = tmp_path / "by-hand.tar.gz"
    monkeypatch.setattr(Cifar10Config, "source", write_archive(path))
    return path


def archive_with(tmp_path, **changed):
    """Writes an archive some of whose members hold other bytes."""
    members = make_members()
    for name, content in changed.items():
        members[f"cifar-10-batches-py/{name}"] = content
    path = tmp_path / "changed.tar.gz"
    return path, write_archive(path, members)


def test_the_defaults_are_those_of_the_field():
    config = Cifar10Config()
    assert config.val_size == 5000
    assert config.augment == ("random_crop", "horizontal_flip")


def test_the_facts_are_the_published_sizes():
    facts = Cifar10Config().facts()
    assert facts.image_shape == (32, 32, 3)
    assert (facts.num_classes, facts.train_count, facts.test_count) == (10, 50_000, 10_000)


def test_a_mirror_changes_the_address_alone(monkeypatch):
    monkeypatch.setenv("BNEXP_CIFAR10_URL", "http://mirror/cifar.tar.gz")
    assert CIFAR10.list_urls(CIFAR10.files[0]) == ["http://mirror/cifar.tar.gz"]


def test_five_batches_are_the_training_set_in_order_and_the_sixth_is_the_test_set(tmp_path):
    archive = write_archive(tmp_path / "a.tar.gz")
    dataset = read_archive(tmp_path / "a.tar.gz", archive)
    assert dataset.train.images.shape == (5 * PER_BATCH, 32, 32, 3)
    marks = dataset.train.images[:, 0, 1, 0].reshape(5, PER_BATCH)
    assert (marks == 200 + np.arange(1, 6)[:, None]).all()
    assert (dataset.test.images[:, 0, 1, 0] == 206).all()


def test_the_planes_of_red_green_and_blue_become_channels(tmp_path):
    archive = write_archive(tmp_path / "a.tar.gz")
    dataset = read_archive(tmp_path / "a.tar.gz", archive)
    assert dataset.train.images[3, 5, 7].tolist() == [3, 53, 103]
    assert dataset.train.images[3, 0, 1].tolist() == [201, 201, 201]


def test_labels_and_class_names_are_read(tmp_path):
    archive = write_archive(tmp_path / "a.tar.gz")
    dataset = read_archive(tmp_path / "a.tar.gz", archive)
    assert dataset.class_names == tuple(CLASS_NAMES)
    assert dataset.test.labels.tolist() == [place % 10 for place in range(PER_BATCH)]


def test_an_archive_pickled_by_python_3_is_read_as_well(tmp_path):
    members = make_members(pickler=lambda value: pickle.dumps(value, protocol=2))
    new = write_archive(tmp_path / "new.tar.gz", members)
    old = write_archive(tmp_path / "old.tar.gz")
    fingerprints = {
        read_archive(tmp_path / "new.tar.gz", new).fingerprint,
        read_archive(tmp_path / "old.tar.gz", old).fingerprint,
    }
    assert len(fingerprints) == 1


def test_nothing_is_unpickled_before_the_hash_is_verified(tmp_path, monkeypatch):
    archive = write_archive(tmp_path / "a.tar.gz")
    content = bytearray((tmp_path / "a.tar.gz").read_bytes())
    content[-1] ^= 1
    (tmp_path / "a.tar.gz").write_bytes(content)
    monkeypatch.setattr(pickled_batches, "_unpickle", lambda *_: pytest.fail("unpickled"))
    with pytest.raises(
        DataError, match=f"SHA-256 [0-9a-f]+, but should have {archive.files[0].sha256}"
    ):
        read_archive(tmp_path / "a.tar.gz", archive)


class Evil:
    def __init__(self, target):
        self.target = target

    def __reduce__(self):
        return (open, (self.target, "w"))


@pytest.mark.parametrize(
    "content",
    [
        b"cos\nsystem\n(S'true'\ntR.",
        b"cbuiltins\neval\n(S'1'\ntR.",
        b"cnumpy\nload\n(S'x'\ntR.",
        b"c_codecs\nencode\n(S'x'\nS'zlib'\ntR.",
        b"",
        b"\x80\x02garbage",
        b"(" * 10_000,
    ],
    ids=["os.system", "eval", "numpy.load", "zlib", "empty", "garbage", "marks"],
)
def test_a_pickle_that_asks_for_anything_but_arrays_is_refused(tmp_path, content):
    path, archive = archive_with(tmp_path, data_batch_2=content)
    with pytest.raises(DataError, match=r"data_batch_2 in the archive holds more than images"):
        read_archive(path, archive)


def test_code_in_a_pickle_with_the_right_hash_does_not_run(tmp_path):
    trace = tmp_path / "trace"
    path, archive = archive_with(tmp_path, test_batch=pickle.dumps(Evil(str(trace)), protocol=2))
    with pytest.raises(DataError, match="it asks for"):
        read_archive(path, archive)
    assert not trace.exists()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"data": np.zeros((PER_BATCH, 3071), np.uint8)}, "not 20 rows of 3072 bytes"),
        ({"data": np.zeros((PER_BATCH, 3072), np.int16)}, "not 20 rows of 3072 bytes"),
        ({"data": "text"}, "not 20 rows of 3072 bytes"),
        ({"labels": [0] * 19}, "labels are not 20 numbers from 0 to 9"),
        ({"labels": [10] * 20}, "labels are not 20 numbers from 0 to 9"),
        ({"labels": [-1] * 20}, "labels are not 20 numbers from 0 to 9"),
    ],
)
def test_a_batch_of_another_shape_or_with_other_labels_is_refused(tmp_path, change, reason):
    batch = pickle.dumps(make_batch(1) | change, protocol=2)
    path, archive = archive_with(tmp_path, data_batch_1=batch)
    with pytest.raises(DataError, match=reason):
        read_archive(path, archive)


def test_an_archive_without_a_batch_is_refused(tmp_path):
    members = make_members()
    del members["cifar-10-batches-py/data_batch_4"]
    archive = write_archive(tmp_path / "a.tar.gz", members)
    with pytest.raises(DataError, match=r"not laid out as CIFAR-10 is \('data_batch_4'\)"):
        read_archive(tmp_path / "a.tar.gz", archive)


def test_a_file_that_is_cut_is_told_by_its_size(tmp_path):
    archive = write_archive(tmp_path / "a.tar.gz")
    (tmp_path / "a.tar.gz").write_bytes(b"short")
    mismatch = find_mismatch(tmp_path / "a.tar.gz", archive.files[0])
    assert mismatch.startswith(f"it has 5 of {archive.files[0].size:,} bytes and the SHA-256 ")


def test_an_imported_archive_is_copied_and_ready_to_load(source, data_folder, said):
    target = import_archive(source, data_folder, said)
    assert target == data_folder / "cifar-10-python.tar.gz"
    assert target.read_bytes() == source.read_bytes()
    assert len(load_cifar10(data_folder, said).train) == 5 * PER_BATCH
    assert said == []


def test_importing_twice_changes_nothing(source, data_folder, said):
    before = import_archive(source, data_folder, said).stat()
    after = import_archive(source, data_folder, said).stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)


def test_importing_another_file_is_refused_and_leaves_nothing(source, data_folder, said):
    source.write_bytes(b"another file")
    with pytest.raises(DataError, match=r"by-hand.* nothing was imported"):
        import_archive(source, data_folder, said)
    assert list(data_folder.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "reason"), [("gone", "cannot read .*No such file"), ("empty", "nothing was imported")]
)
def test_importing_what_cannot_be_read_is_refused(source, data_folder, said, name, reason):
    (source.parent / "empty").mkdir()
    with pytest.raises(DataError, match=reason):
        import_archive(source.parent / name, data_folder, said)


def test_a_device_that_never_ends_is_not_read(data_folder, said):
    with pytest.raises(DataError, match=r"cannot read /dev/zero \(not a regular file\)"):
        import_archive(Path("/dev/zero"), data_folder, said)


def test_a_file_larger_than_the_archive_is_refused_unread(tmp_path):
    with (tmp_path / "huge").open("wb") as file:
        file.truncate(CIFAR10.files[0].size + 1)
    mismatch = find_mismatch(tmp_path / "huge", CIFAR10.files[0])
    assert mismatch == "it has 170,498,072 bytes, but should have 170,498,071"


def test_the_decoded_images_alone_are_enough(source, data_folder, said):
    import_archive(source, data_folder, said).unlink()
    fresh = forget_and_load(data_folder, said)
    assert len(fresh.train) == 5 * PER_BATCH
    assert said == []


def test_damaged_decoded_images_are_told_and_built_again_from_the_archive(
    source, data_folder, said
):
    import_archive(source, data_folder, said)
    (cache,) = data_folder.glob("cifar10-*.npz")
    sound = cache.read_bytes()
    cache.write_bytes(sound[:-500])
    fresh = forget_and_load(data_folder, said)
    assert len(said) == 1
    assert said[0].startswith(f"{cache} cannot be used")
    assert said[0].endswith("; building it again")
    assert cache.read_bytes() == sound
    assert len(fresh.test) == PER_BATCH


def test_loads_in_one_process_share_one_read_only_dataset(source, data_folder, said):
    import_archive(source, data_folder, said)
    first = load_cifar10(data_folder, said)
    assert load_cifar10(data_folder, print) is first
    assert not first.train.images.flags.writeable
    assert not first.test.labels.flags.writeable


def test_a_data_folder_that_cannot_be_made_is_a_clear_error(source, tmp_path, said):
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match=r"cannot keep CIFAR-10 in .*file/home .*name another"):
        import_archive(source, tmp_path / "file" / "home", said)


def forget_and_load(home, say):
    forget_loaded()
    return load_cifar10(home, say)
