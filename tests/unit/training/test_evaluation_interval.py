"""When a network is evaluated changes nothing but which of its scores are known."""

import itertools
import time

import pytest
import torch
from toy_training import CPU, Notes, build_dataset, configure

from bnexp.config.train import EvaluateConfig
from bnexp.norms.noisy_batch.config import NoisyBatchNormConfig
from bnexp.training.evaluation import Score
from bnexp.training.loop import StoppedError, Training
from bnexp.training.population import Evaluator
from bnexp.training.saving.progress import Progress
from bnexp.training.setup import build_parts

EVERY_4 = EvaluateConfig(every_steps=4, population_statistics=("ema", "precise"))
TAGS = {
    f"{images}{kind}/{figure}"
    for images in ("val", "test")
    for kind in ("", "_precise")
    for figure in ("loss", "accuracy")
}


@pytest.fixture(scope="module")
def dataset():
    return build_dataset()


def run(config, dataset):
    notes, parts = Notes(), build_parts(config, dataset, CPU)
    summary = Training(config, parts, notes, lambda: False).run()
    return summary, notes, parts


@pytest.fixture(scope="module")
def evaluated(dataset):
    return run(configure(evaluate=EVERY_4, dropout=0.4), dataset)


def test_evaluations_come_at_each_multiple_and_at_the_end_of_each_epoch(evaluated):
    summary, notes, _ = evaluated

    rows = [(step, epoch) for step, epoch, scalars in notes.rows if "test/loss" in scalars]
    # Two epochs of 6 steps; step 12 is both.
    assert rows == [(4, 1), (6, 1), (8, 2), (12, 2)]
    assert summary.evaluated_steps == (4, 6, 8, 12)
    assert summary.steps_per_epoch == 6
    assert set(summary.evaluations) == TAGS


def test_the_rows_the_summary_and_the_epochs_hold_the_same_scores(evaluated):
    summary, notes, _ = evaluated
    rows = [scalars for _, _, scalars in notes.rows if "test/loss" in scalars]

    for tag, values in summary.evaluations.items():
        assert [row[tag] for row in rows] == list(values)
        assert (values[1], values[3]) == summary.history[tag]
        assert summary.final[tag] == values[3]
    assert len(summary.history["train/loss"]) == 2


def test_the_scores_are_those_of_the_network_after_that_step(evaluated, dataset):
    config = configure(dropout=0.4)
    parts = build_parts(config, dataset, CPU)
    learner, number = parts.learner, 0
    scores = []
    for epoch in range(2):
        for batch in parts.batches.epoch(epoch):
            number += 1
            learner.step(number, batch)
            if number in (4, 8):
                score = parts.evaluator.score(learner.model, parts.evaluation_sets["test"])
                scores.append((score.loss, score.accuracy))

    found = evaluated[0].evaluations
    pairs = list(zip(found["test/loss"], found["test/accuracy"], strict=True))
    assert scores == [pairs[0], pairs[2]]


@pytest.mark.parametrize("changes", [{"dropout": 0.4}, {"norm": NoisyBatchNormConfig()}])
def test_the_training_has_the_bits_that_it_has_without(changes, dataset):
    summary, _, parts = run(configure(evaluate=EVERY_4, **changes), dataset)
    plain, _, others = run(configure(**changes), dataset)

    state, expected = parts.learner.model.state_dict(), others.learner.model.state_dict()
    assert all(torch.equal(state[name], value) for name, value in expected.items())
    for tag in ("train/loss", "test/loss", "val/accuracy"):
        assert summary.history[tag] == plain.history[tag]
    assert plain.evaluated_steps is None
    assert plain.evaluations is None
    assert summary.best["epoch"] == plain.best["epoch"]


def test_an_interval_that_is_the_epoch_adds_nothing_but_its_record(dataset):
    summary, notes, _ = run(configure(evaluate=EvaluateConfig(every_steps=6)), dataset)

    assert summary.evaluated_steps == (6, 12)
    assert [step for step, _, scalars in notes.rows if "test/loss" in scalars] == [6, 12]


