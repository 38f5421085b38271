"""The loop against a plain loop written out, and what it does when a run goes wrong."""

import dataclasses

import numpy as np
import pytest
import torch
from torch.nn import functional
from toy_training import CPU, Notes, build_dataset, configure

from bnexp.config.optim import CosineScheduleConfig, SgdConfig
from bnexp.data.dataset import LabelledImages
from bnexp.data.split import stratified_split
from bnexp.norms.batch.config import BatchNormConfig
from bnexp.norms.none.config import NoNormConfig
from bnexp.training import learner
from bnexp.training.evaluation import Score, ScoreSum, evaluate
from bnexp.training.loop import StoppedError, Training
from bnexp.training.setup import build_parts


@pytest.fixture
def dataset():
    return build_dataset()


class DrawingNotes(Notes):
    """Draws from the global generator at every step, as a callback of the user's might."""

    def __init__(self, draws):
        super().__init__()
        self.draws = draws

    def progress(self, step, total_steps):
        torch.rand(step % 3 + self.draws)


def run(config, dataset, should_stop=lambda: False, notes=None):
    notes = notes or Notes()
    parts = build_parts(config, dataset, CPU)
    return Training(config, parts, notes, should_stop).run(), notes, parts


def test_the_loop_gives_the_weights_and_figures_of_a_plain_loop(dataset):
    config = configure()
    summary, _, parts = run(config, dataset)

    plain = build_parts(config, dataset, CPU)
    losses, hits, step = [], 0, 0
    for epoch in range(2):
        losses, hits = [], 0
        for inputs, targets in plain.batches.epoch(epoch):
            for group in plain.learner.optimizer.param_groups:
                group["lr"] = config.optim.compute_rate(step, 12, 6)
            plain.learner.optimizer.zero_grad()
            logits = plain.learner.model(inputs)
            loss = functional.cross_entropy(logits, targets)
            loss.backward()
            plain.learner.optimizer.step()
            losses += [loss.item()] * len(targets)
            hits += (logits.argmax(1) == targets).sum().item()
            step += 1
    for name, value in plain.learner.model.state_dict().items():
        assert torch.equal(value, parts.learner.model.state_dict()[name]), name
    assert summary.history["train/loss"][-1] == pytest.approx(np.mean(losses), rel=1e-6)
    assert summary.history["train/accuracy"][-1] == pytest.approx(hits / 180)
    plain.learner.model.eval()
    inputs, targets = plain.evaluation_sets["test"].gather(torch.arange(100))
    logits = plain.learner.model(inputs)
    hits = (logits.argmax(1) == targets).sum().item()
    assert summary.final["test/accuracy"] == hits / 100
    assert summary.final["test/loss"] == pytest.approx(
        functional.cross_entropy(logits, targets).item(), rel=1e-5
    )
    assert summary.steps == 12


@pytest.mark.parametrize("memory_format", ["channels_last", "contiguous"])
def test_training_twice_gives_the_same_bits_whatever_else_draws(memory_format, dataset):
    config = configure(dropout=0.5, memory_format=memory_format)
    first, _, parts = run(config, dataset)
    second, _, again = run(config, dataset, notes=DrawingNotes(draws=7))

    assert first.history["train/loss"] == second.history["train/loss"]
    for name, value in parts.learner.model.state_dict().items():
        assert torch.equal(value, again.learner.model.state_dict()[name]), name


def test_every_step_drops_other_units(dataset, monkeypatch):
    states = []
    step = learner.train_step

    def watch(*arguments):
        states.append(bytes(torch.get_rng_state().tolist()))
        return step(*arguments)

    monkeypatch.setattr(learner, "train_step", watch)
    run(configure(dropout=0.5), dataset)

    assert len(set(states)) == len(states) == 12


def test_the_runs_throughput_is_its_images_by_the_time_of_its_epochs(dataset):
    summary, _, _ = run(configure(), dataset)

    seconds = sum(180 / speed for speed in summary.history["perf/images_per_second"])
    assert summary.images_per_second == pytest.approx(2 * 180 / seconds)


