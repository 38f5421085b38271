"""A run's profile in a page of text: what its time went to, and what could be done about it."""

from __future__ import annotations

from collections.abc import Iterator

from bnexp.training.profile import REST, Profile
from bnexp.wording import format_duration, format_percent, format_speed

GRAPH = "graph"
"""Forward, backward and update of steps that are repeated from a CUDA graph."""
STEP = ("forward", "backward", "update")
PARTS_OF_STEP = ("input", GRAPH, *STEP, "metrics", "diagnostics", "logging")
PARTS = (*PARTS_OF_STEP, "evaluation", "checkpoint", REST)
SHOWN_OPERATORS = 8

_MUCH_OF_STEPS = 0.1
_MUCH_EVALUATION = 0.3
_MUCH_SAVING = 0.05
_MUCH_PYTHON = 0.25
_IDLE_GPU = 0.5


def describe_profile(profile: Profile, name: str) -> Iterator[str]:
    """Yields the lines for a run of that name; the recorded steps count only for operators.

    Images per second are those of the steps alone.
    """
    total = sum(profile.seconds.values())
    steps, in_steps = profile.steps, _sum_steps(profile)
    speed = format_speed(profile.images / in_steps)
    yield f"profile of {name}: {steps} steps in {format_duration(total)}, {speed} images/s"
    yield f"  {'part':<12} {'share':>7} {'seconds':>9} {'per step':>11}"
    for part in PARTS:
        seconds = profile.seconds[part]
        if part == GRAPH and not seconds:
            continue
        per_step = f"{1e3 * seconds / steps:8.2f} ms" if part in PARTS_OF_STEP and steps else ""
        line = f"  {part:<12} {format_percent(seconds / total):>7} {seconds:9.2f} {per_step:>11}"
        yield line.rstrip()
    yield from _describe_operators(profile)
    yield from _advise(profile, total, in_steps)


def _sum_steps(profile: Profile) -> float:
    return sum(profile.seconds[part] for part in (*PARTS_OF_STEP, REST))


def _describe_operators(profile: Profile) -> Iterator[str]:
    recorded = sum(profile.recorded_seconds[part] for part in PARTS_OF_STEP)
    if not profile.recorded_steps:
        yield "the run was too short to record steps"
        return
    where = "GPU" if profile.device.type == "cuda" else "CPU"
    yield (
        f"of {profile.recorded_steps} recorded steps, the operators that took longest on the "
        f"{where}, each without those that it calls:"
    )
    for one in profile.find_operators()[:SHOWN_OPERATORS]:
        per_step = one.seconds / profile.recorded_steps
        yield (
            f"  {format_percent(one.seconds / recorded):>7} {1e3 * per_step:8.2f} ms per step "
            f"{one.calls / profile.recorded_steps:6.4g} calls  {one.name}"
        )


def _advise(profile: Profile, total: float, in_steps: float) -> Iterator[str]:
    """Yields what takes more than it should, and what helps."""
    found = [f"advice: {line}" for line in _find_advice(profile, total, in_steps)]
    yield from found or ["nothing but forward, backward and update takes much time"]


def _find_advice(profile: Profile, total: float, in_steps: float) -> Iterator[str]:
    def share(*parts: str) -> float:
        return sum(profile.seconds[part] for part in parts) / in_steps

    if share("input") > _MUCH_OF_STEPS:
        yield (
            f"input takes {format_percent(share('input'))} of a step: smaller images or less "
            "augmentation (data.augment) shorten it"
        )
    if share("metrics", "logging") > _MUCH_OF_STEPS:
        yield (
            f"metrics and logging take {format_percent(share('metrics', 'logging'))} of a step: "
            "raise train.log_every"
        )
    if share("diagnostics") > _MUCH_OF_STEPS:
        yield (
            f"diagnostics take {format_percent(share('diagnostics'))} of a step: raise their "
            "every_steps, or name fewer layers"
        )
    if profile.seconds["evaluation"] > _MUCH_EVALUATION * total:
        yield (
            f"evaluation takes {format_percent(profile.seconds['evaluation'] / total)} of the "
            "time: lower data.test_size, or raise evaluate.every_steps if it is set"
        )
    if profile.seconds["checkpoint"] > _MUCH_SAVING * total:
        yield (
            f"checkpoints take {format_percent(profile.seconds['checkpoint'] / total)} of the "
            "time: raise train.checkpoint_every"
        )
    yield from _find_idle(profile)


def _find_idle(profile: Profile) -> Iterator[str]:
    """Yields that a step spends much of its time in no operator."""
    recorded = sum(profile.recorded_seconds[part] for part in PARTS_OF_STEP)
    if not recorded:
        return
    busy = sum(one.seconds for one in profile.find_operators()) / recorded
    help_ = "larger batches (data.batch_size) or several runs at a time (--jobs) use more of it"
    if profile.device.type == "cuda" and busy < 1 - _IDLE_GPU:
        yield (
            f"the GPU has nothing to do {format_percent(1 - busy)} of the time while Python "
            f"prepares its work: {help_}, and so may train.compile"
        )
    elif profile.device.type == "cpu" and busy < 1 - _MUCH_PYTHON:
        yield f"Python takes {format_percent(1 - busy)} of a step, between operators: {help_}"