def test_the_time_of_evaluations_does_not_count_as_training(dataset, monkeypatch):
    score = Evaluator.score

    def score_slowly(*arguments):
        time.sleep(0.5)
        return score(*arguments)

    monkeypatch.setattr(Evaluator, "score", score_slowly)
    config = configure(evaluate=EvaluateConfig(every_steps=2), log_every=50, epochs=1)
    summary, _, _ = run(config, dataset)

    # Two evaluations of two sets within the epoch take 2 s; its 6 steps take far less.
    assert 180 / summary.images_per_second < 1.5
    assert summary.elapsed_seconds > 2


def test_a_loss_beyond_its_bound_ends_the_run_for_that_before_an_evaluation(dataset):
    config = configure(divergence_loss=2.3, log_every=6, evaluate=EvaluateConfig(every_steps=4))
    summary, notes, _ = run(config, dataset)
    plain, _, _ = run(configure(divergence_loss=2.3, log_every=6), dataset)

    assert summary.status == "diverged"
    assert (summary.steps, summary.reason) == (plain.steps, plain.reason)
    assert not [scalars for _, _, scalars in notes.rows if "test/loss" in scalars]
    assert summary.evaluated_steps is None


def test_an_evaluation_after_the_last_epoch_alone_has_the_same_final_bits(dataset):
    kinds = ("ema", "precise", "batch")
    last = EvaluateConfig(after="last_epoch", population_statistics=kinds)
    summary, notes, parts = run(configure(evaluate=last, dropout=0.4), dataset)
    each = EvaluateConfig(population_statistics=kinds)
    plain, _, others = run(configure(evaluate=each, dropout=0.4), dataset)

    state, expected = parts.learner.model.state_dict(), others.learner.model.state_dict()
    assert all(torch.equal(state[name], value) for name, value in expected.items())
    final, known = ({**one.final} for one in (summary, plain))
    assert final.pop("perf/images_per_second") > 0
    del known["perf/images_per_second"]
    assert final == known
    assert not [tag for tag in summary.history if tag.startswith(("val", "test"))]
    assert summary.history["train/loss"] == plain.history["train/loss"]
    assert summary.best == {}
    (row,) = [(step, epoch, row) for step, epoch, row in notes.rows if "test/loss" in row]
    assert row[:2] == (12, 2)
    assert {"val_batch/loss", "test_precise/accuracy", "train_eval/loss"} <= row[2].keys()


@pytest.mark.parametrize("boundary", range(12, 17))
def test_a_run_that_is_stopped_among_its_last_evaluations_repeats_them(boundary, dataset):
    config = configure(evaluate=EvaluateConfig(after="last_epoch"))
    whole = Training(config, build_parts(config, dataset, CPU), Notes(), lambda: False)
    expected = whole.run()
    calls = itertools.count()
    saved = []
    parts, notes = build_parts(config, dataset, CPU), Notes()
    stopped = Training(config, parts, notes, lambda: next(calls) == boundary, saved.append)
    with pytest.raises(StoppedError):
        stopped.run()
    assert not saved[-1].final

    resumed = Training(config, parts, notes, lambda: False, progress=saved[-1])
    summary = resumed.run()

    known = {"perf/images_per_second"}
    assert {tag: value for tag, value in summary.final.items() if tag not in known} == {
        tag: value for tag, value in expected.final.items() if tag not in known
    }
    assert resumed.answers is not None
    assert [step for step, _, row in notes.rows if "test/loss" in row] == [12]


def test_scores_that_are_no_numbers_end_the_run_after_its_last_epoch_too(dataset, monkeypatch):
    monkeypatch.setattr(Evaluator, "score", lambda *_: Score(float("nan"), 0.0))
    config = configure(evaluate=EvaluateConfig(after="last_epoch"))
    summary, _, _ = run(config, dataset)

    assert (summary.status, summary.final) == ("diverged", {})
    assert summary.reason == "the val loss was nan after step 12"


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"evaluations": {"test/loss": [1.0]}}, "the evaluations are not those of 2 steps"),
        ({"evaluated_steps": [2, 9]}, "an evaluation is beyond step 4"),
    ],
)
def test_impossible_evaluations_in_a_checkpoint_are_found(changes, problem):
    sound = {"evaluated_steps": [2, 4], "evaluations": {"test/loss": [1.0, 2.0]}}
    position = {"step": 4, "step_in_epoch": 4}

    assert Progress(**position, **sound).find_problem(2, 6) is None
    assert Progress(**position, **{**sound, **changes}).find_problem(2, 6) == problem
