"""Importance weights of training tracks: how much more likely a track is among the new ones.

Under covariate shift (other songs, but the same popularity of alike songs) training tracks that
resemble the new ones tell more of them. The weight is the ratio of the densities of a track's
features (Shimodaira 2000), by a classifier that tells new from training tracks (Bickel et al.
2009). Only features are used, never the popularity of new tracks.
"""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegressionCV
from sklearn.pipeline import make_pipeline

from deephits_keras.corpus.splits import Split
from deephits_keras.corpus.table import Corpus
from deephits_keras.encoders.registry import AnyEncoder
from deephits_keras.errors import UserError
from deephits_keras.features.store import FeatureStore
from deephits_keras.features.tables import standardised, table_of
from deephits_keras.types import FloatArray, IntArray

FEWEST = 20
"""Fewest tracks of each kind from which weights are estimated."""

MOST = 10_000
"""Tracks of each kind that a classifier learns from."""

LARGEST = 10.0
"""A track counts at most so many times more, or less, than the mean."""

STRENGTHS = np.logspace(-5, 0, 6)
"""Values of C; the weakest leaves every weight at 1, and is chosen where nothing has changed."""


def weighted(
    split: Split,
    corpus: Corpus,
    encoders: Mapping[str, AnyEncoder],
    target: Corpus,
    rows: IntArray,
    *,
    name: str,
) -> Split:
    """A split whose training tracks are weighted for new tracks.

    Encoders that learn popularity are left out: they read who made a song and when.

    Args:
        split: The split.
        corpus: Its corpus.
        encoders: The encoders by modality, with features of both corpora.
        target: The corpus of the new tracks, or the same one.
        rows: Their rows in it.
        name: What the new tracks are called in the split's settings.

    Raises:
        UserError: if there are too few tracks, or no features to compare.
    """
    trained = split.parts["train"]
    for tracks, what in ((trained, "training tracks"), (rows, "tracks to weight for")):
        if len(tracks) < FEWEST:
            raise UserError(f"Weights need {FEWEST} {what}. There are {len(tracks)}")
    pairs = []
    for encoder in encoders.values():
        if encoder.learns_popularity:
            continue
        stores = [FeatureStore.open(each, encoder) for each in (corpus, target)]
        places = (trained, np.asarray(rows))
        if not all(s.present[r].any() for s, r in zip(stores, places, strict=True)):
            continue
        pairs.append([_table(encoder, s, r) for s, r in zip(stores, places, strict=True)])
    if not pairs:
        raise UserError(
            f"No modality of {', '.join(encoders)} has features that can be compared with the new "
            "tracks: weights need one, such as meta"
        )
    old, new = (np.concatenate(side, axis=1) for side in zip(*pairs, strict=True))
    weights = importance_weights(old, new, seed=split.seed)
    record = {"for": name, "effective_tracks": round(effective(weights), 1)}
    return dataclasses.replace(
        split, weights=weights, settings={**split.settings, "weights": record}
    )


def _table(encoder: AnyEncoder, store: FeatureStore, rows: IntArray) -> FloatArray:
    """The features of some tracks, NaN where the modality is missing."""
    have = store.present[rows]
    known = table_of(encoder, store, rows[have])
    table = np.full((len(rows), known.shape[1]), np.nan)
    table[have] = known
    return table


def importance_weights(old: FloatArray, new: FloatArray, *, seed: int = 0) -> FloatArray:
    """Estimated ratio of the density of new to that of old tracks, at each old track.

    A logistic regression on standardised columns and their squares learns to tell as many new from
    old ones, with a regularisation chosen by cross-validation. Each half of the old tracks gets the
    odds of the model that learned from the other half.

    Args:
        old: `(n, columns)`, NaN where unknown.
        new: `(m, columns)`.
        seed: Random seed of the halves.

    Returns:
        `(n,)` float32 with mean 1, clipped at a tenth of the mean and at ten times it.

    Example:
        >>> draw = np.random.default_rng(0)
        >>> old, new = draw.normal(0, 1, (500, 1)), draw.normal(1, 1, (500, 1))
        >>> weights = importance_weights(old, new)
        >>> bool(weights[old[:, 0] > 1].mean() > 2 > 0.5 > weights[old[:, 0] < 0].mean())
        True
    """
    rng = np.random.default_rng(seed)
    old, new = (np.where(np.isfinite(table), table, np.nan) for table in (old, new))
    halves = [rng.permutation(len(table)) % 2 for table in (old, new)]
    logits = np.empty(len(old))
    for side in (0, 1):
        learned = [np.flatnonzero(half != side) for half in halves]
        count = min(*map(len, learned), MOST)
        chosen = [rng.choice(rows, count, replace=False) for rows in learned]
        values = np.concatenate([old[chosen[0]], new[chosen[1]]])
        model = _classifier()
        with warnings.catch_warnings():
            # A fit that stops early is a classifier as well.
            warnings.simplefilter("ignore")
            model.fit(values, np.repeat([0, 1], count))
            asked = halves[0] == side
            logits[asked] = model.decision_function(old[asked])
    # Over the mean first: if all old tracks are far from the new ones, the nearest count most.
    ratio = np.exp(logits - logits.max())
    ratio = np.clip(ratio / ratio.mean(), 1 / LARGEST, LARGEST)
    weights: FloatArray = (ratio / ratio.mean()).astype(np.float32)
    return weights


def _classifier() -> Any:
    last = LogisticRegressionCV(Cs=STRENGTHS, cv=3, scoring="neg_log_loss", max_iter=200)
    return make_pipeline(*standardised(), last)


def effective(weights: FloatArray) -> float:
    """Number of equally weighted tracks that would tell as much (Kish 1965).

    Example:
        >>> effective(np.array([1.0, 1.0, 1.0])), effective(np.array([3.0, 0.0, 0.0]))
        (3.0, 1.0)
    """
    total = weights.astype(np.float64)
    return float(total.sum() ** 2 / (total**2).sum())
