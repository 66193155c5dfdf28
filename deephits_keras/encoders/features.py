"""The result of feature extraction: named arrays of fixed shape, or an error."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from deephits_keras.errors import DeepHitsError

if TYPE_CHECKING:
    import numpy as np

    from deephits_keras.tracks import Track


PRESENT = "present"
"""Reserved feature name: the presence mask that the core adds to each modality's inputs."""

POPULARITY = "popularity"
"""Reserved feature name: popularity of the training tracks, passed to `adapt` on request."""

Features = dict[str, "np.ndarray"]
"""One track's features by name, each with the shape and dtype of its `FeatureSpec`."""


class ExtractionError(DeepHitsError):
    """A track has the input, but it can't be used.

    Args:
        track_id: Id of the track.
        reason: What is wrong, and in which file or field.
    """

    def __init__(self, track_id: str, reason: str) -> None:
        super().__init__(track_id, reason)
        self.track_id = track_id
        self.reason = reason

    def __str__(self) -> str:
        return f"track {self.track_id}: {self.reason}"


@dataclass(frozen=True)
class FeatureSpec:
    """Shape and type of one array that an encoder extracts from a track.

    Attributes:
        name: Lower-case identifier, unique within the encoder; `present` is reserved.
        shape: Shape for one track, without the batch axis. Every dimension is fixed.
        dtype: NumPy dtype name used in storage; float16 halves the size of large features.
        description: Its content, with units.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str = "float32"
    description: str = ""

    def __post_init__(self) -> None:
        reserved = self.name in (PRESENT, POPULARITY)
        if not self.name.isidentifier() or self.name != self.name.lower() or reserved:
            raise ValueError(
                "A feature's name must be a lower-case identifier other than "
                f"{PRESENT!r} and {POPULARITY!r}. Received: {self.name!r}"
            )
        if not all(isinstance(d, int) and d > 0 for d in self.shape):
            raise ValueError(
                f"Feature {self.name!r}: every dimension must be a whole number above 0. "
                f"Received: shape={self.shape}"
            )


@dataclass(frozen=True)
class FieldFeatures:
    """Features of many tracks, computed from columns of fields.

    Attributes:
        features: `(tracks, *spec.shape)` by feature; rows of tracks without the modality are not
            used.
        present: `(tracks,)` bool, which tracks have the modality.
        missing: Which parts are missing from which track, `(tracks,)` bool by the part's name.
    """

    features: Features
    present: np.ndarray
    missing: Mapping[str, np.ndarray]


FieldPlace = tuple[str, int | None]
"""A feature's name and an index on its first axis, or None for the whole feature."""

Field = FieldPlace | tuple[FieldPlace, ...]
"""Place of a named number, or places of numbers that belong together (a set and its mask)."""


def places_of(field: Field) -> tuple[FieldPlace, ...]:
    """All places of a field.

    Example:
        >>> places_of(("fields", 3)), places_of((("artists", None), ("known", None)))
        ((('fields', 3),), (('artists', None), ('known', None)))
    """
    if isinstance(field[0], str):
        return (field,)
    return tuple(field)


def finite_number(track: Track, field: str) -> float:
    """A field of a track as a number, NaN if it is unknown.

    Raises:
        ExtractionError: if its value isn't a finite number.
    """
    try:
        value = track.number(field)
    except (TypeError, ValueError):
        given = track.fields[field]
        raise ExtractionError(track.id, f"{field} must be a number. Received: {given!r}") from None
    if math.isinf(value):
        raise ExtractionError(track.id, f"{field} must be finite. Received: {value}")
    return value


def readable_lyrics(track: Track) -> str | None:
    """The lyrics of a track, or None if they are missing or have no printable character.

    Raises:
        ExtractionError: if they aren't valid Unicode.
    """
    lyrics = track.lyrics or ""
    try:
        lyrics.encode()
    except UnicodeEncodeError as error:
        reason = f"the lyrics aren't valid Unicode: {error}"
        raise ExtractionError(track.id, reason) from error
    readable = any(c.isprintable() and not c.isspace() for c in lyrics)
    return lyrics if readable else None


def input_name(modality: str, feature: str) -> str:
    """Name of the model's input for a modality's feature, or for its presence mask."""
    return f"{modality}_{feature}"


def input_dtype(spec: FeatureSpec) -> str:
    """Dtype of the model's input for a feature: int32 for whole numbers, else float32."""
    import numpy as np

    return "int32" if np.issubdtype(np.dtype(spec.dtype), np.integer) else "float32"
