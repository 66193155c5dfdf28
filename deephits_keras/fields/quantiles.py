"""Numbers by their rank: what makes fields of any scale and shape alike for a network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from deephits_keras.types import Array, Tensor

LIMIT = 5.2
"""Normal quantile of 1e-7, where scikit-learn's `QuantileTransformer` cuts off, too."""

TIES = 1e-3
"""Deviation of the noise that breaks ties, as a share of the field's."""


def quantile_count(tracks: int) -> int:
    """Quantiles for so many training tracks: a thirtieth, from 10 to 1,000 (RealMLP, TabM)."""
    return int(np.clip(tracks // 30, 10, 1000))


def fit_quantiles(values: Array, seed: int = 0) -> Array:
    """Quantiles of each field over the tracks that have a value.

    A little noise breaks ties, so that a value that many tracks share is mapped to the middle of
    its share and not to an end of it.

    Args:
        values: `(tracks, fields)`, NaN where unknown.
        seed: Of the noise.

    Returns:
        `(fields, quantiles)` float64, ascending along the last axis; zeros for a field without
        values.
    """
    shares = np.linspace(0, 1, quantile_count(len(values)))
    noise = np.asarray(np.random.default_rng(seed).normal(size=values.shape))
    rows = []
    for place in range(values.shape[1]):
        column, disturbance = values[:, place].astype(np.float64), noise[:, place]
        known = np.isfinite(column)
        if not known.any():
            rows.append(np.zeros(len(shares)))
            continue
        spread = TIES * max(float(column[known].std()), 1e-6)
        rows.append(np.quantile(column[known] + spread * disturbance[known], shares))
    return np.stack(rows)


@keras.saving.register_keras_serializable("deephits")
class QuantileNormal(layers.Layer):  # type: ignore[misc]
    """Numbers -> normal scores, by piecewise-linear interpolation of stored quantiles.

    Called on `(batch, fields)` with NaN where unknown; gives `(batch, fields)` float32: the normal
    score of a value's share among the training tracks, 0 where unknown. Beyond the training
    tracks' range it is held at the ends, and a field that they have no value of is unknown.

    Args:
        quantiles: `(fields, quantiles)`, ascending along the last axis (`fit_quantiles`).

    Example:
        >>> layer = QuantileNormal([[0.0, 10.0, 20.0]])
        >>> scores = ops.convert_to_numpy(layer(np.array([[10.0], [np.nan], [99.0]], "float32")))
        >>> scores.astype(float).round(1).ravel().tolist()
        [0.0, 0.0, 5.2]
    """

    def __init__(self, quantiles: Sequence[Sequence[float]] | Array, **kwargs: Any) -> None:
        super().__init__(dtype="float32", **kwargs)
        edges = np.asarray(quantiles, dtype=np.float64)
        self.quantiles = edges.tolist()
        middle = edges[:, edges.shape[1] // 2]
        spread = edges[:, -1] - edges[:, 0]
        self._middle = middle.astype(np.float32)
        self._spread = np.where(spread > 0, spread, 1.0).astype(np.float32)
        self._known = (spread > 0).astype(np.float32)
        # Steps of scaled edges: single precision holds no difference of two durations in
        # milliseconds that are a thousandth of a deviation apart.
        scaled = (edges - middle[:, None]) / np.where(spread > 0, spread, 1.0)[:, None]
        self._low = scaled[:, :-1].astype(np.float32)
        self._step = np.maximum(np.diff(scaled, axis=1), 1e-9).astype(np.float32)

    def call(self, values: Tensor) -> Tensor:
        """Interpolate the share, then take its normal quantile."""
        values = ops.cast(values, "float32")
        unknown = ops.isnan(values)
        filled = ops.where(unknown, ops.zeros_like(values), values)
        scaled = (filled - self._middle) / self._spread
        # Each segment says how much of it lies below the value: their mean is the share.
        parts = (ops.expand_dims(scaled, -1) - self._low) / self._step
        share = ops.mean(ops.clip(parts, 0.0, 1.0), axis=-1)
        score = 2.0**0.5 * ops.erfinv(ops.clip(2.0 * share - 1.0, -1 + 2e-7, 1 - 2e-7))
        score = ops.clip(score, -LIMIT, LIMIT) * self._known
        return ops.where(unknown, ops.zeros_like(score), score)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """`(batch, fields)`."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """The layer's arguments."""
        config = {**super().get_config(), "quantiles": self.quantiles}
        config.pop("dtype", None)
        return config
