"""What was measured of a bundle with 8-bit weights; part of `bundle.json`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Change:
    """A value of the model with float32 weights, and of the one with 8-bit weights.

    Attributes:
        float32: The value, or None for an undefined metric.
        int8: The value, or None.
    """

    float32: float | None
    int8: float | None

    @property
    def difference(self) -> float | None:
        """The second value minus the first."""
        if self.float32 is None or self.int8 is None:
            return None
        return self.int8 - self.float32


@dataclass(frozen=True)
class Quantization:
    """Effect of 8-bit weights.

    Attributes:
        part: Part of the run's split on which the metrics were measured.
        tracks: Number of its tracks.
        size: Size of the graph in bytes.
        milliseconds: Time per pass by batch size; the median of several passes on one machine.
        metrics: Metrics by group and name, as in the run's `metrics.json`.
    """

    part: str
    tracks: int
    size: Change
    milliseconds: Mapping[str, Change]
    metrics: Mapping[str, Mapping[str, Change]]
