"""Inside the graph: named fields of a track -> the vector of Section 2.1 -> embedding."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from deephits_keras.encoders.layers import dense
from deephits_keras.fields.columns import FLAGS, INDICATORS, PITCH_CLASSES
from deephits_keras.types import Tensor


@keras.saving.register_keras_serializable("deephits")
class FieldVector(layers.Layer):  # type: ignore[misc]
    """Convert unscaled fields to the vector of Section 2.1.

    Called on `(batch, fields)`, NaN where unknown; returns `(batch, vector)`: the fields in order,
    `key` as 13 indicators. An unknown number becomes the mean, an unknown key undefined.

    Args:
        fields: Names of the fields.
        mean: Mean of each field; not used for `key` and `mode`.
        deviation: Standard deviation of each field; not used for `key` and `mode`.
    """

    def __init__(
        self,
        fields: Sequence[str],
        mean: Sequence[float],
        deviation: Sequence[float],
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.fields, self.mean, self.deviation = list(fields), list(mean), list(deviation)

    def call(self, values: Tensor) -> Tensor:
        """Standardise, and convert the key to indicators."""
        scaled = [field not in INDICATORS and field not in FLAGS for field in self.fields]
        mean = ops.convert_to_tensor(np.where(scaled, self.mean, 0.0), values.dtype)
        deviation = ops.convert_to_tensor(np.where(scaled, self.deviation, 1.0), values.dtype)
        unknown = ops.isnan(values)
        # All fields at once: tracing takes its time per operation.
        numbers = ops.where(unknown, ops.zeros_like(values), (values - mean) / deviation)
        parts, start = [], 0
        for index in (n for n, field in enumerate(self.fields) if field in INDICATORS):
            key = values[:, index]
            undefined = ops.logical_or(unknown[:, index], key < 0)
            pitch = ops.where(undefined, float(PITCH_CLASSES), ops.round(key))
            indicators = ops.one_hot(ops.cast(pitch, "int32"), INDICATORS[self.fields[index]])
            parts += [numbers[:, start:index], ops.cast(indicators, values.dtype)]
            start = index + 1
        parts.append(numbers[:, start:])
        # Some of the formats of `export` have no arrays without columns.
        return ops.concatenate([part for part in parts if part.shape[1]], axis=1)

    def compute_output_shape(self, shape: tuple[int | None, ...]) -> tuple[int | None, int]:
        """`(batch, vector)`."""
        return (shape[0], sum(INDICATORS.get(field, 1) for field in self.fields))

    def get_config(self) -> dict[str, Any]:
        """The layer's arguments."""
        names = ("fields", "mean", "deviation")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


def field_branch(
    values: Tensor,
    *,
    fields: Sequence[str],
    mean: Sequence[float],
    deviation: Sequence[float],
    units: int,
) -> Tensor:
    """The structured numeric branch of Table A1.

    Args:
        values: `(batch, fields)`, NaN where unknown.
        fields: Names of the fields.
        mean: Each field's mean.
        deviation: Each field's standard deviation.
        units: Size of both layers.

    Returns:
        `(batch, units)`.
    """
    # float32 at any precision policy: float16 can't represent a duration in milliseconds.
    x = FieldVector(fields, mean, deviation, dtype="float32", name="vector")(values)
    for name in ("fields_hidden", "fields_embedding"):
        x = dense(units, activation="relu", name=name)(x)
    return x
