"""One cell of a config, as far as it says without PyTorch what will be trained."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass

from bnexp.config.checks import check_experiment
from bnexp.config.experiment import ExperimentConfig
from bnexp.config.finding import Finding
from bnexp.data.dataset import DatasetFacts
from bnexp.models import ImpossibleModelError, NormSite
from bnexp.norms import NormConfig


@dataclass(frozen=True)
class Setup:
    """What the checks of a config look at."""

    config: ExperimentConfig
    facts: DatasetFacts | None = None
    """None if they are known only once the dataset is loaded."""
    sites: tuple[NormSite, ...] = ()
    """Where the network normalizes; empty if it must be built to know."""
    findings: tuple[Finding, ...] = ()
    """What the config's own check finds impossible or suspicious."""
    bf16_slowdown: float | None = None
    """How many times as long a convolution takes in bf16 as in fp32 where this would train; None if
    the config does not ask for bf16, or it would not train on the CPU."""

    @property
    def steps(self) -> int | None:
        """Optimiser steps of the whole training, if the size of the dataset is known."""
        if self.facts is None:
            return None
        data = self.config.data
        images = data.count_training_images(self.facts)
        return self.config.train.epochs * data.count_steps(images)

    @property
    def norms(self) -> tuple[NormConfig, ...]:
        """The different norms, the model's own if the network must be built to know."""
        if self.facts is None or not self.sites:
            return (self.config.model.norm,) if self.config.model.norm.normalizes else ()
        return tuple(dict.fromkeys(site.norm for site in self.sites))


def read_setup(config: ExperimentConfig, facts: DatasetFacts | None = None) -> Setup:
    """Returns a config with what its own check says of it; builds nothing."""
    facts = facts or config.data.facts()
    sites: list[NormSite] = []
    if facts is not None:
        with contextlib.suppress(ImpossibleModelError):  # which the config's own check reports
            sites = config.model.norm_sites(facts.image_shape)
    return Setup(config, facts, tuple(sites), tuple(check_experiment(config, facts)))
