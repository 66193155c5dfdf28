"""`superstars`: whose artist had a hit shortly before, as training songs tell."""

from __future__ import annotations

import numpy as np

from deephits_keras.corpus.splits import release_years, track_artists
from deephits_keras.corpus.table import Corpus
from deephits_keras.types import FloatArray, IntArray


def superstars(corpus: Corpus, train: IntArray, *, hit: float, years: int) -> FloatArray:
    """The field "superstar" of Interiano et al. (2018), as far as it can be had without a leak.

    Theirs is whether the artist had a chart entry in the near past. Here hits are training songs
    of at least a popularity, and "past" is any earlier year than the song's own, so that neither a
    held-out song nor the song itself nor the artist's future counts.

    Args:
        corpus: The corpus; it names artists and years.
        train: Rows of the training part.
        hit: Popularity from which a song is a hit, 0-100.
        years: How many years back a hit counts.

    Returns:
        `(n,)` 1 or 0 for every track of the corpus; NaN without a year or an artist.

    Raises:
        UserError: if the corpus has no artists or no years.
    """
    year = release_years(corpus)
    artists = track_artists(corpus)
    hits: dict[str, list[float]] = {}
    for row in train[corpus.popularity[train] >= hit]:
        for artist in _listed(artists.iloc[row]) if np.isfinite(year[row]) else ():
            hits.setdefault(artist, []).append(year[row])
    found = np.full(len(corpus), np.nan)
    for row, own in enumerate(year):
        keys = _listed(artists.iloc[row])
        if keys and np.isfinite(own):
            found[row] = any(0 < own - at <= years for key in keys for at in hits.get(key, ()))
    return found


def _listed(keys: object) -> list[str]:
    return list(keys) if isinstance(keys, list | tuple | np.ndarray) else []