def test_rows_come_every_few_steps_and_at_the_end_of_an_epoch(dataset):
    _, notes, _ = run(configure(log_every=4), dataset)

    training = [step for step, _, scalars in notes.rows if "train/loss" in scalars]
    evaluation = [step for step, _, scalars in notes.rows if "test/loss" in scalars]
    assert training == [4, 6, 10, 12]
    assert evaluation == [6, 12]


def test_a_short_rest_of_an_epoch_joins_the_row_before_it(dataset):
    _, notes, _ = run(configure(log_every=5), dataset)

    assert [step for step, _, scalars in notes.rows if "train/loss" in scalars] == [6, 12]


def test_final_figures_hold_the_training_images_in_evaluation_mode(dataset):
    config = configure()
    summary, _, parts = run(config, dataset)

    score = evaluate(parts.learner.model, parts.plain_training_images, "fp32")
    assert summary.final["train_eval/accuracy"] == score.accuracy
    assert len(parts.plain_training_images) == 100


def test_the_best_epoch_is_chosen_on_validation_alone(dataset):
    summary, _, _ = run(configure(epochs=4), dataset)

    values = summary.history["val/accuracy"]
    assert summary.best["epoch"] == values.index(max(values)) + 1
    assert (
        summary.best["test/accuracy"] == summary.history["test/accuracy"][summary.best["epoch"] - 1]
    )


def test_without_validation_images_there_is_no_best_epoch(dataset):
    summary, _, _ = run(configure(data={"val_size": 0}), dataset)

    assert summary.best == {}
    assert "val/accuracy" not in summary.final


def test_a_loss_that_is_not_a_number_ends_the_run_as_diverged_at_its_step(dataset):
    config = configure(
        norm=NoNormConfig(), optim=SgdConfig(learning_rate=1e18, schedule=CosineScheduleConfig())
    )
    summary, _, _ = run(config, dataset)

    # Step 1 is from finite initial values; its update of 1e18 spoils the second.
    assert (summary.status, summary.steps) == ("diverged", 2)
    assert summary.reason.endswith("at step 2")
    assert summary.final == {}


def test_a_loss_beyond_its_bound_ends_the_run_as_diverged(dataset):
    summary, _, _ = run(configure(divergence_loss=0.001), dataset)

    assert (summary.status, summary.steps) == ("diverged", 1)


def test_a_run_that_ends_with_weights_that_are_not_numbers_is_diverged(dataset):
    config = configure(
        norm=NoNormConfig(),
        epochs=1,
        data={"batch_size": 180},
        optim=SgdConfig(learning_rate=1e38, schedule=CosineScheduleConfig()),
    )
    summary, _, _ = run(config, dataset)

    assert summary.status == "diverged"
    assert "val loss was" in summary.reason


class Spoiler(Notes):
    """Sets a running variance to infinity after a step, as an overflow would."""

    def __init__(self, step):
        super().__init__()
        self.step = step
        self.model = None

    def progress(self, step, total_steps):
        if step == self.step:
            self.model.layers[1].norm.running_var[0] = float("inf")


def test_a_running_variance_that_is_not_finite_ends_the_run_as_diverged(dataset):
    config, notes = configure(), Spoiler(step=8)
    parts = build_parts(config, dataset, CPU)
    notes.model = parts.learner.model
    summary = Training(config, parts, notes, lambda: False).run()

    # Every score is finite: an infinite variance only makes the channel constant.
    assert evaluate(parts.learner.model, parts.evaluation_sets["test"], "fp32").loss < 10
    assert (summary.status, summary.steps, summary.epochs) == ("diverged", 12, 1)
    assert summary.reason == (
        "the buffer layers.1.norm.running_var held a value that is not finite after step 12"
    )
    assert summary.best["epoch"] == 1
    assert summary.final == {}


