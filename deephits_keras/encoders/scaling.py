"""Scale vectors of numbers by statistics of the training split, for encoders' branches."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from deephits_keras.types import Array, Tensor


class Scale:
    """Offset and span of each number of a vector.

    Args:
        offset: Numbers to subtract, one per column.
        span: Numbers to divide by, one per column; above 0.

    Example:
        >>> import numpy as np
        >>> Scale.from_bounds([np.array([[1.0, 4.0], [3.0, 5.0]])], 2).span
        [2.0, 1.0]
    """

    def __init__(self, offset: list[float], span: list[float]) -> None:
        self.offset, self.span = offset, span

    @classmethod
    def from_identity(cls, columns: int) -> Scale:
        """A scale that changes nothing."""
        return cls([0.0] * columns, [1.0] * columns)

    @classmethod
    def from_bounds(cls, batches: Iterable[Array], columns: int) -> Scale:
        """A scale that maps the minimum of each column to 0 and its maximum to 1, ignoring NaN.

        A column without variation or without a value is 0 whatever its later values are: the
        model learned nothing from it.
        """
        import numpy as np

        from deephits_keras.encoders.moments import NEVER

        low, high = np.full(columns, np.inf), np.full(columns, -np.inf)
        for batch in batches:
            known = np.isfinite(batch)
            low = np.minimum(low, np.where(known, batch, np.inf).min(axis=0))
            high = np.maximum(high, np.where(known, batch, -np.inf).max(axis=0))
        seen = np.isfinite(low)
        low = np.where(seen, low, 0.0)
        span = np.where(seen & (high > low), high - low, NEVER)
        return cls(low.astype(float).tolist(), span.astype(float).tolist())

    @classmethod
    def from_moments(cls, batches: Iterable[Array], columns: int) -> Scale:
        """A scale that maps the mean of each column to 0 and its standard deviation to 1."""
        from deephits_keras.encoders.moments import Moments

        moments = Moments.from_batches(batches, columns)
        return cls(moments.mean.tolist(), moments.deviation.tolist())

    def apply(self, vector: Tensor, name: str) -> Tensor:
        """The scaled vector, inside the graph, in float32; unknown numbers (NaN) become 0.

        Args:
            vector: `(batch, columns)`.
            name: Name of the layer.
        """
        from deephits_keras.encoders.scaled import Scaled

        return Scaled(self.offset, self.span, dtype="float32", name=name)(vector)
