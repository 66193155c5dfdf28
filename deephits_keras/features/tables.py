"""A modality's stored features as a table of one row of numbers per track, for a classifier."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.impute import SimpleImputer
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.random_projection import GaussianRandomProjection

from deephits_keras.encoders.features import Features
from deephits_keras.encoders.registry import AnyEncoder
from deephits_keras.features.store import FeatureStore
from deephits_keras.types import FloatArray, IntArray

CHUNK = 128
"""Tracks whose features are in memory together."""

WIDEST = 512
"""Columns beyond which a table is projected to as many random directions."""

FARTHEST = 4.0
"""Standard deviations to which values are clipped for the classifier."""

BINS = 256
"""Counts of a feature of whole numbers, such as tokens: their value modulo this."""


def table_of(encoder: AnyEncoder, store: FeatureStore, rows: IntArray) -> FloatArray:
    """The features of some tracks as a table, NaN where unknown.

    The encoder's columns (`ModalityEncoder.tabular`) if it has any; otherwise its features,
    pooled: vectors as they are, the mean and standard deviation along the longest axis of others,
    and the frequency of each whole number.

    Args:
        encoder: The encoder.
        store: Its features.
        rows: `(n,)` rows with features.

    Returns:
        `(n, columns)` float64, with at most `WIDEST` columns unless they are the encoder's own.
    """
    parts = [
        _chunk(encoder, store.gather(rows[start : start + CHUNK])[0])
        for start in range(0, len(rows), CHUNK)
    ]
    table = np.concatenate(parts)
    if table.shape[1] <= WIDEST:
        return table
    projection = GaussianRandomProjection(WIDEST, random_state=0)
    return np.asarray(projection.fit_transform(np.nan_to_num(table, posinf=0, neginf=0)))


def _chunk(encoder: AnyEncoder, features: Features) -> FloatArray:
    columns = encoder.tabular(features)
    if columns:
        return np.stack([np.asarray(each, np.float64) for each in columns.values()], axis=1)
    return np.concatenate([pooled(array) for array in features.values()], axis=1)


def pooled(array: FloatArray | IntArray) -> FloatArray:
    """A feature `(batch, *shape)` as a table `(batch, columns)`; see `table_of`.

    Example:
        >>> pooled(np.zeros((5, 128, 1292), np.float32)).shape, pooled(np.zeros((5, 7))).shape
        ((5, 256), (5, 7))
        >>> pooled(np.zeros((5, 512), np.int32)).shape
        (5, 256)
    """
    if array.ndim == 1:
        return array.astype(np.float64)[:, np.newaxis]
    if np.issubdtype(array.dtype, np.integer):
        flat = array.reshape(len(array), -1).astype(np.int64) % BINS
        counts = [np.bincount(row, minlength=BINS) for row in flat]
        return np.stack(counts) / flat.shape[1]
    values = array.astype(np.float64)
    while values.ndim > 2:
        axis = 1 + int(np.argmax(values.shape[1:]))
        mean, deviation = values.mean(axis=axis), values.std(axis=axis)
        values = np.concatenate([mean, deviation], axis=-1)
    return values


def standardised() -> list[Any]:
    """Steps before a linear classifier: standardised columns and their squares, NaN as flags."""
    return [
        SimpleImputer(add_indicator=True, keep_empty_features=True),
        StandardScaler(),
        FunctionTransformer(_with_squares),
    ]


def _with_squares(values: FloatArray) -> FloatArray:
    clipped = np.clip(values, -FARTHEST, FARTHEST)
    return np.hstack([clipped, clipped**2])
