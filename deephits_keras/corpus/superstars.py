"""`superstars`: whether a track's artist had a recent hit among the training songs."""

from __future__ import annotations

import numpy as np

from deephits_keras.corpus.groups import release_years
from deephits_keras.corpus.splits import track_artists
from deephits_keras.corpus.table import Corpus
from deephits_keras.errors import UserError
from deephits_keras.types import FloatArray, IntArray

SUPERSTARS = "superstars"
"""Key of a recipe's estimator: the settings of this field."""


def require_history(corpus: Corpus) -> None:
    """Check that the field can be computed.

    Raises:
        UserError: if no track has both an artist and a year.
    """
    dated = np.isfinite(release_years(corpus))
    named = track_artists(corpus).map(lambda keys: bool(_listed(keys))).to_numpy(bool)
    if not (dated & named).any():
        raise UserError("no track has both an artist and a year of release")


def superstars(corpus: Corpus, train: IntArray, *, hit: float, years: int) -> FloatArray:
    """The field "superstar" of Interiano et al. (2018), computed without a leak.

    In the original it states whether the artist had a recent chart entry. Here hits are training
    songs with a minimum popularity in earlier years than the song's, so that neither held-out
    songs, nor the song itself, nor the artist's later songs are used.

    Args:
        corpus: A corpus with artists and years.
        train: Rows of the training part.
        hit: Minimum popularity of a hit, 0-100.
        years: Number of years before the song in which a hit counts.

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
