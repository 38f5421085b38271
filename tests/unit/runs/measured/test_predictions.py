"""`predictions.npz`: read back as it was written, and whatever else stands there refused."""

import io
import struct
import zipfile
from dataclasses import fields, replace

import numpy as np
import pytest
from made_up_runs import add_predictions, make_predictions, make_run, seal
from memory_limit import limit_memory

from bnexp.errors import BnexpError
from bnexp.runs import read_run
from bnexp.runs.inspection import inspect
from bnexp.runs.measured.predictions import Predictions, read_predictions

# Six pictures: two cats, two dogs, two frogs; the network is wrong about the second and the last.
BY_HAND = Predictions(
    ("cat", "dog", "frog"),
    labels=np.array([0, 0, 1, 1, 2, 2]),
    classes=np.array([[0, 1], [1, 0], [1, 2], [1, 0], [2, 1], [0, 2]]),
    probabilities=np.array(
        [[0.5, 0.3], [0.75, 0.25], [1, 0], [0.5, 0.5], [0.5, 0.3], [0.875, 0.1]], np.float16
    ),
    mistakes=np.array([5, 1]),
    pictures=np.arange(2 * 2 * 2 * 3).reshape(2, 2, 2, 3).astype(np.uint8),
)


def test_the_confusion_counts_the_likeliest_class_of_each_picture():
    assert BY_HAND.confusion.counts == ((1, 1, 0), (0, 2, 0), (1, 0, 1))
    assert BY_HAND.confusion.accuracy == 4 / 6


def test_mistakes_name_both_classes_and_how_sure_the_network_was():
    worst, other = BY_HAND.list_mistakes()

    assert (worst.index, worst.true, worst.taken, worst.probability) == (5, "frog", "cat", 0.875)
    assert (other.index, other.true, other.taken, other.probability) == (1, "cat", "dog", 0.75)
    assert (worst.picture == BY_HAND.pictures[0]).all()


@pytest.mark.parametrize("mistakes", [0, 4])
def test_what_is_written_is_read_back_and_has_the_same_bytes_again(mistakes):
    written = make_predictions(mistakes=mistakes)
    read = Predictions.decode(written.encode())

    for field in fields(Predictions):
        assert np.array_equal(getattr(read, field.name), getattr(written, field.name)), field.name
    assert read.encode() == written.encode()


def test_numpy_reads_it_without_pickle():
    with np.load(io.BytesIO(BY_HAND.encode()), allow_pickle=False) as found:
        assert found["class_names"].tolist() == ["cat", "dog", "frog"]
        assert (found["classes"] == BY_HAND.classes).all()
        assert found["population_statistics"] == "ema"


@pytest.mark.parametrize(
    "changes",
    [
        {"labels": np.array([0, 0, 1, 1, 2, 3])},
        {"labels": np.array([0, 0, 1, 1, 2])},
        {"labels": np.array([0.0, 0, 1, 1, 2, 2])},
        {"classes": BY_HAND.classes - 1},
        {"classes": BY_HAND.classes[:, 0]},
        {"probabilities": BY_HAND.probabilities * np.float16("nan")},
        {"probabilities": BY_HAND.probabilities * np.float16(2)},
        {"mistakes": np.array([5, 6])},
        {"mistakes": np.array([5, 0])},
        {"pictures": np.zeros((3, 2, 2, 3), np.uint8)},
        {"pictures": np.zeros((2, 200, 2, 3), np.uint8)},
        {"pictures": np.zeros((2, 0, 2, 3), np.uint8)},
        {"pictures": np.zeros((2, 2, 2, 3))},
        {"class_names": ()},
        {"class_names": ("cat", "dog")},
    ],
)
def test_arrays_that_contradict_each_other_are_refused(changes):
    with pytest.raises(ValueError, match=r"^it"):
        replace(BY_HAND, **changes)


