"""The lyrics' branch, inside the graph."""

from __future__ import annotations

from typing import Any

from deephits_keras.encoders.layers import dense


def lyrics_branch(cls: Any, units: int) -> Any:
    """Two fully connected layers with ReLU (Table A1, rows 28-31).

    The text (Section 2.2.2) also speaks of batch normalisation on the lyrics' embedding; the
    table has none and its 262,656 parameters leave no room for it, so there is none.

    Args:
        cls: BERT's pooled vector, `(batch, hidden size)`.
        units: Size of both layers; 0 for none.

    Returns:
        `(batch, units)`, or the vector.
    """
    if not units:
        from keras import layers

        return layers.Identity(name="lyrics_vector")(cls)
    hidden = dense(units, activation="relu", name="lyrics_dense_1")(cls)
    return dense(units, activation="relu", name="lyrics_dense_2")(hidden)
