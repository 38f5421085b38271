"""Trains an experiment stage by stage; light until there is something to train."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING

from rich.console import Console

from bnexp.launch.options import LaunchOptions
from bnexp.launch.screen.output import print_line
from bnexp.launch.stages.stages import Stage
from bnexp.launch.stop import exiting_at_once
from bnexp.system import can_fork
from bnexp.wording import LOADING, count

if TYPE_CHECKING:
    from bnexp.launch.stages.sweep import SweepTrainer


def train_stages(
    name: str, stages: Iterable[Stage], options: LaunchOptions, console: Console
) -> int:
    """Trains what is left of each stage before it asks for the next, and returns the exit code.

    It ends at the first stage that is not trained to its end.

    Raises:
        UsageError: Nothing was started, since part of it cannot work.
        DataError: A dataset is missing or damaged.
    """
    number = 0
    trainer = None
    with contextlib.ExitStack() as stack:
        for stage in stages:
            number += len(stage.runs)
            for line in stage.news:
                print_line(console, f"{name}: {line}")
            if stage.to_do:
                trainer = trainer or stack.enter_context(_load_trainer(stage, options, console))
                if code := trainer.train(stage):
                    return code
    if trainer is None:
        print_line(console, f"{name}: {count(number, 'run')}, all done already")
    return 0


def _load_trainer(stage: Stage, options: LaunchOptions, console: Console) -> SweepTrainer:
    # How often GNU OpenMP's waiting threads check before they give up the core. Its default makes
    # a step many times slower if another program wants the core: measured with two threads,
    # 2,333 images/s alone and 1,040 next to one busy program, against 2,466 and 675 by default.
    # It is read when torch is loaded.
    os.environ.setdefault("GOMP_SPINCOUNT", "2000")
    is_sweep = len(stage.to_do) + len(stage.ahead) > 1
    is_forkable = is_sweep and can_fork() and has_computed_nothing()
    if "torch" not in sys.modules:
        console.print(LOADING)
    with exiting_at_once():
        from bnexp.launch.stages.sweep import SweepTrainer

    return SweepTrainer(options, console, is_forkable)


def has_computed_nothing() -> bool:
    """Returns whether nothing can have been computed here: PyTorch has not even been imported."""
    return "torch" not in sys.modules
