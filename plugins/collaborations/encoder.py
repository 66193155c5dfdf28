"""`Collaborations`: who a track's artists recorded with before."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from deephits_keras.encoders.contract import setting
from deephits_keras.encoders.features import Features

from ..artist_history.base import DatedArtists, DatedArtistsConfig


@dataclass(frozen=True)
class CollaborationsConfig(DatedArtistsConfig):
    """Settings of `Collaborations`."""

    units: int = setting(64, "size of both layers and of the embedding")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.units < 1:
            raise ValueError(f"units must be positive. Received: {self.units}")


class Collaborations(DatedArtists[CollaborationsConfig]):
    """Place of a track's artists in the graph of who recorded with whom before its year.

    Outside the graph of Keras: the artists and the date (`DatedArtists`).

    Inside: of the training songs of earlier years, how many others the artists recorded with, how
    often, their PageRank among all who recorded with others, and how popular their collaborators'
    songs were. Then two dense layers. Two artists of one song are collaborators. A training song is
    used if it was certainly released in an earlier year than the track, so neither the track's own
    popularity nor anything later can leak: an artist's future changes nothing.

    Example:
        >>> from deephits_keras.tracks import Track
        >>> fields = {"artist_name": "A", "release_date": "1999-05"}
        >>> Collaborations().extract(Track("t", fields=fields))["released"].tolist()
        [72803, 72833]
    """

    name = "collaborations"
    modality = "social"
    version = "1"
    summary = "graph of who recorded with whom in earlier years -> 9-D vector -> 64-D"
    Config = CollaborationsConfig

    def __init__(self, config: CollaborationsConfig | None = None) -> None:
        super().__init__(config)
        self._graph = ""

    @property
    def embedding_size(self) -> int:
        """See the base class."""
        return self.config.units

    def adapt(self, batches: Iterable[Features]) -> None:
        """Build the graph of the training songs."""
        import numpy as np

        from .graph import CollaborationGraph

        found = [
            (batch["artists"], batch["released"][:, 1], batch["popularity"]) for batch in batches
        ]
        if found:
            columns = (np.concatenate(column) for column in zip(*found, strict=True))
            self._graph = CollaborationGraph.from_songs(*columns).to_text()

    def build(self, inputs: Mapping[str, Any]) -> Any:
        """`(batch, artists)` and `(batch, 2)` to `(batch, units)`."""
        from .branch import collaborations_branch
        from .graph import CollaborationGraph

        graph = self._graph or CollaborationGraph.empty().to_text()
        return collaborations_branch(
            inputs["artists"], inputs["released"], graph, self.config.units
        )
