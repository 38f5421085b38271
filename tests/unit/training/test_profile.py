"""Where a run's time goes, by the clock and by the recorded trace."""

import gzip
import json
import time
from dataclasses import replace

import pytest
import torch
from toy_training import CPU, Notes, build_dataset, configure

from bnexp.launch.run.profile_summary import PARTS, describe_profile
from bnexp.training.loop import Training
from bnexp.training.profile import PREFIX, Profile, shorten_kernel
from bnexp.training.setup import build_parts


class SlowNotes(Notes):
    """Takes a hundredth of a second to record a row."""

    def record(self, *row):
        time.sleep(0.01)
        super().record(*row)


@pytest.fixture(scope="module")
def profiled():
    """A run of 24 steps with its profile, and the seconds that it took by another clock."""
    config = configure(epochs=3)
    parts = build_parts(config, build_dataset(), CPU)
    notes = SlowNotes()
    profile = Profile(CPU)
    started = time.perf_counter()
    training = Training(config, parts, notes, lambda: False, profile=profile)
    summary = training.run()
    profile.stop()
    return profile, summary, time.perf_counter() - started


def test_the_parts_add_up_to_the_time_that_passed(profiled):
    profile, summary, seconds = profiled

    measured = sum(profile.seconds.values()) + sum(profile.recorded_seconds.values())
    # Starting and stopping the recording belongs to no part.
    assert 0.3 * seconds < measured <= seconds
    assert profile.steps + profile.recorded_steps == summary.steps
    assert profile.recorded_steps == 10
    assert {*profile.seconds} <= {*PARTS}
    assert profile.seconds["logging"] > 0.01


def test_the_trace_is_json_with_the_parts_of_each_recorded_step(profiled):
    profile, _, _ = profiled

    events = json.loads(gzip.decompress(profile.read_trace()))["traceEvents"]
    names = [event["name"] for event in events if event.get("cat") == "user_annotation"]
    for part in ("forward", "backward", "update"):
        assert names.count(PREFIX + part) == 10
    assert {"input", "metrics", "logging"} <= {name.removeprefix(PREFIX) for name in names}
    regions = [event for event in events if event["name"] == f"{PREFIX}forward"]
    convolutions = [event for event in events if event["name"] == "aten::conv2d"]
    assert sum(
        region["ts"] <= one["ts"] <= region["ts"] + region["dur"]
        for region in regions
        for one in convolutions
    ) >= len(regions)
    # By the trace's clock the forward passes took about what they took by ours.
    microseconds = sum(event["dur"] for event in regions)
    assert microseconds / 1e6 == pytest.approx(profile.recorded_seconds["forward"], rel=0.5)


def test_the_operators_are_those_of_the_network_and_take_no_longer_than_the_steps(profiled):
    profile, _, _ = profiled

    operators = profile.find_operators()
    assert "aten::native_batch_norm" in {one.name for one in operators}
    assert [one.seconds for one in operators] == sorted(
        (o.seconds for o in operators), reverse=True
    )
    assert sum(one.seconds for one in operators) < sum(profile.recorded_seconds.values())


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (
            "void cudnn::cnn::wgrad2d_grouped_direct_kernel<false, true, int, float>(cudnn::cnn::"
            "WgradGroupedDirectParams, float const*)",
            "cudnn::cnn::wgrad2d_grouped_direct_kernel",
        ),
        ("void sgemm_largek_lds64<true, false, 5>(float*, int)", "sgemm_largek_lds64"),
        ("void at::native::(anonymous namespace)::fill(float*)", "at::native::fill"),
        ("Memcpy DtoH (Device -> Pinned)", "Memcpy DtoH (Device -> Pinned)"),
        ("aten::native_batch_norm", "aten::native_batch_norm"),
        (
            "autograd::engine::evaluate_function: ReluBackward0",
            "autograd::engine::evaluate_function: ReluBackward0",
        ),
    ],
)
def test_a_kernel_is_named_without_its_template(name, expected):
    assert shorten_kernel(name) == expected


def summarise(**seconds):
    profile = Profile(CPU)
    profile.seconds |= {"forward": 1.0, "backward": 2.0, **seconds}
    profile.steps, profile.images = 10, 1280
    return [*describe_profile(profile, "base seed=0")]


def test_the_summary_has_shares_of_the_whole_and_the_speed_of_the_steps():
    lines = summarise(input=0.2, evaluation=0.8)

    assert lines[0] == "profile of base seed=0: 10 steps in 4 s, 400 images/s"
    assert "  backward      50.0 %      2.00   200.00 ms" in lines
    assert "  evaluation    20.0 %      0.80" in lines
    assert lines[-1] == "nothing but forward, backward and update takes much time"


@pytest.mark.parametrize(
    ("seconds", "advice"),
    [
        ({"input": 1.0}, "input takes 25.0 % of a step"),
        ({"logging": 0.5, "metrics": 0.5}, "raise train.log_every"),
        ({"diagnostics": 1.0}, "every_steps"),
        ({"evaluation": 3.0}, "lower data.test_size"),
        ({"checkpoint": 1.0}, "raise train.checkpoint_every"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_what_takes_too_long_comes_with_advice(seconds, advice):
    found = [line for line in summarise(**seconds) if line.startswith("advice: ")]

    assert len(found) == 1
    assert advice in found[0]


def test_steps_between_whose_operators_python_is_busy_come_with_advice(profiled, monkeypatch):
    profile, _, _ = profiled
    few = [replace(profile.find_operators()[0], seconds=1e-9)]
    monkeypatch.setattr(profile, "find_operators", lambda: few)

    assert any("Python takes 100.0 % of a step" in line for line in describe_profile(profile, "a"))


def test_a_run_that_ends_before_its_sixth_step_has_no_trace():
    profile = Profile(CPU)
    for _ in profile.input(iter([(torch.zeros(4, 3), torch.zeros(4))] * 5)):
        with profile.part("forward"):
            pass
    profile.stop()

    assert profile.read_trace() is None
    assert "the run was too short to record steps" in [*describe_profile(profile, "a")]
