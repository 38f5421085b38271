"""A trained network, loaded again: it says what it said when it was trained."""

import json
from collections import Counter
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from interrupted_runs import plan, train
from PIL import Image
from torch import nn

from bnexp.config.load import restore_spec
from bnexp.errors import BnexpError, UsageError
from bnexp.runs import read_run
from bnexp.runs.inspection import inspect
from bnexp.runs.measured.predictions import read_predictions
from bnexp.trained.evaluation import evaluate_run, read_labelled
from bnexp.trained.network import load_network

KINDS = ("ema", "precise", "batch")


def make_trained(folder, *overrides):
    run = plan(folder, "train.epochs=1", *overrides)
    assert train(run)[0] == "finished"
    return read_run(run.folder.path)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A network with batch norm, trained for an epoch, and the images that it was tested on."""
    folder = tmp_path_factory.mktemp("trained")
    kinds = f"evaluate.population_statistics=[{','.join(KINDS)}]"
    record = make_trained(folder, kinds, "data.test_size=null")
    dataset = restore_spec(record).config.data.load(print)
    return SimpleNamespace(
        folder=folder, record=record, network=load_network(record), dataset=dataset
    )


@pytest.fixture(scope="module")
def pictures(trained):
    """The dataset's first test images, as PNG files in folders."""
    root = trained.folder / "pictures"
    for number in range(60):
        label = trained.dataset.test.labels[number]
        path = root / trained.dataset.class_names[label] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(trained.dataset.test.images[number]).save(path)
    return root


def as_tensor(images):
    return torch.from_numpy(images.copy()).permute(0, 3, 1, 2)


def test_an_evaluation_repeats_the_last_one_of_the_training_exactly(trained):
    found = evaluate_run(trained.record, kinds=KINDS)
    final = trained.record.summary.final

    for kind, one in zip(KINDS, found, strict=True):
        prefix = "test" if kind == "ema" else f"test_{kind}"
        assert one.score.loss == final[f"{prefix}/loss"]
        assert one.score.accuracy == final[f"{prefix}/accuracy"]
        assert one.statistics == kind


@pytest.mark.parametrize(
    "overrides",
    [
        ("model.norm={name: group, num_groups: 2}",),
        ("train.precision=bf16", "model.placement=after_activation"),
        ("train.memory_format=contiguous",),
        ("model={name: resnet, depth: 8, width: 4}",),
        ("model={name: mlp, hidden: [8]}", "model.norm=layer"),
    ],
)
def test_every_kind_of_network_is_loaded_as_it_was(tmp_path, overrides):
    record = make_trained(tmp_path, *overrides)
    (found,) = evaluate_run(record)

    assert found.score.loss == record.summary.final["test/loss"]
    assert found.statistics == (None if "model.norm=" in str(overrides) else "ema")
    assert load_network(record).training is False


def test_pictures_give_the_logits_of_the_evaluation(trained):
    images, labels = trained.dataset.test.images, trained.dataset.test.labels
    pixels = as_tensor(images)
    with torch.no_grad():
        logits = trained.network(pixels)
        of_floats = trained.network(pixels.float() / 255)
    accuracy = (logits.argmax(1).numpy() == labels).mean()

    assert accuracy == trained.record.summary.final["test/accuracy"]
    torch.testing.assert_close(of_floats, logits, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(trained.network.predict(pixels), logits.softmax(1))


def test_classes_are_scored_by_themselves(trained):
    (found,) = evaluate_run(trained.record)
    with torch.no_grad():
        taken = trained.network(as_tensor(trained.dataset.test.images)).argmax(1).tolist()
    pairs = Counter(zip(trained.dataset.test.labels.tolist(), taken, strict=True))
    recalls = [
        pairs[true, true] / sum(pairs[true, other] for other in range(10)) for true in range(10)
    ]

    assert found.confusion.counts == tuple(
        tuple(pairs[true, other] for other in range(10)) for true in range(10)
    )
    assert [one.accuracy for one in found.confusion.classes] == recalls
    assert found.confusion.balanced_accuracy == pytest.approx(np.mean(recalls))
    number, true, other = found.confusion.find_confusions()[0]
    names = trained.dataset.class_names
    assert number == max(count for (row, column), count in pairs.items() if row != column)
    assert pairs[names.index(true), names.index(other)] == number


def test_a_state_dict_loads_into_plain_layers(trained):
    """The network of the config, written out in PyTorch's own layers."""
    plain = nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(4)
    )
    state = trained.network.network.state_dict()
    blocks = [value for name, value in state.items() if not name.startswith("linear")]
    plain.load_state_dict(dict(zip(plain.state_dict(), blocks, strict=True)))
    head = [value for name, value in state.items() if name.startswith("linear")]
    images = as_tensor(trained.dataset.test.images[:50])
    frame = trained.network.frame
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (frame.mean, frame.std))
    with torch.no_grad():
        features = plain.eval()((images / 255 - mean) / std).mean((2, 3))
        expected = features @ head[0].T + head[1]
        torch.testing.assert_close(trained.network(images), expected, rtol=1e-4, atol=1e-5)


