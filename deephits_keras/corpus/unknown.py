"""What tables write where a value is unknown."""

from __future__ import annotations

UNKNOWN = frozenset(
    ["", "-", "--", "?", ".", r"\n", "<na>", "#n/a", "nan", "na", "n/a", "n.a.", "nil", "null"]
) | {"none", "unknown", "not available", "not found", "missing"}
"""What tables write, in any case, where a value is unknown."""