def pack(**changes):
    """Returns a file of predictions in which some members have another content."""
    arrays = {f"{field.name}.npy": getattr(BY_HAND, field.name) for field in fields(Predictions)}
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, array in arrays.items():
            content = io.BytesIO()
            np.save(content, np.asarray(array))
            archive.writestr(name, changes.get(name[:-4], content.getvalue()))
    return file.getvalue()


def head(shape, dtype):
    content = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        content, {"shape": shape, "fortran_order": False, "descr": dtype}
    )
    return content.getvalue()


def pickled():
    content = io.BytesIO()
    np.save(content, np.array([print], object), allow_pickle=True)
    return content.getvalue()


def lie_about_size(content):
    """Says of a member that unpacks to 80 MB that it has ten bytes."""
    place = content.index(b"PK\1\2", content.index(b"labels.npy"))
    name = content.index(b"labels.npy", content.index(b"PK\1\2"))
    place = content.rindex(b"PK\1\2", 0, name)
    return content[: place + 24] + struct.pack("<I", 10) + content[place + 28 :]


HOSTILE = {
    "nothing": lambda: b"",
    "junk": lambda: bytes(range(256)) * 99,
    "an empty zip": lambda: b"PK\5\6" + bytes(18),
    "half of it": lambda: BY_HAND.encode()[: len(BY_HAND.encode()) // 2],
    "a pickle": lambda: pack(labels=pickled()),
    "a bomb": lambda: pack(labels=bytes(80 * 2**20)),
    "a bomb that says it is small": lambda: lie_about_size(pack(labels=bytes(80 * 2**20))),
    "a huge shape": lambda: pack(labels=head((2**50,), "<i8")),
    "a negative shape": lambda: pack(labels=head((-6, -1), "<i8") + bytes(48)),
    "texts of no length": lambda: pack(class_names=head((2**50,), "<U0")),
    "a header of another version": lambda: pack(labels=b"\x93NUMPY\x02\x00" + bytes(100)),
    "a header that is code": lambda: pack(labels=head((6,), "<i8").replace(b"shape", b"1+exp")),
    "characters that do not exist": lambda: pack(
        class_names=head((3,), "<U1") + struct.pack("<III", 97, 0x7FFFFFFF, 98)
    ),
    "names of another type": lambda: pack(class_names=head((3,), "<i8") + bytes(24)),
}  # fmt: skip


@pytest.mark.parametrize("kind", HOSTILE)
def test_what_is_no_file_of_predictions_is_refused_without_unpacking_it(kind):
    content = HOSTILE[kind]()

    with limit_memory(40 * 2**20), pytest.raises(ValueError, match=r"^its? "):
        Predictions.decode(content)


@pytest.fixture
def run(tmp_path):
    path = tmp_path / "study/norm=batch/seed=0"
    make_run(path, {"model.norm.name": "batch"})
    return path


def test_a_run_that_kept_none_has_none(run):
    assert read_predictions(read_run(run)) is None
    assert inspect(run) == []


def test_a_run_has_those_that_it_kept(run):
    add_predictions(run, BY_HAND)

    found = read_predictions(read_run(run))

    assert found.confusion == BY_HAND.confusion


def test_those_that_were_put_there_later_or_altered_are_refused(run):
    path = run / "predictions.npz"
    path.write_bytes(BY_HAND.encode())
    with pytest.raises(BnexpError, match=r"predictions\.npz is not what the run wrote"):
        read_predictions(read_run(run))

    add_predictions(run, BY_HAND)
    path.unlink()
    with pytest.raises(BnexpError, match=r"predictions\.npz is missing"):
        read_predictions(read_run(run))


def test_check_names_those_that_cannot_be_read_and_those_that_belong_to_another_run(run):
    add_predictions(run, BY_HAND)
    assert inspect(run) == []

    (run / "predictions.npz").write_bytes(make_predictions().encode())
    seal(run)
    (problem,) = inspect(run)
    assert problem.text == (f"{run}/summary.json and predictions.npz disagree about test/accuracy")

    (run / "predictions.npz").write_bytes(b"")
    seal(run)
    (problem,) = inspect(run)
    assert "predictions.npz cannot be used: it is no file of predictions" in problem.text
