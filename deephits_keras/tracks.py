"""`Track`: the raw input of one song, as encoders see it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Track:
    """One song before extraction.

    Attributes:
        id: Identifier, unique in its corpus; named in every error.
        audio: Path of the recording (any format libsndfile reads), or None if there is none.
        lyrics: The text, or None if there is none. Never a placeholder: importers remove those.
        fields: Every other column of the tracks table by name (for example `tempo` in BPM,
            `artist_popularity` 0-100, `release_year`). A value that is unknown is absent, None
            or NaN; `number` reads all three alike.
    """

    id: str
    audio: Path | None = None
    lyrics: str | None = None
    fields: Mapping[str, Any] = field(default_factory=dict)

    def number(self, name: str) -> float:
        """The field `name` as a float, NaN if unknown.

        Raises:
            ValueError: if the field holds something that isn't a number.
        """
        value = self.fields.get(name)
        return float("nan") if value is None or value == "" else float(value)
