"""Transform numbers by rank, so that fields of any scale and distribution become comparable."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from deephits_keras.types import Array, Tensor

LIMIT = 5.2
"""Normal quantile of 1e-7, the limit of scikit-learn's `QuantileTransformer`."""

TIES = 1e-3
"""Standard deviation of the noise that breaks ties, relative to the field's."""


def quantile_count(tracks: int) -> int:
    """Number of quantiles: a thirtieth of the training tracks, from 10 to 1,000 (RealMLP, TabM)."""
    return int(np.clip(tracks // 30, 10, 1000))


def fit_quantiles(values: Array, seed: int = 0) -> Array:
    """Quantiles of each field over the tracks with a value.

    A little noise breaks ties, so that a frequent value is mapped to the middle of its quantile
    range.

    Args:
        values: `(tracks, fields)`, NaN where unknown.
        seed: Seed of the noise.

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

    Called on `(batch, fields)`, NaN where unknown; returns `(batch, fields)` float32: the normal
    score of a value's quantile among the training tracks, 0 where unknown. Values beyond the
    training range are clipped; a field without training values is unknown.

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
        middle = edges[:, edges.shape[1] // 2].astype(np.float32)
        spread = edges[:, -1] - edges[:, 0]
        self._middle = middle
        self._known = (spread > 0).astype(np.float32)
        # Edges from the middle: float32 can't represent the difference of two durations in
        # milliseconds that are a thousandth of a deviation apart.
        around = edges - middle[:, None]
        steps = np.maximum(np.diff(around, axis=1), 1e-9 * np.where(spread > 0, spread, 1)[:, None])
        self._low = around[:, :-1].astype(np.float32)
        self._step = np.maximum(steps, 1e-30).astype(np.float32)

    def call(self, values: Tensor) -> Tensor:
        """Interpolate the quantile, then apply the normal quantile function."""
        values = ops.cast(values, "float32")
        unknown = ops.isnan(values)
        filled = ops.where(unknown, ops.zeros_like(values), values)
        # Fraction of each segment below the value; the mean over segments is the quantile. Clipped
        # before the division: of a frequent value's steps OpenVINO would else divide both terms of
        # the difference, and their rounding count a thousand times.
        above = ops.expand_dims(filled - self._middle, -1) - self._low
        share = ops.mean(ops.minimum(ops.relu(above), self._step) / self._step, axis=-1)
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
