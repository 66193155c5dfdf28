"""Inside the graph: artists and a release day -> statistics of earlier songs -> embedding."""

from __future__ import annotations

from typing import Any

import keras
from keras import layers, ops

from deephits_keras.encoders.layers import dense
from deephits_keras.types import Tensor

from .history import STATISTICS, History
from .lookup import latest_rows

YEAR = 365.25
FAR_YEARS = 20.0
"""Years since a song if there is none; longer times are clipped to it."""

SIZE = 8


@keras.saving.register_keras_serializable("deephits")
class EarlierSongs(layers.Layer):  # type: ignore[misc]
    """Statistics of the training songs of a track's artists released before the track.

    Called on `artists` `(batch, artists)` int32 (0 for none) and `released` `(batch, 2)` int32, the
    first and the last day on which the track may have been released. A training song is used if the
    last day on which it may have been released is before the track's first day, so neither the
    track itself nor songs that are or may be later are used.

    Returns `(batch, 8)` float32: logarithm of the number of songs plus one, mean and best
    popularity over 100, years since the first and the latest song and since the latest hit over 20,
    whether there was a hit within `superstar_years`, and whether any artist has a song at all.

    Args:
        songs: `History.to_text` of the training songs.
        superstar_years: Years for which a hit makes its artist a superstar (Interiano et al. 2018).
    """

    def __init__(self, songs: str, superstar_years: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.songs, self.superstar_years = songs, superstar_years
        self._history = History.from_text(songs)

    def call(self, artists: Tensor, released: Tensor) -> Tensor:
        """Look up each artist's statistics and combine them."""
        day = released[:, :1]
        rows, found = latest_rows(self._history, artists, day)
        songs, total, best, first, last, hit = (rows[..., k] for k in range(len(STATISTICS)))
        any_song = ops.any(found, axis=1)
        now = ops.cast(day, "float32")
        far = FAR_YEARS * YEAR
        gaps = [
            ops.where(any_song, ops.max(ops.where(found, now - first, 0.0), axis=1), far),
            ops.min(ops.where(found, now - last, far), axis=1),
            ops.min(ops.where(found, now - hit, far), axis=1),
        ]
        years = [ops.minimum(gap, far) / far for gap in gaps]
        superstar = ops.cast(years[-1] * FAR_YEARS <= self.superstar_years, "float32")
        count = ops.sum(songs, axis=1)
        mean = ops.sum(total, axis=1) / ops.maximum(count, 1.0) / 100
        best = ops.max(best, axis=1) / 100
        known = ops.cast(any_song, "float32")
        return ops.stack([ops.log1p(count), mean, best, *years, superstar, known], axis=1)

    def compute_output_shape(
        self, artists_shape: tuple[int | None, ...], released_shape: tuple[int | None, ...]
    ) -> tuple[int | None, ...]:
        """`(batch, 8)`."""
        del released_shape
        return (artists_shape[0], SIZE)

    def get_config(self) -> dict[str, Any]:
        """The layer's arguments."""
        config = {"songs": self.songs, "superstar_years": self.superstar_years}
        return {**super().get_config(), **config}


def history_branch(
    artists: Tensor, released: Tensor, songs: str, superstar_years: float, units: int
) -> Tensor:
    """`(batch, artists)` and `(batch, 2)` to `(batch, units)`."""
    earlier = EarlierSongs(songs, superstar_years, name="earlier_songs")(artists, released)
    hidden = dense(units, activation="relu", name="dense_1")(earlier)
    return dense(units, activation="relu", name="dense_2")(hidden)
