"""The loop of most tutorials: torchvision's dataset and transforms, a DataLoader, `.item()`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader
from torch.utils.tensorboard import SummaryWriter
from torchvision import transforms
from torchvision.datasets import CIFAR10

from benchmarks.networks import BATCH_SIZE, Network, build_optimizer, initialize
from benchmarks.pictures import Pictures
from benchmarks.sides.outcome import Outcome, Run, Side
from bnexp.data.dataset import LabelledImages


class ArrayCIFAR10(CIFAR10):
    """torchvision's dataset over given arrays, its `__getitem__` unchanged."""

    def __init__(self, images: LabelledImages, transform: Callable[[Image.Image], Tensor]) -> None:
        self.data = images.images
        self.targets = images.labels.tolist()
        self.transform = transform
        self.target_transform = None


def build_loaders(
    pictures: Pictures, workers: int
) -> tuple[DataLoader[tuple[Tensor, Tensor]], DataLoader[tuple[Tensor, Tensor]]]:
    """Returns the loaders of training and test pictures."""
    statistics = pictures.statistics
    normalize = [transforms.ToTensor(), transforms.Normalize(statistics.mean, statistics.std)]
    augment = [transforms.RandomCrop(32, padding=4), transforms.RandomHorizontalFlip()]
    train = ArrayCIFAR10(pictures.train, transforms.Compose([*augment, *normalize]))
    test = ArrayCIFAR10(pictures.test, transforms.Compose(normalize))
    return (
        DataLoader(train, batch_size=BATCH_SIZE, shuffle=True, num_workers=workers),
        DataLoader(test, batch_size=500, num_workers=workers),
    )


def usual_side(network: Network, pictures: Pictures, folder: Path, workers: int) -> Side:
    """Returns the usual loop with so many workers."""

    def prepare(seed: int) -> Run:
        torch.manual_seed(seed)
        return lambda: train_usually(network, pictures, folder, workers)

    return prepare


def train_usually(network: Network, pictures: Pictures, folder: Path, workers: int) -> Outcome:
    """Trains, evaluates after each epoch, and logs every step."""
    train_loader, test_loader = build_loaders(pictures, workers)
    model = initialize(network.build())
    optimizer = build_optimizer(model, network.learning_rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, network.steps)
    criterion = nn.CrossEntropyLoss()
    writer = SummaryWriter(str(folder))
    step, accuracy = 0, 0.0
    for _ in range(network.epochs):
        model.train()
        hits = 0
        for inputs, targets in train_loader:
            optimizer.zero_grad()
            logits = model(inputs)
            loss = criterion(logits, targets)
            loss.backward()
            optimizer.step()
            schedule.step()
            writer.add_scalar("train/loss", loss.item(), step)
            hits += (logits.argmax(1) == targets).sum().item()
            step += 1
        model.eval()
        correct = 0
        with torch.no_grad():
            for inputs, targets in test_loader:
                correct += (model(inputs).argmax(1) == targets).sum().item()
        accuracy = correct / len(pictures.test)
        writer.add_scalar("train/accuracy", hits / len(pictures.train), step)
        writer.add_scalar("test/accuracy", accuracy, step)
    writer.close()
    return Outcome(accuracy)
