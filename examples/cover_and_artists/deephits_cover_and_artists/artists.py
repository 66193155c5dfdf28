"""`ArtistGraph`: a set with a mask as an input, and a file that all tracks share."""

from __future__ import annotations

import csv
import hashlib
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import combinations
from pathlib import Path

import numpy as np

from deephits_keras import (
    EncoderConfig,
    ExtractionError,
    FeatureSpec,
    Input,
    ModalityEncoder,
    Track,
    UserError,
    setting,
)


@dataclass(frozen=True)
class ArtistGraphConfig(EncoderConfig):
    """Settings of `ArtistGraph`."""

    edges: str | None = setting(
        None,
        "CSV of collaborations, two artists per line, without a header",
        changes_features=True,
        path=True,
    )
    artists: int = setting(6, "most artists per track", changes_features=True)
    dimensions: int = setting(16, "size of an artist's vector", changes_features=True)
    hops: int = setting(2, "number of hops to averaged neighbours; 0: none", changes_features=True)
    units: int = setting(32, "size of the embedding")

    def __post_init__(self) -> None:
        if min(self.artists, self.dimensions, self.units) < 1 or self.hops < 0:
            raise ValueError("artists, dimensions and units must be positive, hops at least 0")


class ArtistGraph(ModalityEncoder[ArtistGraphConfig]):
    """Embedding of a track's artists in the graph of their collaborations.

    Outside the graph of Keras: each artist gets a random vector, seeded by the name, averaged with
    those of its neighbours and of theirs (FastRP, Chen et al. 2019), so that artists with common
    collaborators have similar vectors. A track without known artists lacks the modality.

    Inside: one dense layer per artist, the mean over the track's artists (a set has no order), and
    another dense layer.
    """

    name = "artist_graph"
    modality = "collaborations"
    version = "1"
    summary = "artists in the graph of their collaborations -> mean of the set -> 32-D"
    Config = ArtistGraphConfig
    inputs = (Input("artist_ids"),)

    @property
    def feature_specs(self):
        """`vectors` `(artists, dimensions)` and the mask `known` `(artists,)`, float32."""
        shape = (self.config.artists, self.config.dimensions)
        return (
            FeatureSpec("vectors", shape, "float32", "vector of each artist, about -1 to 1"),
            FeatureSpec("known", shape[:1], "float32", "1 for each known artist"),
        )

    @property
    def embedding_size(self):
        """The setting `units`."""
        return self.config.units

    # === Outside the graph ===

    @cached_property
    def places(self) -> dict[str, np.ndarray]:
        """Each artist's vector.

        Raises:
            UserError: if the table of edges is missing or can't be read.
        """
        config = self.config
        if config.edges is None:
            raise UserError(
                "artist_graph needs to know who made music with whom: --artist-graph-edges CSV"
            )
        return _places(Path(config.edges), config.dimensions, config.hops)

    def extract(self, track):
        """The vectors of the known artists; None without any."""
        artists = self._known(track)
        if not artists:
            return None
        vectors = np.zeros((self.config.artists, self.config.dimensions), "float32")
        known = np.zeros(self.config.artists, "float32")
        for place, artist in enumerate(artists):
            vectors[place], known[place] = self.places[artist], 1
        return {"vectors": vectors, "known": known}

    def _listed(self, track) -> list[str]:
        """The track's artists: a list from a Parquet file, or the text of one from a CSV."""
        from deephits_keras.corpus.artists import listed_artists

        value = track.fields.get("artist_ids")
        if value is None or value != value:
            return []
        listed = listed_artists(value)
        if listed is None and not isinstance(value, str):
            raise ExtractionError(track.id, f"artist_ids is no list of artists: {value!r}")
        return [str(value)] if listed is None else listed

    def _known(self, track) -> list[str]:
        known = [artist for artist in self._listed(track) if artist in self.places]
        return known[: self.config.artists]

    def missing_parts(self, track, features):
        """The artists that the graph doesn't know."""
        del features
        unknown = [artist for artist in self._listed(track) if artist not in self.places]
        return tuple(dict.fromkeys(unknown))

    # === Inside the graph ===

    def build(self, inputs):
        """`(batch, artists, dimensions)` and its mask to `(batch, units)`."""
        from keras import layers, ops

        known = ops.expand_dims(inputs["known"], -1)
        each = layers.Dense(self.config.units, activation="relu")(inputs["vectors"])
        # A track that lacks the modality has a mask of zeros.
        count = ops.maximum(ops.sum(known, axis=1), 1)
        mean = ops.sum(each * known, axis=1) / count
        return layers.Dense(self.config.units, activation="relu")(mean)

    # === Explanations, ablations, baselines ===

    def fields(self):
        """The set and its mask, which are permuted together."""
        return {"artists": (("vectors", None), ("known", None))}

    def ablations(self):
        """Without collaborations: each artist has its random vector."""
        return {"neighbours": {"hops": 0}} if self.config.hops else {}

    def explainable(self, track, features, branch):
        """Attribute to each artist's vector, with zeros as the baseline."""
        from .explaining import ExplainableArtists

        return ExplainableArtists(self._known(track), features, branch)

    # === Samples and checks ===

    @classmethod
    def example_tracks(cls, folder):
        """Songs of three artists, one with the text of a CSV."""
        del folder
        lists = (["a", "b"], ["b", "c"], "['c', 'a', 'b']")
        return [Track(f"song-{n}", fields={"artist_ids": each}) for n, each in enumerate(lists)]

    @classmethod
    def bad_tracks(cls, folder):
        """A track with a number instead of a list of artists."""
        del folder
        return [Track("number", fields={"artist_ids": 7})]

    @classmethod
    def prepare_sample(cls, folder, tracks):
        """The edges between artists of the same song."""
        encoder = cls()
        pairs = {
            pair
            for track in tracks
            for pair in combinations(sorted(set(encoder._listed(track))), 2)
        }
        if not pairs:
            return {}
        with (folder / "edges.csv").open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows(sorted(pairs))
        return {"edges": folder / "edges.csv"}


@lru_cache(maxsize=4)
def _places(edges: Path, dimensions: int, hops: int) -> dict[str, np.ndarray]:
    """FastRP: random vectors, averaged over neighbours `hops` times, and summed."""
    try:
        with edges.open(newline="", encoding="utf-8") as file:
            pairs = [row for row in csv.reader(file) if row]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{edges} can't be read as a CSV of edges: {error}") from error
    if bad := next((row for row in pairs if len(row) != 2), None):
        raise UserError(f"{edges}: a line must name two artists. Received: {bad}")
    names = sorted({name for pair in pairs for name in pair})
    numbers = {name: number for number, name in enumerate(names)}
    ends = np.array([(numbers[a], numbers[b]) for a, b in pairs], dtype=int).reshape(-1, 2)
    ends = np.concatenate([ends, ends[:, ::-1]])
    degrees = np.maximum(np.bincount(ends[:, 0], minlength=len(names)), 1)[:, None]
    step = np.array([_random_vector(name, dimensions) for name in names])
    total = step.copy()
    for _ in range(hops):
        neighbours = np.zeros_like(step)
        np.add.at(neighbours, ends[:, 0], step[ends[:, 1]])
        step = neighbours / degrees
        total += step
    return dict(zip(names, total.astype("float32"), strict=True))


def _random_vector(name: str, dimensions: int) -> np.ndarray:
    """A seed from a name, equal on every machine."""
    seed = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big")
    return np.random.default_rng(seed).normal(0, dimensions**-0.5, dimensions)
