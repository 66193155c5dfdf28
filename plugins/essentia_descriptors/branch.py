"""Inside the graph: statistics -> descriptors -> vector -> embedding."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import layers, ops

from deephits_keras.heads import dense

PITCH_CLASSES = 12
KEYS = PITCH_CLASSES + 1
"""Indicators of the key: the pitch classes and "undefined"."""

Tensor = Any


@keras.saving.register_keras_serializable("deephits")
class DescriptorVector(layers.Layer):  # type: ignore[misc]
    """Statistics -> descriptors by a table of weights -> the vector of Section 2.1.

    Called on `(batch, statistics)` with NaN for what is unknown; gives `(batch, vector)`: each
    descriptor as a z-score, `mode` as one flag, `key` as 13 indicators. An unknown descriptor is
    at its mean, an unknown key undefined. The weights are the layer's configuration, so that a
    saved model needs no file beside it.

    Args:
        descriptors: Their names.
        weights: `(statistics, descriptors)`.
        bias: `(descriptors,)`.
        ranges: `(2, descriptors)`, the least and the greatest value.
        mean: `(descriptors,)` what to subtract; not used for `key` and `mode`.
        deviation: `(descriptors,)` what to divide by; likewise.
    """

    def __init__(
        self,
        descriptors: Sequence[str],
        weights: Sequence[Sequence[float]],
        bias: Sequence[float],
        ranges: Sequence[Sequence[float]],
        mean: Sequence[float],
        deviation: Sequence[float],
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.descriptors = list(descriptors)
        self.table, self.bias, self.ranges = weights, bias, ranges
        self.mean, self.deviation = mean, deviation

    def call(self, statistics: Tensor) -> Tensor:
        """Map, standardise, and spread the key out."""
        values, unknown = self.map(statistics)
        parts = []
        for index, name in enumerate(self.descriptors):
            value, lacking = values[:, index : index + 1], unknown[:, index : index + 1]
            if name == "key":
                undefined = ops.logical_or(lacking, value < 0)
                pitch = ops.where(undefined, float(PITCH_CLASSES), ops.round(value))
                indicators = ops.one_hot(ops.cast(pitch[:, 0], "int32"), KEYS)
                parts.append(ops.cast(indicators, values.dtype))
                continue
            if name != "mode":
                value = (value - self.mean[index]) / self.deviation[index]
            parts.append(ops.where(lacking, ops.zeros_like(value), value))
        return ops.concatenate(parts, axis=1)

    def map(self, statistics: Tensor) -> tuple[Tensor, Tensor]:
        """`(batch, descriptors)` values, and which of them are unknown."""
        table = ops.convert_to_tensor(self.table, dtype=statistics.dtype)
        low, high = (ops.convert_to_tensor(r, dtype=statistics.dtype) for r in self.ranges)
        absent = ops.isnan(statistics)
        known = ops.where(absent, ops.zeros_like(statistics), statistics)
        values = ops.matmul(known, table) + ops.convert_to_tensor(self.bias, dtype=table.dtype)
        used = ops.cast(ops.not_equal(table, 0), table.dtype)
        unknown = ops.matmul(ops.cast(absent, table.dtype), used) > 0
        return ops.minimum(ops.maximum(values, low), high), unknown

    def compute_output_shape(self, shape: tuple[int | None, ...]) -> tuple[int | None, int]:
        """`(batch, vector)`."""
        return (shape[0], sum(KEYS if name == "key" else 1 for name in self.descriptors))

    def get_config(self) -> dict[str, Any]:
        """The layer's arguments."""
        names = ("descriptors", "bias", "ranges", "mean", "deviation")
        own = {name: getattr(self, name) for name in names}
        return {**super().get_config(), "weights": self.table, **own}


def descriptor_branch(statistics: Tensor, *, units: int, **table: Any) -> Tensor:
    """The structured numeric branch of Table A1, behind a mapping.

    Args:
        statistics: `(batch, statistics)`, NaN where unknown.
        units: Size of both layers.
        table: Arguments of `DescriptorVector`.

    Returns:
        `(batch, units)`.
    """
    # Single precision at any policy: half of it can't hold a duration in milliseconds.
    x = DescriptorVector(**table, dtype="float32", name="vector")(statistics)
    for name in ("hidden", "embedding"):
        x = dense(units, activation="relu", name=name)(x)
    return x
