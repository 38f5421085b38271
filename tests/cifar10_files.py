"""Builds archives in the format of CIFAR-10's Python version, with as few images as wanted."""

import dataclasses
import hashlib
import io
import pickle
import struct
import tarfile
from pathlib import Path

import numpy as np

from bnexp.data.cifar10.config import CIFAR10
from bnexp.data.dataset import DatasetFacts
from bnexp.data.published.cifar import CifarSource
from bnexp.data.published.source import PublishedFile
from bnexp.data.published.store import read_verified

CLASS_NAMES = (
    "airplane automobile bird cat deer dog frog horse ship truck".split()  # noqa: SIM905
)
BATCHES = (*(f"data_batch_{number}" for number in range(1, 6)), "test_batch")
PER_BATCH = 20


class Python2Pickler(pickle._Pickler):
    """Writes what Python 2 wrote: texts and bytes alike as 8-bit strings, NumPy by its old name."""

    dispatch = pickle._Pickler.dispatch.copy()

    def save_string(self, value):
        content = value if isinstance(value, bytes) else value.encode("latin1")
        self.write(pickle.BINSTRING + struct.pack("<i", len(content)) + content)
        self.memoize(value)

    dispatch[str] = dispatch[bytes] = save_string

    def save_boolean(self, value):
        self.save_long(int(value))

    dispatch[bool] = save_boolean

    def save_global(self, obj, name=None):
        module = obj.__module__.replace("numpy._core", "numpy.core")
        self.write(pickle.GLOBAL + f"{module}\n{obj.__qualname__}\n".encode())
        self.memoize(obj)


def pickle_as_python2(value):
    file = io.BytesIO()
    Python2Pickler(file, protocol=2).dump(value)
    return file.getvalue()


def make_batch(number, count=PER_BATCH):
    """Images whose pixels tell batch, place and channel apart; labels that run through 0..9."""
    planes = np.zeros((count, 3, 32, 32), np.uint8)
    planes += np.arange(count, dtype=np.uint8)[:, None, None, None]
    planes += np.array([0, 50, 100], np.uint8)[None, :, None, None]
    planes[:, :, 0, 1] = 200 + number
    labels = [place % 10 for place in range(count)]
    return {"batch_label": f"batch {number}", "labels": labels, "data": planes.reshape(count, -1)}


def make_members(count=PER_BATCH, pickler=pickle_as_python2):
    members = {name: pickler(make_batch(n, count)) for n, name in enumerate(BATCHES, 1)}
    members["batches.meta"] = pickler({"num_cases_per_batch": count, "label_names": CLASS_NAMES})
    return {f"cifar-10-batches-py/{name}": content for name, content in members.items()}


def write_archive(path: Path, members=None, extra=(), url="http://127.0.0.1:1/none") -> CifarSource:
    """Writes a tar.gz of `members` (name to content) and `extra` (TarInfo, content) to `path`."""
    with tarfile.open(path, "w:gz", compresslevel=1) as tar:
        for info, content in extra:
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
        for name, content in (members or make_members()).items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    content = path.read_bytes()
    file = PublishedFile(
        CIFAR10.files[0].filename, len(content), hashlib.sha256(content).hexdigest()
    )
    return dataclasses.replace(
        CIFAR10,
        folders=(url.removesuffix(file.filename),),
        files=(file,),
        facts=DatasetFacts((32, 32, 3), 10, 5 * PER_BATCH, PER_BATCH),
    )


def read_archive(path, source):
    (file,) = source.files
    return source.read({file.filename: read_verified(path, file)}, path)
