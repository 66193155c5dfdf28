"""Where in a recording the windows lie that an encoder looks at."""

from __future__ import annotations

CROPS = ("center", "start")
"""Which part of a recording's N-th a window is."""


def window_starts(samples: int, wanted: int, count: int = 1, crop: str = "center") -> list[int]:
    """First samples of windows that are spread over a recording.

    The recording is divided into as many equal parts as there are windows, and each gives its
    middle or its beginning. Where a part is shorter than a window, windows overlap; where the whole
    recording is, all of them begin with it.

    Args:
        samples: Length of the recording.
        wanted: Length of a window.
        count: How many windows.
        crop: `center` or `start`: see `CROPS`.

    Example:
        >>> window_starts(1000, 100), window_starts(1000, 100, 2), window_starts(80, 100, 2)
        ([450], [200, 700], [0, 0])
    """
    last = max(0, samples - wanted)
    if crop == "start":
        return [min(last, number * samples // count) for number in range(count)]
    middles = ((2 * number + 1) * samples for number in range(count))
    return [min(last, max(0, (middle - count * wanted) // (2 * count))) for middle in middles]
