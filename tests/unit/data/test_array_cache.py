"""The decoded images on disk."""

import numpy as np
import pytest

from bnexp.data.array_cache import load_or_build, read_arrays, write_arrays
from bnexp.data.dataset import Dataset, LabelledImages
from bnexp.errors import DataError


def build_dataset():
    rng = np.random.default_rng(0)
    parts = [
        LabelledImages(
            rng.integers(0, 256, (count, 4, 4, 3), dtype=np.uint8),
            rng.integers(0, 2, count, dtype=np.int64),
        )
        for count in (6, 3)
    ]
    return Dataset("tiny", *parts, ("cat", "dög"))


def assert_equal(one, other):
    assert (one.name, one.class_names, one.fingerprint) == (
        other.name,
        other.class_names,
        other.fingerprint,
    )
    for a, b in ((one.train, other.train), (one.test, other.test)):
        np.testing.assert_array_equal(a.images, b.images)
        np.testing.assert_array_equal(a.labels, b.labels)


def test_what_is_written_is_read_again(tmp_path):
    write_arrays(tmp_path / "tiny.npz", build_dataset())
    assert_equal(read_arrays(tmp_path / "tiny.npz", "tiny"), build_dataset())


def test_a_missing_file_is_none(tmp_path):
    assert read_arrays(tmp_path / "none.npz", "tiny") is None


def test_every_flipped_bit_is_found_or_does_no_harm(tmp_path):
    path = tmp_path / "tiny.npz"
    write_arrays(path, build_dataset())
    sound = path.read_bytes()
    rng = np.random.default_rng(1)
    detected = 0
    for place in rng.choice(8 * len(sound), 400, replace=False):
        damaged = bytearray(sound)
        damaged[place // 8] ^= 1 << (place % 8)
        path.write_bytes(damaged)
        try:
            assert_equal(read_arrays(path, "tiny"), build_dataset())
        except DataError:
            detected += 1
    assert detected > 100


@pytest.mark.parametrize("length", [0, 1, 100, 1000, -1])
def test_a_cut_file_is_found(tmp_path, length):
    path = tmp_path / "tiny.npz"
    write_arrays(path, build_dataset())
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(DataError, match=r"tiny\.npz cannot be used"):
        read_arrays(path, "tiny")


def test_pickled_objects_are_refused(tmp_path):
    with (tmp_path / "tiny.npz").open("wb") as file:
        np.savez(file, train_images=np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(DataError, match="cannot be used"):
        read_arrays(tmp_path / "tiny.npz", "tiny")


def test_pixels_of_another_type_are_refused(tmp_path):
    path = tmp_path / "tiny.npz"
    write_arrays(path, build_dataset())
    with np.load(path) as arrays:
        content = dict(arrays)
    np.savez(path, **{**content, "train_images": content["train_images"].view(np.int8)})

    with pytest.raises(DataError, match=r"tiny.npz cannot be used .*images are uint8"):
        read_arrays(path, "tiny")


def test_a_dataset_is_built_once(tmp_path):
    path = tmp_path / "folder" / "tiny.npz"
    load_or_build(path, "tiny", build_dataset, pytest.fail)
    again = load_or_build(path, "tiny", lambda: pytest.fail("built again"), pytest.fail)
    assert_equal(again, build_dataset())


def test_built_and_read_arrays_are_both_read_only(tmp_path):
    for _ in range(2):
        dataset = load_or_build(tmp_path / "tiny.npz", "tiny", build_dataset, pytest.fail)
        for part in (dataset.train, dataset.test):
            assert not part.images.flags.writeable
            assert not part.labels.flags.writeable


def test_a_place_that_cannot_be_written_costs_only_the_building(tmp_path):
    (tmp_path / "file").touch()
    said = []
    dataset = load_or_build(tmp_path / "file" / "tiny.npz", "tiny", build_dataset, said.append)
    assert_equal(dataset, build_dataset())
    assert said[-1].startswith(f"cannot keep the decoded images in {tmp_path}/file/tiny.npz (")
