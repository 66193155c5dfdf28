"""Public names of a package that are loaded on first use, so that importing it is fast."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import Any


def load_on_use(package: str, homes: Mapping[str, str]) -> Callable[[str], Any]:
    """A package's `__getattr__` (PEP 562).

    Args:
        package: Name of the package.
        homes: Module of each public name.

    Example:
        >>> get = load_on_use("deephits_keras", {"Track": "deephits_keras.tracks"})
        >>> get("Track").__name__
        'Track'
    """

    def get(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(importlib.import_module(homes[name]), name)

    return get
