"""On how many threads and on which device a run trains."""

import pytest
import torch
from interrupted_runs import interrupt, plan

from bnexp.launch.engines import placement
from bnexp.launch.engines.placement import choose_device, give_threads, split_threads


@pytest.fixture
def eight_cores(monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(placement, "DEFAULT_THREADS", 8)


@pytest.mark.parametrize(("jobs", "threads"), [(1, None), (2, 4), (3, 2), (8, 1), (20, 1)])
def test_the_cores_are_split_between_the_jobs(jobs, threads, eight_cores):
    assert split_threads(jobs) == threads


def test_a_count_in_the_environment_is_taken_as_it_is(eight_cores, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert split_threads(4) is None


def test_a_run_that_goes_on_keeps_the_threads_that_it_was_begun_with(
    tmp_path, eight_cores, monkeypatch
):
    free = "train.threads=null"
    assert [run.threads for run in give_threads([plan(tmp_path, free)], 5)] == [5]

    run = interrupt(tmp_path, 3, free)

    assert run.action == "resume"
    assert [run.threads for run in give_threads([run], 5)] == [torch.get_num_threads()]
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert [run.threads for run in give_threads([run], None)] == [None]


@pytest.mark.parametrize(
    ("device", "chosen"),
    [("cpu", [None] * 3), ("cuda:1", [None] * 3), ("cuda", ["cuda:0", "cuda:1", "cuda:0"])],
)
def test_gpus_are_dealt_out_in_turn_where_the_config_names_none(
    device, chosen, tmp_path, monkeypatch
):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    run = plan(tmp_path, f"train.device={device}")
    assert [choose_device(run, slot) for slot in range(3)] == chosen
