"""The package's version, which imports nothing."""

__version__ = "0.1.0"
