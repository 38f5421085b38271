"""A toy dataset and configs for the loop, and a recorder that keeps what it is told."""

from typing import Literal

import numpy as np
import torch

from bnexp.config.experiment import ExperimentConfig
from bnexp.config.optim import CosineScheduleConfig, SgdConfig
from bnexp.config.train import EvaluateConfig, TrainConfig
from bnexp.data.dataset import Dataset, DatasetConfig, LabelledImages
from bnexp.models.cnn.config import CnnConfig, ConvLayer
from bnexp.norms.batch.config import BatchNormConfig

CPU = torch.device("cpu")


class Toy(DatasetConfig):
    """Small pictures whose first channel tells the class."""

    name: Literal["toy"] = "toy"

    def load(self, say):
        raise NotImplementedError


def build_dataset():
    rng = np.random.default_rng(0)
    labels = np.arange(300) % 10
    pixels = rng.integers(0, 120, (300, 8, 8, 3), dtype=np.uint8)
    pixels[:, :, :, 0] += (labels * 12).astype(np.uint8)[:, None, None]
    train, test = (
        LabelledImages(pixels[:200], labels[:200]),
        LabelledImages(pixels[200:], labels[200:]),
    )
    return Dataset("toy", train, test, tuple("abcdefghij"))


def configure(**changes):
    norm = changes.pop("norm", BatchNormConfig())
    optim = changes.pop("optim", SgdConfig(learning_rate=0.05, schedule=CosineScheduleConfig()))
    data = {
        "batch_size": 32,
        "val_size": 20,
        "augment": ("random_crop",),
        **changes.pop("data", {}),
    }
    dropout = changes.pop("dropout", 0.0)
    evaluate = changes.pop("evaluate", EvaluateConfig())
    diagnostics = tuple(changes.pop("diagnostics", ()))
    return ExperimentConfig.model_construct(
        name="x",
        data=Toy(**data),
        model=CnnConfig(layers=(ConvLayer(conv=8), ConvLayer(conv=8)), norm=norm, dropout=dropout),
        optim=optim,
        train=TrainConfig(**{"epochs": 2, "log_every": 3, **changes}),
        evaluate=evaluate,
        diagnostics=diagnostics,
        sweep=None,
    )


class Notes:
    """Keeps what the loop says."""

    def __init__(self):
        self.rows = []
        self.epochs = []

    def record(self, step, epoch, elapsed_seconds, scalars, histograms):
        self.rows.append((step, epoch, dict(scalars)))

    def progress(self, step, total_steps):
        pass

    def epoch_done(self, epoch, epochs, scalars):
        self.epochs.append(dict(scalars))
