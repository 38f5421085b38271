"""What a network says of each picture, in the dataset's order, beside the pictures it got wrong."""

import numpy as np
import pytest
import torch

from bnexp.data.dataset import Dataset, LabelledImages
from bnexp.training.answers import Answers, shrink
from bnexp.training.setup import find_evaluation_order

NAMES = tuple("abc")


def build_dataset(labels):
    images = np.arange(len(labels), dtype=np.uint8)[:, None, None, None].repeat(4, 1)
    test = LabelledImages(images, np.array(labels, np.int64))
    return Dataset("made up", test, test, NAMES)


def collect(logits):
    """Returns the answers as an evaluation collects them, in its order and in batches."""
    answers = Answers()
    order = torch.from_numpy(find_evaluation_order(len(logits)))
    for batch in torch.tensor(logits, dtype=torch.float32)[order].split(2):
        answers.add(batch)
    return answers


def test_answers_are_in_the_order_of_the_dataset_with_the_likeliest_class_first():
    logits = [[0, 2, 1], [3, 0, 0], [0, 0, 5], [1, 2, 3], [0, 1, 0]]
    found = collect(logits).to_predictions(build_dataset([1, 0, 2, 0, 1]), 24)

    assert found.classes.tolist() == [[1, 2, 0], [0, 1, 2], [2, 0, 1], [2, 1, 0], [1, 0, 2]]
    shares = torch.tensor(logits, dtype=torch.float32).softmax(1).sort(descending=True).values
    np.testing.assert_allclose(found.probabilities, shares, atol=5e-4)
    assert found.confusion.counts == ((1, 0, 1), (0, 2, 0), (0, 0, 1))


def test_of_classes_that_are_equally_likely_the_one_that_the_accuracy_counts_comes_first():
    found = collect([[1, 1, 1], [0, 1, 1]]).to_predictions(build_dataset([0, 1]), 24)

    assert found.classes[:, 0].tolist() == [0, 1]
    assert found.confusion.accuracy == 1


@pytest.mark.parametrize("most", [0, 2, 9])
def test_the_surest_mistakes_come_first_with_their_pictures(most):
    logits = [[9.0, 0, 0], [0, 4.0, 0], [0, 0, 6.0], [0, 5.0, 0]]  # of which the first is right
    found = collect(logits).to_predictions(build_dataset([0, 0, 0, 0]), most)

    assert found.mistakes.tolist() == [2, 3, 1][:most]
    assert found.pictures[:, 0, 0, 0].tolist() == [2, 3, 1][:most]


def test_more_than_ten_classes_leave_the_ten_likeliest():
    logits = torch.arange(12.0)[None] / 9
    answers = Answers()
    answers.add(logits)
    test = LabelledImages(np.zeros((1, 2, 2, 1), np.uint8), np.array([3]))
    found = answers.to_predictions(Dataset("d", test, test, tuple("abcdefghijkl")), 1)

    assert found.classes.tolist() == [[11, 10, 9, 8, 7, 6, 5, 4, 3, 2]]
    assert 0.5 < found.probabilities.sum() < 0.99


def test_large_pictures_become_means_of_squares():
    picture = np.zeros((1, 192, 100, 1), np.uint8)
    picture[:, ::2] = 100

    small = shrink(picture)

    assert small.shape == (1, 96, 50, 1)
    assert (small == 50).all()
    assert shrink(picture[:0]).shape == (0, 96, 50, 1)
    assert shrink(picture[:, :90, :90]).shape == (1, 90, 90, 1)
    assert shrink(np.full((1, 3, 500, 3), 7, np.uint8)).max() == 7
