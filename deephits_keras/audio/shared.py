"""Inside the graph: apply one branch to all windows of a recording."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
from keras import layers, ops

from deephits_keras.types import Tensor

ATTENTION_UNITS = 32


@keras.saving.register_keras_serializable("deephits")
class WindowsToRows(layers.Layer):  # type: ignore[misc]
    """`(batch, windows, bands, frames)` to `(batch x windows, bands, frames)`."""

    def call(self, windows: Tensor) -> Tensor:
        """Give every window a row of its own."""
        return ops.reshape(windows, (-1, *windows.shape[2:]))

    def compute_output_shape(self, shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """The windows' shape."""
        return (None, *shape[2:])


@keras.saving.register_keras_serializable("deephits")
class RowsToWindows(layers.Layer):  # type: ignore[misc]
    """`(batch x windows, units)` to `(batch, windows, units)`.

    Args:
        windows: Number of windows per recording.
    """

    def __init__(self, windows: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.windows = windows

    def call(self, rows: Tensor) -> Tensor:
        """Group the rows by recording."""
        return ops.reshape(rows, (-1, self.windows, rows.shape[-1]))

    def compute_output_shape(self, shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Output shape: one row per recording."""
        return (None, self.windows, shape[-1])

    def get_config(self) -> dict[str, Any]:
        """The layer's arguments."""
        return {**super().get_config(), "windows": self.windows}


def over_windows(
    log_mel: Tensor, branch: Callable[[Tensor], Tensor], pooling: str = "average"
) -> Tensor:
    """Apply a branch to each window of a recording, and pool the embeddings.

    Args:
        log_mel: `(batch, windows, mel_bands, frames)`, or without the second axis for one window,
            to which the branch is applied as it is.
        branch: From `(rows, mel_bands, frames)` to `(rows, units)`; its weights are the same for
            all windows.
        pooling: `average`, or `attention`: a weighted average, whose weights a network of one
            hidden layer computes from each window (Ilse, Tomczak and Welling 2018,
            *Attention-based deep multiple instance learning*, equation 8).

    Returns:
        `(batch, units)`.
    """
    if len(log_mel.shape) == 3:
        return branch(log_mel)
    embeddings = branch(WindowsToRows(name="windows_to_rows")(log_mel))
    embeddings = RowsToWindows(log_mel.shape[1], name="rows_to_windows")(embeddings)
    if pooling == "average":
        return layers.GlobalAveragePooling1D(name="windows_average")(embeddings)
    hidden = layers.Dense(ATTENTION_UNITS, activation="tanh", name="attention_hidden")(embeddings)
    scores = layers.Dense(1, use_bias=False, name="attention_scores")(hidden)
    weights = layers.Softmax(axis=1, name="attention")(scores)
    pooled = layers.Dot(axes=1, name="windows_attended")([weights, embeddings])
    return layers.Reshape((embeddings.shape[-1],), name="windows_pooled")(pooled)
