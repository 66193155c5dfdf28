"""Inside the graph: columns -> vector -> embedding."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import layers, ops

from deephits_keras.heads import dense

from .features import INDICATORS, PITCH_CLASSES

FLAGS = ("mode",)

Tensor = Any


@keras.saving.register_keras_serializable("deephits")
class FieldVector(layers.Layer):  # type: ignore[misc]
    """Columns as they are -> the vector of Section 2.1.

    Called on `(batch, columns)` with NaN for unknown values; gives `(batch, vector)`: each
    column in its place, `key` as 13 indicators.

    Args:
        columns: Names of the columns.
        mean: What to subtract from each; not used for `key` and `mode`.
        deviation: What to divide each by; likewise.
    """

    def __init__(
        self,
        columns: Sequence[str],
        mean: Sequence[float],
        deviation: Sequence[float],
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.columns, self.mean, self.deviation = list(columns), list(mean), list(deviation)

    def call(self, fields: Tensor) -> Tensor:
        """Standardise, and spread the key out."""
        parts = []
        for index, column in enumerate(self.columns):
            value = fields[:, index : index + 1]
            unknown = ops.isnan(value)
            if column in INDICATORS:
                undefined = ops.logical_or(unknown, value < 0)
                pitch = ops.where(undefined, float(PITCH_CLASSES), value)
                indicators = ops.one_hot(ops.cast(pitch[:, 0], "int32"), INDICATORS[column])
                parts.append(ops.cast(indicators, fields.dtype))
                continue
            if column not in FLAGS:
                value = (value - self.mean[index]) / self.deviation[index]
            parts.append(ops.where(unknown, ops.zeros_like(value), value))
        return ops.concatenate(parts, axis=1)

    def compute_output_shape(self, fields_shape: tuple[int | None, ...]) -> tuple[int | None, int]:
        """`(batch, vector)`."""
        return (fields_shape[0], sum(INDICATORS.get(column, 1) for column in self.columns))

    def get_config(self) -> dict[str, Any]:
        """The layer's arguments."""
        names = ("columns", "mean", "deviation")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


def numeric_branch(
    fields: Tensor,
    *,
    columns: Sequence[str],
    mean: Sequence[float],
    deviation: Sequence[float],
    units: int,
) -> Tensor:
    """The structured numeric branch of Table A1.

    Args:
        fields: `(batch, columns)`, NaN where unknown.
        columns: Names of the columns.
        mean: Each column's mean.
        deviation: Each column's standard deviation.
        units: Size of both layers.

    Returns:
        `(batch, units)`.
    """
    # Single precision at any policy: half of it can't hold a duration in milliseconds.
    x = FieldVector(columns, mean, deviation, dtype="float32", name="vector")(fields)
    for name in ("fields_hidden", "fields_embedding"):
        x = dense(units, activation="relu", name=name)(x)
    return x
