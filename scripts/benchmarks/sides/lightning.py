"""PyTorch Lightning, with a DataLoader and on batches that lie ready in memory."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from math import ceil
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.pytorch.loggers import TensorBoardLogger
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.networks import BATCH_SIZE, Network, build_optimizer, initialize
from benchmarks.pictures import Pictures
from benchmarks.sides.outcome import Outcome, Run, Side
from benchmarks.sides.usual import build_loaders
from bnexp.data.batches import ResidentImages, TrainingBatches

PRECISIONS = {"fp32": "32-true", "bf16": "bf16-mixed"}
CPU = torch.device("cpu")


class Module(lightning.LightningModule):
    """A network as Lightning's documentation trains one."""

    def __init__(self, network: Network, *, is_tuned: bool) -> None:
        super().__init__()
        self.model: nn.Module = initialize(network.build())
        if is_tuned:
            self.model.to(memory_format=torch.channels_last)
        self.network, self.is_tuned = network, is_tuned

    def training_step(self, batch: tuple[Tensor, Tensor], _: int) -> Tensor:
        """Returns the loss of a batch, and logs it."""
        inputs, targets = batch
        logits = self.model(inputs)
        loss = functional.cross_entropy(logits, targets)
        hits = (logits.argmax(1) == targets).float().mean()
        self.log("train/loss", loss)
        self.log("train/accuracy", hits, on_step=False, on_epoch=True, batch_size=len(targets))
        return loss

    def validation_step(self, batch: tuple[Tensor, Tensor], _: int) -> None:
        """Adds a batch to the test accuracy."""
        inputs, targets = batch
        hits = (self.model(inputs).argmax(1) == targets).float().mean()
        self.log("test/accuracy", hits, batch_size=len(targets))

    def configure_optimizers(self) -> dict[str, Any]:
        """Returns the optimiser, and its schedule by step."""
        rate, steps = self.network.learning_rate, self.network.steps
        optimizer = build_optimizer(self.model, rate, is_tuned=self.is_tuned)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }


class TrainingLoader:
    """bnexp's resident batches, epoch after epoch."""

    def __init__(self, batches: TrainingBatches) -> None:
        self.batches, self.epoch = batches, 0

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        self.epoch += 1
        return self.batches.epoch(self.epoch - 1)


class TestLoader:
    """bnexp's resident pictures for evaluation."""

    def __init__(self, images: ResidentImages) -> None:
        self.images = images

    def __len__(self) -> int:
        return ceil(len(self.images) / BATCH_SIZE)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        return self.images.batches(BATCH_SIZE)


def lightning_side(
    network: Network, pictures: Pictures, folder: Path, precision: str, *, is_resident: bool
) -> Side:
    """Returns Lightning with 2 workers, or on bnexp's resident batches with a tuned network."""

    def build_resident(seed: int) -> tuple[TrainingLoader, TestLoader]:
        statistics = pictures.statistics
        batches = TrainingBatches(pictures.train, statistics, pictures.data, seed, CPU)
        return TrainingLoader(batches), TestLoader(ResidentImages(pictures.test, statistics, CPU))

    def prepare(seed: int) -> Run:
        torch.manual_seed(seed)
        logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
        return lambda: train(seed)

    def train(seed: int) -> Outcome:
        loaders = build_resident(seed) if is_resident else build_loaders(pictures, workers=2)
        trainer = lightning.Trainer(
            accelerator="cpu",
            max_epochs=network.epochs,
            precision=PRECISIONS[precision],
            logger=TensorBoardLogger(folder),
            enable_progress_bar=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # advice on workers
            trainer.fit(Module(network, is_tuned=is_resident), *loaders)
        return Outcome(float(trainer.callback_metrics["test/accuracy"]))

    return prepare
