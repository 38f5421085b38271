"""bnexp: experiments on normalization in CNNs, from a YAML file to a verdict."""

__version__ = "0.1.0"

__all__ = ["__version__"]
