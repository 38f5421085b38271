"""The root of the schema: what a YAML file may say, composed of the parts' own configs."""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any

from pydantic import Field, field_validator

from bnexp.config.claim.config import ClaimConfig
from bnexp.config.optim import AnyOptimizer, SgdConfig
from bnexp.config.sweep.config import SweepConfig
from bnexp.config.train import NOT_FINGERPRINTED, EvaluateConfig, TrainConfig
from bnexp.data import AnyDataset
from bnexp.diagnostics import AnyDiagnostic
from bnexp.diagnostics.activation_statistics.config import ActivationStatisticsConfig
from bnexp.diagnostics.gradient_norm.config import GradientNormConfig
from bnexp.diagnostics.norm_statistics.config import NormStatisticsConfig
from bnexp.diagnostics.update_ratio.config import UpdateRatioConfig
from bnexp.models import AnyModel
from bnexp.parts import Part

_DEVICE = re.compile(r"(?:CON|PRN|AUX|NUL|(?:COM|LPT)\d)(?:\..*)?", re.IGNORECASE)
"""Names that Windows keeps for devices, whatever ending they have."""


class ExperimentConfig(Part):
    """One experiment: data, model, optimiser, training, and the sweep over variants of them."""

    name: str
    """Names the folder of its runs: 1 to 80 letters, digits, dots, dashes and underscores."""
    data: AnyDataset
    """The dataset, its split, augmentation and batch size."""
    model: AnyModel
    """The network and its norm."""
    optim: AnyOptimizer = SgdConfig()
    """The optimiser and its learning-rate schedule."""
    train: TrainConfig = TrainConfig()
    """Epochs, seed, device and precision."""
    evaluate: EvaluateConfig = EvaluateConfig()
    """When and with which statistics of its norms the network is evaluated."""
    diagnostics: tuple[AnyDiagnostic, ...] = (
        ActivationStatisticsConfig(),
        GradientNormConfig(),
        UpdateRatioConfig(),
        NormStatisticsConfig(),
    )
    """What is measured inside the network while it trains: a list of names, or of mappings with
    options; `[]` measures nothing. It changes no other figure. The default ones are cheap: together
    about a quarter of a step per epoch. What each measures: [metrics.md](metrics.md)."""
    sweep: SweepConfig | None = None
    """The variants to compare; null trains this config alone."""
    claim: tuple[ClaimConfig, ...] = ()
    """What is predicted of these variants: one claim, or a list of them."""
    tiers: dict[str, dict[str, Any] | None] | None = Field(default=None, exclude=True)
    """Overlays of this config by name, e.g. `smoke` and `full`: each a mapping of what it changes.
    `--tier smoke` puts one on top, key by key; its runs go to `<name>.smoke`."""

    @field_validator("claim", mode="before")
    @classmethod
    def _accept_one_claim(cls, claim: Any) -> Any:  # noqa: ANN401 - any YAML value
        if claim is None:
            return ()
        return (claim,) if isinstance(claim, dict) else claim

    @field_validator("diagnostics")
    @classmethod
    def _refuse_repeated(cls, diagnostics: tuple[AnyDiagnostic, ...]) -> tuple[AnyDiagnostic, ...]:
        names = [one.name for one in diagnostics]
        if repeated := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"{repeated[0]} is listed twice; give all its layers in one place")
        return diagnostics

    @field_validator("name")
    @classmethod
    def _check_name(cls, name: str) -> str:
        if not re.fullmatch(r"[A-Za-z0-9._-]{1,80}", name):
            raise ValueError(
                "names a folder: 1 to 80 letters, digits, dots, dashes and underscores"
            )
        if not name[0].isalnum():
            raise ValueError("must begin with a letter or a digit; it names a folder")
        if name.endswith(".") or _DEVICE.fullmatch(name):
            raise ValueError("cannot be the name of a folder on Windows; choose another")
        return name

    def fingerprint(self) -> str:
        """Returns the SHA-256 of everything that distinguishes one run from another.

        Its name, sweep and claims do not count, nor do the device, the CPU threads and how often
        it is saved. The device and threads are recorded with each run: a comparison reports
        whether they differ, and an interrupted run does not resume on others unless asked to.
        """
        whole: dict[str, Any] = dict.fromkeys(("name", "sweep", "claim"), True)
        left_out = {**whole, **NOT_FINGERPRINTED, "model": set(self.model.not_fingerprinted)}
        content = self.model_dump(mode="json", exclude=left_out)
        if self.evaluate.after == "each_epoch":  # as all runs were before there was a choice
            del content["evaluate"]["after"]
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
