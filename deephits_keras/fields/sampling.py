"""A random sample of a stream of rows, in memory that doesn't grow with the stream."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from deephits_keras.types import Array


class RowSample:
    """At most a number of rows of a stream of batches, each row with the same probability.

    The sample depends on the seed and the order of the rows, not on how they are batched. Rows stay
    in their order, and a stream that isn't longer is kept whole.

    Args:
        most: The number.
        seed: Seed of the draw.

    Example:
        >>> sample = RowSample(2)
        >>> for values in ([1.0, 2.0], [3.0]):
        ...     sample.add({"tempo": np.array(values)})
        >>> len(sample.rows["tempo"])
        2
    """

    def __init__(self, most: int, seed: int = 0) -> None:
        self._most = most
        self._random = np.random.default_rng(seed)
        self._parts: list[tuple[Array, dict[str, Array]]] = []
        self._waiting = 0

    def add(self, rows: Mapping[str, Array]) -> None:
        """Add a batch: arrays by name, whose first axis is the rows."""
        size = len(next(iter(rows.values())))
        self._parts.append((self._random.random(size), {n: np.array(a) for n, a in rows.items()}))
        self._waiting += size
        if self._waiting > 2 * self._most:
            self._prune()

    @property
    def rows(self) -> dict[str, Array]:
        """The sample: arrays by name; empty if there were no batches."""
        self._prune()
        return self._parts[0][1] if self._parts else {}

    def _prune(self) -> None:
        """Keep the rows of the smallest drawn numbers, which is the sample of the rows so far."""
        if not self._parts:
            return
        drawn = np.concatenate([part[0] for part in self._parts])
        kept = np.arange(len(drawn))
        if len(drawn) > self._most:
            kept = np.sort(np.argpartition(drawn, self._most)[: self._most])
        names = self._parts[0][1]
        rows = {n: np.concatenate([part[1][n] for part in self._parts])[kept] for n in names}
        self._parts, self._waiting = [(drawn[kept], rows)], len(kept)
