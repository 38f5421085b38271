"""The live table as a terminal of 80 columns shows it."""

import io

from rich.console import Console

from bnexp.launch.screen.display import LiveDisplay
from bnexp.launch.screen.events import EpochEnded, RunEnded, RunProgressed, RunStarted, Said
from bnexp.launch.screen.progress import RunSize, SweepProgress, WholeProgress

SCALARS = {"train/loss": 1.2345, "train/accuracy": 0.5, "test/accuracy": 1.0}


def test_the_table_shows_the_loss_and_the_accuracy_of_the_last_epoch():
    progress = SweepProgress([RunSize("norm=batch", seed, 20, 9380, 128) for seed in (0, 1)], 1)
    console = Console(file=io.StringIO(), width=80)
    display = LiveDisplay(console, progress)
    for event in (RunStarted(0), RunProgressed(0, 469), EpochEnded(0, 1, 20, SCALARS)):
        display.show(event)

    console.print(display.render())

    titles, run = [line.split() for line in console.file.getvalue().splitlines()[0:3:2]]
    assert titles == ["cell", "seed", "epoch", "step", "loss", "accuracy", "images/s", "left"]
    assert run[:8] == ["norm=batch", "0", "2/20", "469/9380", "1.234", "test", "100.0", "%"]


def test_a_run_of_a_sweep_ends_with_its_loss_and_its_figures_in_training_and_test():
    progress = SweepProgress([RunSize("norm=batch", seed, 1, 10, 128) for seed in (0, 1)], 1)
    console = Console(file=io.StringIO(), width=100)
    display = LiveDisplay(console, progress)
    for event in (RunStarted(0), EpochEnded(0, 1, 1, SCALARS), RunEnded(0, "finished")):
        display.show(event)

    said = "[1/2] norm=batch seed=0  finished  loss 1.234  accuracy train 50.0 % test 100.0 %"
    assert console.file.getvalue().splitlines() == [said]


def test_what_is_said_of_a_run_follows_its_number_and_name():
    progress = SweepProgress([RunSize("norm=batch", seed, 1, 10, 128) for seed in (0, 1)], 1)
    console = Console(file=io.StringIO(), width=100)
    display = LiveDisplay(console, progress)
    for event in (RunStarted(1), Said("diverged: the loss was nan", 1), RunEnded(1, "diverged")):
        display.show(event)

    said = "[2/2] norm=batch seed=1  diverged: the loss was nan"
    assert console.file.getvalue().splitlines() == [said]


def test_a_name_that_has_no_room_beside_the_steps_takes_their_place():
    name = "norm=group(num_groups=4),placement=before_activation"
    progress = SweepProgress([RunSize(name, seed, 20, 9380, 128) for seed in (0, 1)], 1)
    console = Console(file=io.StringIO(), width=80)
    display = LiveDisplay(console, progress)
    for event in (RunStarted(0), RunProgressed(0, 469), EpochEnded(0, 1, 20, SCALARS)):
        display.show(event)

    console.print(display.render())
    titles, _, *lines = console.file.getvalue().splitlines()
    assert "step" not in titles
    assert [line.split()[0] for line in lines[:2]] == ["norm=group(num_groups=4),", "placement="]


def test_above_the_table_stands_how_far_all_experiments_are():
    whole = WholeProgress({"1 ceiling": 2, "2 steps": 30}, done=5)
    whole.begin("1 ceiling")
    sizes = [RunSize("norm=batch", seed, 1, 10, 128) for seed in (0, 1)]
    progress = SweepProgress(sizes, whole=whole)
    console = Console(file=io.StringIO(), width=80)
    display = LiveDisplay(console, progress)

    def first_line():
        return "".join(piece.text for piece in console.render(display.render())).splitlines()[0]

    assert first_line() == "1 ceiling; 5 of at most 37 runs of all done"
    for event in (RunStarted(0), RunEnded(0, "diverged"), RunStarted(1), RunEnded(1, "failed")):
        display.show(event)
    assert first_line() == "1 ceiling; 6 of at most 37 runs of all done", "a failed one is left"
    whole.finish()
    assert first_line() == "1 ceiling; 6 of at most 36 runs of all done"
