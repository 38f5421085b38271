"""A `val/` folder beside `train/` and `test/`, and pictures that lie in two of them."""

import shutil

import numpy as np
import pytest
from image_folders import make_image_folder, save
from toy_training import CPU, configure

from bnexp.config.experiment import ExperimentConfig
from bnexp.data.array_cache import forget_loaded
from bnexp.data.image_folder.config import ImageFolderConfig
from bnexp.errors import DataError
from bnexp.training.setup import build_parts, check_against_dataset


@pytest.fixture
def folder(tmp_path):
    root = make_image_folder(tmp_path / "pics")
    for place, name in enumerate(("cat", "dog")):
        for number in range(2):
            save(root / "val" / name / f"{number}.png", (50 + number, place, 7))
    return root


def load(folder):
    return ImageFolderConfig(root=str(folder)).load(lambda line: None)


def data(**changes):
    return configure(data={"val_size": 0, "batch_size": 2, **changes})


def test_val_is_the_validation_set(folder):
    parts = build_parts(data(), load(folder), CPU)
    assert len(parts.evaluation_sets["val"]) == 4
    assert len(parts.batches) == 3


def test_val_is_kept_with_the_decoded_images(folder):
    before = load(folder)
    forget_loaded()
    after = load(folder)
    np.testing.assert_array_equal(after.val.images, before.val.images)
    assert after.fingerprint == before.fingerprint


def test_another_picture_in_val_is_another_dataset(folder):
    before = load(folder)
    save(folder / "val/cat/0.png", (51, 0, 8))
    assert load(folder).fingerprint != before.fingerprint


def test_val_together_with_val_size_is_refused(folder):
    with pytest.raises(DataError, match=r"has 4 validation images of its own; leave data.val_size"):
        check_against_dataset(data(val_size=2), load(folder))


def test_train_and_val_without_test_says_what_is_missing(folder):
    shutil.rmtree(folder / "test")
    with pytest.raises(DataError, match="holds train/ and val/ but no test/: results are measured"):
        load(folder)


def test_another_class_in_val_is_named(folder):
    (folder / "val/dog").rename(folder / "val/bird")
    with pytest.raises(DataError, match=r"must have the same classes, but .*only val/ has bird"):
        load(folder)


@pytest.mark.parametrize("name", ["valid", "validation", "dev", "eval", "Val", "VALID"])
def test_val_by_another_name_is_not_ignored(folder, name):
    (folder / "val").rename(folder / name)
    with pytest.raises(DataError, match=f"{name} would be ignored: rename it to val/"):
        load(folder)


@pytest.mark.parametrize(
    ("split", "noun"), [("test", "2 test images"), ("val", "4 validation images")]
)
def test_pictures_that_are_also_training_pictures_are_counted(folder, split, noun):
    assert load(folder).find_warnings() == []
    save(folder / split / "dog/0.png", (0, 0, 7))  # a training picture of a cat
    warnings = check_against_dataset(data(), load(folder))
    assert warnings[0].startswith(f"data: 1 of {noun} are also training images, pixel by pixel")


def test_what_was_said_when_the_config_was_read_is_not_said_again(folder):
    config = {
        "name": "x",
        "data": {"name": "image_folder", "root": str(folder), "batch_size": 64},
        "model": {"name": "cnn", "layers": ({"conv": 8},)},
        "optim": {"name": "sgd", "learning_rate": 0.1, "weight_decay": 1e-4, "decay_norm": True},
    }
    doubtful = ExperimentConfig.model_validate(config)
    warnings = check_against_dataset(doubtful, load(folder))

    assert [line for line in warnings if line.startswith("data.batch_size")]
    assert not [line for line in warnings if line.startswith("optim.")]


def test_validation_pictures_taken_from_repeated_training_pictures_are_counted(tmp_path):
    root = make_image_folder(tmp_path / "pics")
    shutil.copyfile(root / "train/cat/0.png", root / "train/cat/1.png")
    shutil.copyfile(root / "train/cat/0.png", root / "train/cat/2.png")
    assert load(root).find_warnings() == []
    warning, *_ = check_against_dataset(data(val_size=2), load(root))
    assert warning.startswith("data: 1 of 2 validation images are also training images")
