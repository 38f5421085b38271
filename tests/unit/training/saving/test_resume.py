"""A run that goes on from a checkpoint is the run that never stopped, bit for bit."""

import contextlib
import io

import pytest
import torch
from toy_training import CPU, Notes, build_dataset, configure

from bnexp.config.optim import AdamWConfig, SgdConfig
from bnexp.config.train import CheckpointInterval, EvaluateConfig, TrainConfig
from bnexp.data.shapes.config import ShapesConfig
from bnexp.norms.batch.config import BatchNormConfig
from bnexp.norms.batch_renorm.config import BatchRenormConfig
from bnexp.norms.noisy_batch.config import NoisyBatchNormConfig
from bnexp.norms.none.config import NoNormConfig
from bnexp.training.loop import StoppedError, Training
from bnexp.training.saving.checkpoint import restore, write_tensors
from bnexp.training.saving.progress import CheckpointMetadata
from bnexp.training.saving.save_schedule import SaveSchedule
from bnexp.training.setup import build_parts


@pytest.fixture(scope="module")
def dataset():
    return build_dataset()


class Run:
    """One run in as many attempts as it takes, each with new parts and a checkpoint's bytes."""

    def __init__(self, config, dataset, device=CPU):
        self.config, self.dataset, self.device = config, dataset, device
        self.saved = None
        self.rows = []
        self.summary = None

    def attempt(self, boundaries=None):
        """Trains until the given number of step boundaries, or to the end."""
        parts = build_parts(self.config, self.dataset, self.device)
        progress, notes, asked = None, Notes(), 0
        if self.saved is not None:
            restore(self.saved[0], parts.learner.model, parts.learner.optimizer)
            progress = self.progress
        rows = self.rows[: progress.rows] if progress else []

        def should_stop():
            nonlocal asked
            asked += 1
            return boundaries is not None and asked > boundaries

        def save(progress):
            metadata = CheckpointMetadata(fingerprint="f", conditions={}, progress=progress)
            tensors = write_tensors(parts.learner.model, parts.learner.optimizer)
            self.saved = tensors, metadata.to_bytes()

        training = Training(self.config, parts, notes, should_stop, save, progress)
        with contextlib.suppress(StoppedError):
            self.summary = training.run()
        self.rows = rows + notes.rows
        return parts

    @property
    def tensors(self):
        return torch.load(io.BytesIO(self.saved[0]), weights_only=True)

    @property
    def progress(self):
        return CheckpointMetadata.read(self.saved[1]).progress

    def results(self):
        checkpoint, progress = self.tensors, self.progress.model_dump()
        timeless = {
            key: value
            for key, value in progress.items()
            if not key.endswith("_seconds") and key not in ("peak_memory_bytes", "history", "final")
        }
        return {
            "model": {key: value.numpy().tobytes() for key, value in checkpoint["model"].items()},
            "slots": {
                (number, name): value.numpy().tobytes()
                for number, slot in checkpoint["optimizer"].items()
                for name, value in slot.items()
            },
            "progress": timeless,
            "rows": [(step, epoch, drop_speed(scalars)) for step, epoch, scalars in self.rows],
            "history": drop_speed(self.summary.history),
            "final": drop_speed(self.summary.final),
            "evaluated": (self.summary.evaluated_steps, self.summary.evaluations),
            "status": (self.summary.status, self.summary.steps, self.summary.reason),
            "memory": self.summary.training_memory_bytes,
        }


def drop_speed(scalars):
    return {tag: value for tag, value in scalars.items() if tag != "perf/images_per_second"}


CONFIGS = {
    "sgd with dropout": configure(dropout=0.4, log_every=4),
    "contiguous memory": configure(memory_format="contiguous"),
    "noisy batch norm, adamw": configure(norm=NoisyBatchNormConfig(), optim=AdamWConfig()),
    "batch renorm, bf16": configure(norm=BatchRenormConfig(), precision="bf16"),
    "cumulative statistics": configure(norm=BatchNormConfig(momentum=None)),
    "without momentum": configure(norm=NoNormConfig(), optim=SgdConfig(momentum=0.0)),
    "batches of few classes": configure(data={"classes_per_batch": 3}),
    "clipped": configure(optim=SgdConfig(learning_rate=0.1, clip_norm=0.5), log_every=4),
    "clipped by units, adamw": configure(optim=AdamWConfig(adaptive_clip=0.05)),
    "norms alone": configure(trainable="norms", train_output_layer=True),
    "a few weights": configure(trainable="as_many_as_norms"),
    "evaluated every 4 steps": configure(dropout=0.4, evaluate=EvaluateConfig(every_steps=4)),
    "diverging at an evaluation within a row": configure(
        divergence_loss=2.3, log_every=6, evaluate=EvaluateConfig(every_steps=2)
    ),
    "diverging by its loss": configure(divergence_loss=2.3, log_every=4),
}


