"""Numbers as text: one format for pages and the terminal."""

from __future__ import annotations

import math

NEGLIGIBLE = 1e-6
"""Contributions and differences below this are written as 0."""


def number(value: float) -> str:
    """A number as pages and the terminal write it: `1,234`, `12.3`, `0.012`."""
    if float(value).is_integer() or abs(value) >= 1000:
        return f"{value:,.0f}"
    digits = 3 if abs(value) < 1 else 2 if abs(value) < 10 else 1
    return f"{value:z.{digits}f}"


def signed(value: float) -> str:
    """A contribution or difference, likewise: `+0.012`, `-3.40`, `+0.00012`, `0`."""
    size = abs(value)
    if size < NEGLIGIBLE:
        return "0"
    digits = 2 if size >= 1 else 3 if size >= 0.001 else 1 - math.floor(math.log10(size))
    return f"{value:+.{digits}f}"


def percent(share: float) -> str:
    """A fraction from 0 to 1, likewise: `12.3%`."""
    return f"{share:z.1%}"
