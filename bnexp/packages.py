"""What is said of installed packages that are missing or do not go together."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version


def describe_torchvision_mismatch(error: Exception) -> str:
    """Returns why importing torchvision failed with `error`, and how to fix it."""
    first_line = str(error).partition("\n")[0]
    return (
        f"torchvision {_version('torchvision')} does not work with torch {_version('torch')} "
        f"({first_line}): reinstall the two together, e.g. with `pip install --upgrade "
        "--force-reinstall torch torchvision`, both from one package index"
    )


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "(not installed)"
