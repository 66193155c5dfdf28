"""Inside the graph: statistics -> descriptors -> vector -> embedding."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import layers, ops

from deephits_keras.fields.vector import field_branch
from deephits_keras.types import Tensor


@keras.saving.register_keras_serializable("deephits")
class DescriptorTable(layers.Layer):  # type: ignore[misc]
    """Map statistics to descriptors by a weight matrix, clipped to their ranges.

    Called on `(batch, statistics)`; returns `(batch, descriptors)`, NaN where unknown. The weights
    are part of the layer's configuration, so that a saved model needs no other file.

    Args:
        weights: `(statistics, descriptors)`.
        bias: `(descriptors,)`.
        ranges: `(2, descriptors)`, minimum and maximum.
    """

    def __init__(
        self,
        weights: Sequence[Sequence[float]],
        bias: Sequence[float],
        ranges: Sequence[Sequence[float]],
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.table, self.bias, self.ranges = weights, bias, ranges

    def call(self, statistics: Tensor) -> Tensor:
        """Apply the mapping; a descriptor is unknown if a statistic with non-zero weight is."""
        table = ops.convert_to_tensor(self.table, dtype=statistics.dtype)
        low, high = (ops.convert_to_tensor(r, dtype=statistics.dtype) for r in self.ranges)
        absent = ops.isnan(statistics)
        known = ops.where(absent, ops.zeros_like(statistics), statistics)
        values = ops.matmul(known, table) + ops.convert_to_tensor(self.bias, dtype=table.dtype)
        used = ops.cast(ops.not_equal(table, 0), table.dtype)
        unknown = ops.matmul(ops.cast(absent, table.dtype), used) > 0
        values = ops.minimum(ops.maximum(values, low), high)
        return ops.where(unknown, float("nan"), values)

    def compute_output_shape(self, shape: tuple[int | None, ...]) -> tuple[int | None, int]:
        """`(batch, descriptors)`."""
        return (shape[0], len(self.bias))

    def get_config(self) -> dict[str, Any]:
        """The layer's arguments."""
        own = {"weights": self.table, "bias": self.bias, "ranges": self.ranges}
        return {**super().get_config(), **own}


def descriptor_branch(
    statistics: Tensor,
    *,
    weights: Sequence[Sequence[float]],
    bias: Sequence[float],
    ranges: Sequence[Sequence[float]],
    **branch: Any,
) -> Tensor:
    """The structured numeric branch of Table A1, after a mapping.

    Args:
        statistics: `(batch, statistics)`, NaN where unknown.
        weights: See `DescriptorTable`.
        bias: See `DescriptorTable`.
        ranges: See `DescriptorTable`.
        branch: Arguments of `field_branch`.

    Returns:
        `(batch, units)`.
    """
    # float32 at any precision policy: float16 can't represent a duration in milliseconds.
    table = DescriptorTable(weights, bias, ranges, dtype="float32", name="descriptors")
    return field_branch(table(statistics), **branch)
