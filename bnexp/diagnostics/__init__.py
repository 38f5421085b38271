"""What a run measures besides loss and accuracy: one folder per diagnostic, config and probe."""

from typing import TYPE_CHECKING

from bnexp.diagnostics.config import DiagnosticConfig
from bnexp.parts import find_late

if TYPE_CHECKING:
    DIAGNOSTICS: tuple[type[DiagnosticConfig], ...]
    """Every diagnostic that a config can name, plug-ins last."""
    AnyDiagnostic = DiagnosticConfig
else:
    __getattr__ = find_late(
        "bnexp.diagnostics", "bnexp.diagnostics", DiagnosticConfig, "DIAGNOSTICS", "AnyDiagnostic"
    )

__all__ = ["DIAGNOSTICS", "AnyDiagnostic", "DiagnosticConfig"]
