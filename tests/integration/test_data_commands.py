"""The commands `bnexp data ...`."""

import json
import subprocess
import sys

import pytest
from cifar10_files import CLASS_NAMES, PER_BATCH, write_archive
from PIL import Image
from typer.testing import CliRunner

from bnexp.cli.experiments.data import data
from bnexp.data import DATASETS
from bnexp.data.cifar10.config import Cifar10Config
from bnexp.data.image_folder.config import ImageFolderConfig
from bnexp.errors import DataError, UsageError
from bnexp.models import ImpossibleModelError
from bnexp.models.cnn.config import CnnConfig, ConvLayer, PoolLayer
from bnexp.parts import part_name


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("BNEXP_DATA", str(tmp_path / "home"))
    monkeypatch.setenv("COLUMNS", "200")
    return tmp_path / "home"


@pytest.fixture
def archive(tmp_path, monkeypatch):
    """An archive got by hand, which counts as the official one."""
    path = tmp_path / "by-hand.tar.gz"
    monkeypatch.setattr(Cifar10Config, "source", write_archive(path))
    return path


@pytest.fixture
def folder(tmp_path):
    for split, count in (("train", 3), ("test", 1)):
        for name, colour in (("cat", (255, 0, 51)), ("dog", (0, 0, 51))):
            (tmp_path / "pics" / split / name).mkdir(parents=True)
            for number in range(count):
                image = Image.new("RGB", (5, 4), colour)
                image.save(tmp_path / "pics" / split / name / f"{number}.png")
    return tmp_path / "pics"


def run(*arguments):
    result = CliRunner().invoke(data, [str(argument) for argument in arguments])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.stderr
    return result


def find_entry(name):
    return next(e for e in json.loads(run("list", "--json").stdout) if e["name"] == name)


def test_list_tells_what_each_dataset_holds(home):
    assert find_entry("cifar10") == {
        "name": "cifar10",
        "location": str(home),
        "is_present": False,
        "size_bytes": 0,
        "image_shape": [32, 32, 3],
        "num_classes": 10,
        "train_count": 50_000,
        "test_count": 10_000,
        "val_count": 0,
    }


def test_list_knows_an_imported_archive_and_its_size(archive, home):
    run("import", archive)
    entry = find_entry("cifar10")
    assert entry["is_present"] is True
    assert entry["size_bytes"] == sum(path.stat().st_size for path in home.iterdir())


def test_list_says_that_an_image_folder_lies_where_its_config_says():
    entry = find_entry("image_folder")
    assert entry["is_present"] is None
    assert entry["location"] == "the folder in `root`"


def test_list_shows_a_table_with_every_dataset():
    lines = run("list").stdout.splitlines()
    names = [line.split()[0] for line in lines if line.strip()]
    assert names[0] == "dataset"
    assert {part_name(member) for member in DATASETS} <= set(names)


def test_import_says_where_the_archive_went(archive, home):
    result = run("import", archive)
    assert result.stdout == f"cifar10 is ready: imported to {home}/cifar-10-python.tar.gz\n"
    assert result.stderr == ""


def test_import_goes_to_the_given_root(archive, tmp_path, home):
    run("import", archive, "--root", tmp_path / "elsewhere")
    assert (tmp_path / "elsewhere/cifar-10-python.tar.gz").exists()
    assert not home.exists()


def test_import_refuses_another_file(archive, home):
    archive.write_bytes(b"x")
    with pytest.raises(DataError, match="nothing was imported"):
        run("import", archive)
    assert not home.exists()


def test_fetch_needs_no_network_where_the_dataset_is_there(archive):
    run("import", archive)
    result = run("fetch")
    assert result.stdout == (
        f"cifar10 is ready: {5 * PER_BATCH} training and {PER_BATCH} test images, 10 classes\n"
    )


def test_fetch_tells_its_progress_on_stderr_alone(folder):
    result = run("fetch", folder)
    assert result.stdout == "image_folder is ready: 6 training and 2 test images, 2 classes\n"
    assert result.stderr.startswith(f"decoding 8 images in {folder}, to be kept in ")


def test_fetch_of_an_unknown_name_suggests_a_close_one():
    with pytest.raises(UsageError, match=r"'cifar1' is neither a dataset \(did you mean 'cifar10'"):
        run("fetch", "cifar1")


def test_a_name_too_long_for_a_file_is_told():
    with pytest.raises(UsageError, match="is neither a dataset nor a folder"):
        run("info", "x" * 300)


def test_an_image_folder_without_its_folder_is_refused():
    with pytest.raises(UsageError, match="image_folder: root must name the folder that holds"):
        run("info", "image_folder")


def test_info_measures_an_image_folder(folder):
    assert json.loads(run("info", folder, "--json").stdout) == {
        "name": "image_folder",
        "image_shape": [4, 5, 3],
        "num_classes": 2,
        "train_count": 6,
        "test_count": 2,
        "train_counts": {"cat": 3, "dog": 3},
        "test_counts": {"cat": 1, "dog": 1},
        "val_counts": {},
        "channel_means": pytest.approx([0.5, 0.0, 0.2]),
        "channel_stds": pytest.approx([0.5, 1.0, 1.0]),
        "fingerprint": ImageFolderConfig(root=str(folder)).load(print).fingerprint,
    }


def test_info_warns_of_test_images_that_are_training_images(folder):
    assert run("info", folder).stderr.splitlines()[-1] == (
        "warning: 2 of 2 test images are also training images, pixel by pixel, so scores on them "
        "are too good; remove them"
    )


def test_messages_give_the_width_first(folder):
    assert run("info", folder).stdout.startswith("image_folder: 5×4 pixels, 3 channels\n")
    config = CnnConfig(layers=(ConvLayer(conv=4), PoolLayer(pool="max", size=5)))
    with pytest.raises(ImpossibleModelError, match="a pooling of 5 gets only 5×4 pixels"):
        config.plan((4, 5, 3))


def test_info_shows_every_class_with_its_counts(archive):
    run("import", archive)
    lines = run("info", "cifar10").stdout.splitlines()
    rows = [line.split() for line in lines]
    assert lines[0] == "cifar10: 32×32 pixels, 3 channels"
    assert all([name, "10", "2"] in rows for name in CLASS_NAMES)
    assert ["all", "100", "20"] in rows


def test_help_imports_neither_torch_nor_numpy():
    code = (
        "import sys\nfrom bnexp.cli.experiments.data import data\n"
        "try:\n    data(['--help'])\nexcept SystemExit:\n    pass\n"
        "print({'torch', 'torchvision', 'numpy', 'PIL'} & set(sys.modules), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "import" in done.stdout
    assert done.stderr == "set()\n"