def test_a_stop_is_taken_at_the_next_step(dataset):
    asked = iter([False] * 4 + [True])

    with pytest.raises(StoppedError) as caught:
        run(configure(), dataset, lambda: next(asked))
    assert caught.value.step == 4


def test_bf16_trains_to_about_the_loss_of_fp32(dataset):
    fp32, _, _ = run(configure(), dataset)
    bf16, _, parts = run(configure(precision="bf16"), dataset)

    assert bf16.final["train/loss"] == pytest.approx(fp32.final["train/loss"], rel=0.05)
    assert {parameter.dtype for parameter in parts.learner.model.parameters()} == {torch.float32}


def test_sums_over_batches_of_unequal_size_are_means_over_images():
    total = ScoreSum()
    torch.manual_seed(0)
    batches = [(torch.randn(size, 10), torch.randint(10, (size,))) for size in (5, 3, 1)]
    for logits, targets in batches:
        total.add(functional.cross_entropy(logits, targets), logits, targets)

    logits, targets = (torch.cat(parts) for parts in zip(*batches, strict=True))
    score = Score.of(total.read())
    assert score.loss == pytest.approx(functional.cross_entropy(logits, targets).item(), rel=1e-6)
    assert score.accuracy == pytest.approx((logits.argmax(1) == targets).float().mean().item())


def test_evaluation_leaves_the_model_as_it_was(dataset):
    parts = build_parts(configure(), dataset, CPU)
    before = {name: value.clone() for name, value in parts.learner.model.state_dict().items()}

    evaluate(parts.learner.model.train(), parts.evaluation_sets["test"], "fp32")

    assert parts.learner.model.training
    assert all(
        torch.equal(value, before[name]) for name, value in parts.learner.model.state_dict().items()
    )


def test_a_norm_without_running_statistics_is_evaluated_with_the_training_batch(dataset):
    config = configure(norm=BatchNormConfig(track_running_stats=False))
    summary, _, parts = run(config, dataset)

    # 100 images in batches of 32: the last 28 are filled up with the first 4 of the set.
    score = parts.evaluator.score(parts.learner.model, parts.evaluation_sets["test"], "batch")
    assert summary.final["test/accuracy"] == score.accuracy
    assert parts.evaluator.shared_batch_size == 32


def test_images_are_normalised_by_the_training_images_alone(dataset):
    # 20 of the 200 are for validation, and much brighter than the rest.
    config = configure(data={"augment": ()})
    _, val = stratified_split(dataset.train.labels, None, 20)
    pixels = dataset.train.images.copy()
    pixels[val] += 100
    bright = dataclasses.replace(
        dataset, train=LabelledImages(pixels, dataset.train.labels), test=dataset.test
    )
    parts = build_parts(config, bright, CPU)

    inputs = torch.cat([inputs for inputs, _ in parts.batches.epoch(0)])
    assert len(inputs) == 180
    assert inputs.mean((0, 2, 3)).tolist() == pytest.approx([0, 0, 0], abs=1e-4)
    assert inputs.std((0, 2, 3)).tolist() == pytest.approx([1, 1, 1], rel=1e-3)
    assert parts.evaluation_sets["val"].gather(torch.arange(20))[0].mean() > 1


@pytest.mark.parametrize("standardization", [False, "scaled"])
def test_the_optimiser_spares_exactly_gamma_and_beta_and_gains(standardization, dataset):
    config = configure()
    update = {"weight_standardization": standardization}
    config = config.model_copy(update={"model": config.model.model_copy(update=update)})
    parts = build_parts(config, dataset, CPU)

    _, spared = parts.learner.optimizer.param_groups
    names = {
        name
        for name, value in parts.learner.model.named_parameters()
        if any(value is other for other in spared["params"])
    }
    learned = ["norm.weight", "norm.bias", *(["conv.gain"] if standardization else [])]
    assert names == {f"layers.{index}.{name}" for index in (0, 1) for name in learned}
