"""Statistics of artists over time, as a table that a layer keeps in its configuration."""

from __future__ import annotations

import base64
import zlib
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from deephits_keras.errors import UserError
from deephits_keras.types import Array, FloatArray, IntArray

MOST_BYTES = 320_000_000
"""Of a stored table, before it is compressed."""


@dataclass(frozen=True)
class Timeline:
    """Rows of statistics, by artist and in order of time; subclasses name the statistics.

    A row holds for every day after its own, until the artist's next row.

    Attributes:
        columns: Names of the statistics.
        artists: `(n,)` int32, each artist's number, ascending.
        starts: `(n + 1,)` int32, index of each artist's first row.
        days: `(rows,)` int32, ascending within an artist.
        statistics: `(rows, len(columns))` float32.
    """

    columns: ClassVar[tuple[str, ...]]
    artists: IntArray
    starts: IntArray
    days: IntArray
    statistics: FloatArray

    @classmethod
    def from_rows(cls, artists: IntArray, days: IntArray, statistics: FloatArray) -> Self:
        """Sort rows by artist and day.

        Args:
            artists: `(rows,)` number of each row's artist.
            days: `(rows,)` the day after which it holds.
            statistics: `(rows, len(columns))`.
        """
        order = np.lexsort((days, artists))
        known, firsts = np.unique(artists[order], return_index=True)
        starts = np.append(firsts, len(artists)).astype(np.int32)
        rows = np.asarray(statistics[order], np.float32).reshape(len(order), len(cls.columns))
        return cls(known.astype(np.int32), starts, days[order].astype(np.int32), rows)

    @classmethod
    def empty(cls) -> Self:
        """A table without rows."""
        none = np.empty(0, np.int32)
        return cls.from_rows(none, none, np.empty((0, len(cls.columns)), np.float32))

    @property
    def longest(self) -> int:
        """Number of rows of the artist who has most."""
        return int(np.diff(self.starts).max(initial=0))

    def to_text(self) -> str:
        """The table as text, for a layer's configuration.

        Raises:
            UserError: if it is too large.
        """
        parts = [a.astype("<i4").tobytes() for a in (self.artists, self.starts, self.days)]
        head = np.array([len(self.artists), len(self.days)], "<i4").tobytes()
        body = head + b"".join(parts) + self.statistics.astype("<f4").tobytes()
        if len(body) > MOST_BYTES:
            raise UserError(
                f"What is stored of {len(self.artists):,} artists over time takes "
                f"{len(body) / 1e6:,.0f} MB, above {MOST_BYTES / 1e6:,.0f}: use fewer numbers of "
                f"each (now {len(self.columns)}) or fewer training songs"
            )
        return base64.b64encode(zlib.compress(body, 9)).decode()

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Create a table from the result of `to_text`.

        Raises:
            ValueError: if it isn't one.
        """
        unpacker = zlib.decompressobj()
        body = unpacker.decompress(base64.b64decode(text, validate=True), MOST_BYTES)
        artists, rows = (int(n) for n in np.frombuffer(body[:8], "<i4"))
        sizes = [artists, artists + 1, rows, rows * len(cls.columns)]
        if min(artists, rows) < 0 or len(body) != 8 + 4 * sum(sizes) or not unpacker.eof:
            raise ValueError("the stored songs of artists are damaged")
        cuts = np.cumsum([8, *(4 * size for size in sizes)])
        whole: list[Array] = [
            np.frombuffer(body[low:high], kind)
            for low, high, kind in zip(
                cuts[:-1], cuts[1:], ("<i4", "<i4", "<i4", "<f4"), strict=True
            )
        ]
        known, starts, days, statistics = whole
        if starts[0] != 0 or starts[-1] != rows or (np.diff(starts) < 1).any():
            raise ValueError("the stored songs of artists are damaged")
        return cls(known, starts, days, statistics.reshape(rows, len(cls.columns)))
