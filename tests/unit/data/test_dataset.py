"""A dataset refuses what would train on nonsense."""

import numpy as np
import pytest
from pydantic import ValidationError

from bnexp.data import Dataset, LabelledImages
from bnexp.data.shapes.config import ShapesConfig
from bnexp.errors import DataError

IMAGES = np.zeros((4, 6, 5, 3), dtype=np.uint8)
LABELS = np.array([0, 1, 0, 1])


@pytest.mark.parametrize(
    ("images", "labels", "said"),
    [
        (IMAGES / 255, LABELS, "not float64 (4, 6, 5, 3)"),
        (IMAGES[..., 0], LABELS, "not uint8 (4, 6, 5)"),
        (IMAGES, LABELS.astype(np.int32), "labels are int64 (4,), not int32 (4,)"),
        (IMAGES, LABELS[:3], "labels are int64 (4,), not int64 (3,)"),
        (IMAGES, np.eye(2, dtype=np.int64)[LABELS], "labels are int64 (4,), not int64 (4, 2)"),
        (IMAGES, LABELS + 1, "labels go from 1 to 2, classes from 0 to 1"),
        (IMAGES, LABELS - 1, "labels go from -1 to 0, classes from 0 to 1"),
        (IMAGES.transpose(0, 3, 1, 2), LABELS, "(3, 6, 5), but training images are (6, 5, 3)"),
    ],
)
def test_images_and_labels_of_another_kind_are_refused(images, labels, said):
    train = LabelledImages(IMAGES, LABELS)

    with pytest.raises(DataError) as caught:
        Dataset("mine", train, LabelledImages(images, labels), ("a", "b"))

    assert str(caught.value).startswith("the test images of dataset 'mine': ")
    assert said in str(caught.value)


def test_a_class_without_test_images_is_named():
    images = np.arange(4, dtype=np.uint8)[:, None, None, None] + IMAGES
    train, test = LabelledImages(images, LABELS), LabelledImages(images[:1] + 9, LABELS[:1])
    assert Dataset("mine", train, test, ("a", "b")).find_warnings() == [
        "no test image is of the class b"
    ]


@pytest.mark.parametrize("key", ["train_size", "test_size", "batch_size", "classes_per_batch"])
def test_no_number_of_images_or_classes_is_zero(key):
    assert getattr(ShapesConfig(**{key: 1}), key) == 1
    with pytest.raises(ValidationError, match=f"{key}\n.*greater than or equal to 1"):
        ShapesConfig(**{key: 0})
