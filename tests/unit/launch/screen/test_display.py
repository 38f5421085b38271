"""The live table as a terminal of 80 columns shows it."""

import io

from rich.console import Console

from bnexp.launch.screen.display import LiveDisplay
from bnexp.launch.screen.events import EpochEnded, RunProgressed, RunStarted
from bnexp.launch.screen.progress import RunSize, SweepProgress

SCALARS = {"train/loss": 1.2345, "train/accuracy": 0.5, "test/accuracy": 1.0}


def test_the_table_shows_the_loss_and_the_accuracy_of_the_last_epoch():
    progress = SweepProgress([RunSize("norm=batch", seed, 20, 9380, 128) for seed in (0, 1)], 1)
    console = Console(file=io.StringIO(), width=80)
    display = LiveDisplay(console, progress)
    for event in (RunStarted(0), RunProgressed(0, 469), EpochEnded(0, 1, 20, SCALARS)):
        display.show(event)

    console.print(display.render())

    titles, run = [line.split() for line in console.file.getvalue().splitlines()[:2]]
    assert titles == ["cell", "seed", "epoch", "step", "loss", "accuracy", "images/s", "left"]
    assert run[:8] == ["norm=batch", "0", "2/20", "469/9380", "1.234", "test", "100.0", "%"]
