"""The studies that come with bnexp: each tier is what its name says."""

import pytest

from bnexp.config.load import load_experiment
from bnexp.studies.catalogue import list_studies

STUDIES = list_studies()


def describe(run):
    """Returns a run's config as keys and values, without its dataset and its own name."""
    config = run.config.model_dump(mode="json")
    del config["data"]["name"], config["data"]["root"], config["name"]
    for key in ("image_size", "channels"):
        config["data"].pop(key, None)
    return config


def test_there_are_fourteen_of_them():
    assert [study.number for study in STUDIES] == [*range(1, 15)]


@pytest.mark.parametrize("study", STUDIES, ids=lambda study: study.name)
def test_the_tier_on_jpeg_copies_differs_from_cpu_in_its_pictures_alone(study):
    official, copies = (load_experiment(study.path, [], tier) for tier in ("cpu", "cpu-jpeg"))

    assert {run.config.data.name for run in official.runs} == {"cifar10"}
    assert {run.config.data.name for run in copies.runs} == {"image_folder"}
    assert [*map(describe, official.runs)] == [*map(describe, copies.runs)]
    assert official.looks == copies.looks


@pytest.mark.parametrize("study", STUDIES, ids=lambda study: study.name)
def test_measured_seeds_are_none_that_a_pilot_used(study):
    experiment = load_experiment(study.path, [], "cpu")

    assert min(run.seed for run in experiment.runs) >= 200


@pytest.mark.parametrize("study", STUDIES, ids=lambda study: study.name)
def test_every_tier_has_the_claims_and_the_full_one_long_trainings(study):
    once = ["sweep.seeds=1"]
    smoke, cpu, full = (
        load_experiment(study.path, once, tier) for tier in ("smoke", "cpu", "full")
    )

    claims = [one.statement for one in cpu.runs[0].config.claim]
    assert claims
    for other in (smoke, full):
        assert [one.statement for one in other.runs[0].config.claim] == claims
    assert {run.config.data.name for run in full.runs} == {"cifar10"}
    assert min(run.config.train.epochs for run in full.runs) >= 15


@pytest.mark.parametrize("name", ["learning-rate-ceiling", "residual-order", "price"])
def test_the_gpu_tier_has_the_claims_on_jpeg_copies_and_takes_any_count_of_threads(name):
    study = next(study for study in STUDIES if study.name == name)
    cpu, gpu = (load_experiment(study.path, [], tier) for tier in ("cpu", "gpu-jpeg"))

    claims = [one.statement for one in cpu.runs[0].config.claim]
    assert [one.statement for one in gpu.runs[0].config.claim] == claims
    if name != "learning-rate-ceiling":  # which tries other rates there, and no deeper net
        assert {run.cell for run in gpu.runs} == {run.cell for run in cpu.runs}
    for run in gpu.runs:
        config = run.config
        assert (config.data.name, config.train.threads) == ("image_folder", None)
        assert config.train.precision == "bf16"
