"""The version of bnexp."""

__version__ = "0.1.0"
