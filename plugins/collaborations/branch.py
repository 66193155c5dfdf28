"""Inside the graph: artists and a release day -> their place among collaborators -> embedding."""

from __future__ import annotations

from typing import Any

import keras
from keras import layers, ops

from deephits_keras.encoders.layers import dense
from deephits_keras.types import Tensor

from ..artist_history.lookup import latest_rows
from .graph import CollaborationGraph
from .vectors import node_vectors

SIZE = 9


@keras.saving.register_keras_serializable("deephits")
class EarlierCollaborations(layers.Layer):  # type: ignore[misc]
    """Place of a track's artists in the graph of training songs of earlier years.

    Called on `artists` `(batch, artists)` int32 (0 for none) and `released` `(batch, 2)` int32, the
    first and the last day on which the track may have been released. A training song is used if the
    last day on which it may have been released is in an earlier year than the track's first day.

    Returns `(batch, 9)` float32: number of the track's artists (logarithm of one more), fraction of
    them who recorded with others before, and of these: mean and maximum of the collaborators'
    number (logarithm), maximum of joint songs (logarithm) and of PageRank (logarithm; 0 for the
    mean), mean and maximum of the collaborators' popularity over 100, and whether there are any.

    Args:
        graph: `CollaborationGraph.to_text` of the training songs.
    """

    def __init__(self, graph: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.graph = graph
        self._rows = CollaborationGraph.from_text(graph)

    def call(self, artists: Tensor, released: Tensor) -> Tensor:
        """Look up each artist's place and combine them."""
        rows, found = latest_rows(self._rows, artists, released[:, :1])
        degree, joint, rank, neighbours, best = (rows[..., k] for k in range(rows.shape[-1]))
        known = ops.cast(found, "float32")
        count = ops.sum(known, axis=1)
        named = ops.sum(ops.cast(ops.greater(artists, 0), "float32"), axis=1)
        among = ops.maximum(count, 1.0)
        any_known = ops.cast(count > 0, "float32")
        # A rank may be below its mean, and so its logarithm below zero.
        highest = ops.max(ops.where(found, rank, -1e9), axis=1)
        columns = [
            ops.log1p(named),
            count / ops.maximum(named, 1.0),
            ops.sum(degree, axis=1) / among,
            ops.max(degree, axis=1),
            ops.max(joint, axis=1),
            ops.where(count > 0, highest, 0.0),
            ops.sum(neighbours, axis=1) / among,
            ops.max(best, axis=1),
            any_known,
        ]
        return ops.stack(columns, axis=1)

    def compute_output_shape(
        self, artists_shape: tuple[int | None, ...], released_shape: tuple[int | None, ...]
    ) -> tuple[int | None, ...]:
        """`(batch, 9)`."""
        del released_shape
        return (artists_shape[0], SIZE)

    def get_config(self) -> dict[str, Any]:
        """The layer's arguments."""
        return {**super().get_config(), "graph": self.graph}


@keras.saving.register_keras_serializable("deephits")
class ArtistVectors(layers.Layer):  # type: ignore[misc]
    """Mean vector of a track's artists in the graph of training songs of earlier years.

    Called as `EarlierCollaborations`; returns `(batch, size)` float32, zeros if none of the artists
    had recorded with others before.

    Args:
        vectors: `NodeVectors.to_text` of the training songs.
        size: Size of the vectors.
    """

    def __init__(self, vectors: str, size: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.vectors, self.size = vectors, size
        self._rows = node_vectors(size).from_text(vectors)

    def call(self, artists: Tensor, released: Tensor) -> Tensor:
        """Look up each artist's vector."""
        rows, found = latest_rows(self._rows, artists, released[:, :1])
        count = ops.sum(ops.cast(found, "float32"), axis=1, keepdims=True)
        return ops.sum(rows, axis=1) / ops.maximum(count, 1.0)

    def compute_output_shape(
        self, artists_shape: tuple[int | None, ...], released_shape: tuple[int | None, ...]
    ) -> tuple[int | None, ...]:
        """`(batch, size)`."""
        del released_shape
        return (artists_shape[0], self.size)

    def get_config(self) -> dict[str, Any]:
        """The layer's arguments."""
        return {**super().get_config(), "vectors": self.vectors, "size": self.size}


def collaborations_branch(
    artists: Tensor, released: Tensor, graph: str, units: int, vectors: str = "", size: int = 0
) -> Tensor:
    """`(batch, artists)` and `(batch, 2)` to `(batch, units)`."""
    place = EarlierCollaborations(graph, name="earlier_collaborations")(artists, released)
    if size:
        mean = ArtistVectors(vectors, size, name="artist_vectors")(artists, released)
        place = layers.Concatenate(name="place")([place, mean])
    hidden = dense(units, activation="relu", name="dense_1")(place)
    return dense(units, activation="relu", name="dense_2")(hidden)