def test_own_pictures_in_folders_are_evaluated(trained, pictures):
    (found,) = evaluate_run(trained.record, pictures)
    with torch.no_grad():
        logits = trained.network(as_tensor(trained.dataset.test.images[:60]))
    hits = (logits.argmax(1).numpy() == trained.dataset.test.labels[:60]).sum()

    assert found.confusion.count == 60
    assert sum(one.hits for one in found.confusion.classes) == hits
    shares, taken = logits.softmax(1).max(1)
    names, labels = trained.network.class_names, trained.dataset.test.labels[:60].tolist()
    answers = zip(labels, taken.tolist(), shares.tolist(), strict=True)
    wrong = {
        pictures / names[true] / f"{place}.png": (names[true], names[other], pytest.approx(share))
        for place, (true, other, share) in enumerate(answers)
        if true != other
    }
    assert {one.path: (one.true, one.taken, one.probability) for one in found.mistakes} == wrong
    sure = [one.probability for one in found.mistakes]
    assert sure == sorted(sure, reverse=True)


def test_pictures_of_another_size_are_resized_and_that_is_said(trained, tmp_path):
    name = trained.network.class_names[3]
    (tmp_path / "test" / name).mkdir(parents=True)
    Image.new("L", (50, 40), 100).save(tmp_path / "test" / name / "a.jpg")
    said = []
    images, _ = read_labelled(tmp_path, trained.network.frame, said.append)
    others = [one for one in trained.network.class_names if one != name]

    assert images.images.shape == (1, 32, 32, 3)
    assert images.labels.tolist() == [3]
    assert said == [
        f"uses {tmp_path / 'test'}",
        f"{tmp_path / 'test'} has no pictures of {', '.join(others[:5])} and 4 more",
        "1 of 1 picture resized to 32×32 pixels",
    ]


def test_a_folder_that_is_no_class_is_refused_with_the_classes(trained, tmp_path):
    name = trained.network.class_names[0]
    (tmp_path / name.title()).mkdir()
    Image.new("RGB", (8, 8)).save(tmp_path / name.title() / "a.png")

    with pytest.raises(UsageError, match=f"did you mean '{name}'"):
        evaluate_run(trained.record, tmp_path)
    with pytest.raises(UsageError, match="does not exist"):
        evaluate_run(trained.record, tmp_path / "nowhere")
    with pytest.raises(UsageError, match="holds no class"):
        evaluate_run(trained.record, tmp_path / name.title())


def test_a_damaged_checkpoint_is_not_used(tmp_path):
    record = make_trained(tmp_path)
    checkpoint = record.path / "checkpoint.pt"
    content = bytearray(checkpoint.read_bytes())
    content[len(content) // 2] ^= 1
    checkpoint.write_bytes(content)

    with pytest.raises(BnexpError, match="is damaged"):
        load_network(record)
    checkpoint.unlink()
    (record.path / "checkpoint.previous.pt").unlink(missing_ok=True)
    with pytest.raises(UsageError, match="no checkpoint"):
        load_network(record)


def test_a_wrong_shape_is_refused(trained):
    with pytest.raises(ValueError, match=r"\(N, 3, 32, 32\), not \(2, 3, 8, 8\)"):
        trained.network(torch.zeros(2, 3, 8, 8))


def test_the_commands_print_what_was_found(trained, pictures, bnexp):
    picture = next(path for path in sorted(pictures.rglob("*.png")))
    scores = bnexp("evaluate", "small", "--json", cwd=trained.folder)
    table = bnexp("evaluate", "small", "--data", pictures, cwd=trained.folder, COLUMNS="80")
    answer = bnexp("predict", "small", picture, "--json", cwd=trained.folder)

    assert json.loads(scores.stdout)[0]["loss"] == trained.record.summary.final["test/loss"]
    assert "of 60 pictures right" in table.stdout
    assert "\nwhat each class (row) was taken for (column)\n" in table.stdout
    assert "\nthe 20 most confident of " in table.stdout
    (found,) = json.loads(answer.stdout)
    with torch.no_grad():
        pixels = as_tensor(np.asarray(Image.open(picture))[None])
        shares, places = trained.network.predict(pixels)[0].topk(3)
    assert [one["name"] for one in found["classes"]] == [
        trained.network.class_names[place] for place in places
    ]
    assert [one["probability"] for one in found["classes"]] == pytest.approx(shares.tolist())


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("evaluate", "none"), "no runs"),
        (("evaluate", "small", "--population-statistics", "preciss"), "did you mean 'precise'"),
        (("predict", "small", "nowhere.png"), "nowhere.png does not exist\n"),
        (("predict", "small", "runs"), "runs is a folder; name the pictures in it, e.g. runs/*"),
        (("evaluate", "small", "--data", "no"), "no does not exist: name a folder with one folder"),
    ],
)
def test_mistakes_are_answered_in_a_sentence(trained, bnexp, arguments, words):
    done = bnexp(*arguments, cwd=trained.folder)

    assert done.returncode == 2
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_the_predictions_that_a_run_keeps_are_those_of_an_evaluation(trained):
    """To the digit: the same pictures, classes and accuracies."""
    (found,) = evaluate_run(trained.record)
    kept, test = read_predictions(trained.record), trained.dataset.test
    shares = trained.network.predict(as_tensor(test.images)).numpy()
    wrong = {int(place) for place in np.flatnonzero(shares.argmax(1) != test.labels)}
    surest = sorted(wrong, key=lambda place: -shares[place].max())

    assert kept.confusion == found.confusion
    assert kept.confusion.accuracy == trained.record.summary.final["test/accuracy"]
    assert (kept.labels == test.labels).all()
    assert (kept.classes[:, 0] == shares.argmax(1)).all()
    np.testing.assert_allclose(
        kept.probabilities, np.take_along_axis(shares, kept.classes.astype(int), 1), atol=1e-3
    )
    assert kept.mistakes.tolist() == surest[:24]
    assert (kept.pictures == test.images[surest[:24]]).all()
    assert inspect(trained.record.path) == []