@pytest.mark.parametrize("name", CONFIGS)
def test_stopped_at_any_boundary_a_run_ends_with_the_same_bits(name, dataset):
    whole = Run(CONFIGS[name], dataset)
    whole.attempt()
    expected = whole.results()

    every = CONFIGS[name].evaluate.every_steps
    # The first at each boundary, the others at each fourth, so that all together are at each.
    number = [*CONFIGS].index(name)
    first, step = (0, 1) if number == 0 else (number % 4, 4)
    for boundaries in range(first, 17 if every is None else 24, step):
        run = Run(CONFIGS[name], dataset)
        run.attempt(boundaries)
        if run.summary is None:
            run.attempt()
        assert run.results() == expected, boundaries


@pytest.mark.gpu
@pytest.mark.parametrize("name", CONFIGS)
def test_on_cuda_a_stopped_run_ends_with_the_bits_of_one_that_never_stopped(name, dataset, cuda):
    whole, run = (Run(CONFIGS[name], dataset, cuda) for _ in range(2))
    whole.attempt()
    while run.summary is None and len(run.rows) < 100:
        run.attempt(5)

    assert run.results() == whole.results()
    assert {value.device.type for value in run.tensors["model"].values()} == {"cpu"}


def test_stopped_every_few_boundaries_a_run_ends_with_the_same_bits(dataset):
    config = CONFIGS["sgd with dropout"]
    whole, run = Run(config, dataset), Run(config, dataset)
    whole.attempt()

    # An evaluation that is stopped starts over: its boundaries must fit into one attempt.
    attempts = 0
    while run.summary is None and attempts < 20:
        run.attempt(4)
        attempts += 1

    assert run.results() == whole.results()
    assert attempts >= 4


def test_a_run_that_is_done_and_lacks_its_summary_gets_the_same_one(dataset):
    run = Run(configure(), dataset)
    run.attempt()
    expected, rows = run.results(), len(run.rows)

    run.attempt()

    assert run.results() == expected
    assert len(run.rows) == rows


def test_time_goes_on_where_it_stopped(dataset):
    run = Run(configure(), dataset)
    run.attempt(7)
    before = run.progress
    run.attempt()

    assert run.summary.elapsed_seconds > before.elapsed_seconds > before.train_seconds > 0
    after = run.progress
    assert run.summary.images_per_second == pytest.approx(360 / after.train_seconds)


def test_what_is_saved_is_of_plain_types_alone(dataset):
    run = Run(configure(), dataset)
    run.attempt(7)

    with torch.serialization.safe_globals([]):
        assert run.tensors["optimizer"]
    assert run.progress.step == 6
    assert run.progress.step_in_epoch == 6


class Clock:
    now = 100.0

    def read(self):
        return self.now


def test_a_checkpoint_is_due_at_each_multiple_of_its_steps():
    schedule = SaveSchedule(CheckpointInterval(steps=5), step=5)

    due = []
    for step in range(5, 17):
        if schedule.is_due(step):
            schedule.note_saved(step, 0.0)
            due.append(step)
    assert due == [10, 15]


def test_a_slow_save_puts_off_the_next_so_that_saving_stays_below_one_percent():
    clock = Clock()
    schedule = SaveSchedule(CheckpointInterval(seconds=10.0), step=0, read_clock=clock.read)

    clock.now += 10
    assert schedule.is_due(1)
    schedule.note_saved(1, seconds=2.0)
    clock.now += 199
    assert not schedule.is_due(2)
    clock.now += 1
    assert schedule.is_due(2)


def test_no_interval_means_that_nothing_is_due_before_the_end():
    schedule = SaveSchedule(CheckpointInterval(), step=0)

    assert not any(schedule.is_due(step) for step in range(1_000))


def test_how_often_a_run_is_saved_does_not_make_it_another_one():
    config = configure().model_copy(update={"data": ShapesConfig()})
    often = config.model_copy(update={"train": TrainConfig(checkpoint_every=7)})
    longer = config.model_copy(update={"train": TrainConfig(epochs=7)})

    assert often.fingerprint() != longer.fingerprint()
    assert often.fingerprint() == config.model_copy(update={"train": TrainConfig()}).fingerprint()
