"""Positions in a recording of the windows that an encoder analyses."""

from __future__ import annotations

CROPS = ("center", "start")
"""Position of a window within its part of the recording."""


def window_starts(samples: int, wanted: int, count: int = 1, crop: str = "center") -> list[int]:
    """Start samples of windows that are spread evenly over a recording.

    The recording is divided into `count` equal parts, and each window is the middle or the
    beginning of its part. If a part is shorter than a window, windows overlap; if the whole
    recording is shorter, all windows start at 0.

    Args:
        samples: Length of the recording, in samples.
        wanted: Length of a window, in samples.
        count: Number of windows.
        crop: `center` or `start`; see `CROPS`.

    Example:
        >>> window_starts(1000, 100), window_starts(1000, 100, 2), window_starts(80, 100, 2)
        ([450], [200, 700], [0, 0])
    """
    last = max(0, samples - wanted)
    if crop == "start":
        return [min(last, number * samples // count) for number in range(count)]
    middles = ((2 * number + 1) * samples for number in range(count))
    return [min(last, max(0, (middle - count * wanted) // (2 * count))) for middle in middles]
