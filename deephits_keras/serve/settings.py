"""Settings of the server. Imports nothing heavy: `--help` shows the defaults."""

from __future__ import annotations

import dataclasses
import os
from dataclasses import dataclass
from typing import Any

from deephits_keras.errors import UserError


def described(default: Any, help: str, **more: Any) -> Any:
    """A field of `ServeSettings` with its help text.

    Args:
        default: Default value.
        help: One line for `--help`.
        more: Bounds: `above` (exclusive) or `least` (inclusive).
    """
    return dataclasses.field(default=default, metadata={"help": help, **more})


@dataclass(frozen=True)
class ServeSettings:
    """Settings of the server; each is an option of `deephits serve`.

    Raises:
        UserError: if a value is out of its bounds.

    Example:
        >>> ServeSettings(max_rate=5).max_rate
        5
        >>> ServeSettings(workers=0)
        Traceback (most recent call last):
        ...
        deephits_keras.errors.UserError: workers must be at least 1. Received: 0
    """

    workers: int = described(
        os.cpu_count() or 1, "Processes that decode recordings and extract features.", least=1
    )
    max_megabytes: float = described(50.0, "Largest request, in megabytes.", above=0)
    max_minutes: float = described(20.0, "Longest recording, in minutes.", above=0)
    max_seconds: float = described(
        30.0, "Longest time to extract a track's features, in seconds.", above=0
    )
    max_upload_seconds: float = described(60.0, "Longest time to receive a request.", above=0)
    max_letters: int = described(100_000, "Longest text of a track, in characters.", least=1)
    max_tracks: int = described(256, "Most tracks per request.", least=1)
    max_queue: int = described(
        256, "Most requests at once; others are answered with 503 and Retry-After.", least=1
    )
    max_rate: float = described(
        0.0, "Most requests per second and client address; 0: no limit.", least=0
    )
    # A second batch is received while one is computed, where as many clients ask as two hold.
    batch_size: int = described(16, "Most tracks per forward pass.", least=1)
    batch_milliseconds: float = described(
        2.0, "Time that a request waits for others to join its forward pass.", least=0
    )

    def __post_init__(self) -> None:
        for each in dataclasses.fields(self):
            value, bounds = getattr(self, each.name), each.metadata
            if "least" in bounds and not value >= bounds["least"]:
                least = f"{each.name} must be at least {bounds['least']}"
                raise UserError(f"{least}. Received: {value}")
            if "above" in bounds and not value > bounds["above"]:
                raise UserError(f"{each.name} must be above {bounds['above']}. Received: {value}")

    @property
    def max_bytes(self) -> int:
        """Largest request, in bytes."""
        return int(self.max_megabytes * 1e6)
