"""A picture of a track's features, for pages that score a song."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class Picture:
    """What a model sees of a track, for readers of a prediction.

    A page colours it by its own palette, so that it is the same wherever it is drawn.

    Attributes:
        values: `(height, width)` uint8, 0 dark to 255 light; the first row is at the top.
        caption: What it shows, with units.

    Raises:
        ValueError: if the values aren't such an array.

    Example:
        >>> import numpy as np
        >>> Picture(np.zeros((2, 3), np.uint8), "silence").values.shape
        (2, 3)
    """

    values: np.ndarray
    caption: str

    def __post_init__(self) -> None:
        if self.values.ndim != 2 or self.values.dtype != "uint8" or not self.values.size:
            kind = f"{self.values.dtype} of the shape {self.values.shape}"
            raise ValueError(f"A picture's values must be (height, width) uint8. Received: {kind}")
