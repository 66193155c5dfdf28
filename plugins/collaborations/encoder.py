"""`Collaborations`: who a track's artists recorded with before."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deephits_keras.encoders.contract import setting
from deephits_keras.encoders.features import Features
from deephits_keras.errors import UserError
from deephits_keras.tracks import Track

from ..artist_history.base import DatedArtists, DatedArtistsConfig, artists_of, unmatched_note

if TYPE_CHECKING:
    from deephits_keras.types import IntArray


MOST_NUMBERS = 256
"""Of an artist's vector."""


@dataclass(frozen=True)
class CollaborationsConfig(DatedArtistsConfig):
    """Settings of `Collaborations`."""

    edges: str | None = setting(
        None,
        "table of further collaborations with the columns artist, collaborator and date",
        path=True,
    )
    vectors: int = setting(
        0, "size of a vector of each artist's place in the graph, such as 16; 0: none"
    )
    units: int = setting(64, "size of both layers and of the embedding")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.units < 1:
            raise ValueError(f"units must be positive. Received: {self.units}")
        if not 0 <= self.vectors <= MOST_NUMBERS:
            raise ValueError(f"vectors must be from 0 to {MOST_NUMBERS}. Received: {self.vectors}")


class Collaborations(DatedArtists[CollaborationsConfig]):
    """Place of a track's artists in the graph of who recorded with whom before its year.

    Outside the graph of Keras: the artists and the date (`DatedArtists`).

    Inside: of the training songs of earlier years, how many others the artists recorded with, how
    often, their PageRank among all who recorded with others, and how popular their collaborators'
    songs were. Then two dense layers. Two artists of one song are collaborators, and those of a row
    of the table `edges`, such as producers or band members, which is read in training only. A
    training song or a row is used if it is certainly of an earlier year than the track, so neither
    the track's own popularity nor anything later can leak: an artist's future changes nothing.

    With `vectors`, the mean of the artists' vectors as well, which are alike for artists who are
    near each other in the graph of earlier years (a random walk, randomly projected).

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
        self._graph = self._vectors = ""

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
        if not found:
            return
        artists, days, popularity = (np.concatenate(each) for each in zip(*found, strict=True))
        if self.config.edges is not None:
            pairs, dates = self._edges(artists)
            width = max(artists.shape[1], 2)
            artists, pairs = (
                np.pad(each, ((0, 0), (0, width - each.shape[1]))) for each in (artists, pairs)
            )
            artists, days = np.concatenate([artists, pairs]), np.concatenate([days, dates])
            popularity = np.concatenate([popularity, np.full(len(pairs), np.nan, np.float32)])
        self._graph = CollaborationGraph.from_songs(artists, days, popularity).to_text()
        if self.config.vectors:
            from .vectors import node_vectors

            vectors = node_vectors(self.config.vectors).from_songs(artists, days)
            self._vectors = vectors.to_text()

    def _edges(self, artists: IntArray) -> tuple[IntArray, IntArray]:
        import numpy as np

        from .edges import read_edges

        path = Path(self.config.edges or "").expanduser()
        edges = read_edges(path)
        if not np.isin(edges.pairs, artists).any():
            raise UserError(
                f"No artist of {path} is one of the training songs' artists, though some are of "
                "other songs"
            )
        return edges.pairs, edges.days

    def match_files(self, tracks: Iterable[Track]) -> tuple[str, ...]:
        """How many artists of the table have no song in the corpus; see the base class."""
        if self.config.edges is None:
            return ()
        from .edges import read_edges

        path = Path(self.config.edges).expanduser()
        named = read_edges(path).keys
        of_songs = dict.fromkeys(key for track in tracks for key in artists_of(track))
        others = [key for key in named if key not in of_songs]
        if len(others) == len(named):
            raise UserError(
                f"No artist of {path} is one of the songs': it names {named[0]!r}, the songs "
                f"{next(iter(of_songs), 'none')!r}. Where the songs have artists' ids, it must "
                "have them too; else the same names"
            )
        return unmatched_note(path, "artist", others, len(named))

    def gone_paths(self) -> tuple[str, ...]:
        """None: the table is read in training, and the model keeps what it needs."""
        return ()

    def build(self, inputs: Mapping[str, Any]) -> Any:
        """`(batch, artists)` and `(batch, 2)` to `(batch, units)`."""
        from .branch import collaborations_branch
        from .graph import CollaborationGraph
        from .vectors import node_vectors

        size = self.config.vectors
        return collaborations_branch(
            inputs["artists"],
            inputs["released"],
            self._graph or CollaborationGraph.empty().to_text(),
            self.config.units,
            self._vectors or node_vectors(size).empty().to_text(),
            size,
        )
