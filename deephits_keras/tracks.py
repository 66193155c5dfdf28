"""`Track`: the raw input of one song, as encoders see it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

_UNCHANGED: Final = object()


@dataclass(frozen=True, init=False)
class Track:
    """One song before extraction: files, texts and fields, each by name.

    `audio` and `lyrics`, the file and the text that most encoders read, have their own arguments
    and properties; other declared inputs (`deephits_keras.Input`) are in `files`, `texts` and
    `fields` under their names.

    Attributes:
        id: Identifier, unique in its corpus; part of every error message.
        fields: Other columns of the tracks table by name (for example `tempo` in BPM,
            `artist_popularity` 0-100, `release_year`). An unknown value is absent, None or
            NaN; `number` treats all three alike.
        files: Path of each file by the name of its input, for example `audio`, a recording in any
            format that libsndfile reads.
        texts: Each text by the name of its input, for example `lyrics`. Importers remove
            placeholders of missing texts.

    Example:
        >>> track = Track("song", audio=Path("song.mp3"), files={"cover": Path("front.jpg")})
        >>> sorted(track.files)
        ['audio', 'cover']
        >>> track.lyrics is None
        True
    """

    id: str
    fields: Mapping[str, Any]
    files: Mapping[str, Path]
    texts: Mapping[str, str]

    def __init__(
        self,
        id: str,
        audio: Any = _UNCHANGED,
        lyrics: Any = _UNCHANGED,
        fields: Mapping[str, Any] | None = None,
        *,
        files: Mapping[str, Path] | None = None,
        texts: Mapping[str, str] | None = None,
    ) -> None:
        """Build a track.

        Args:
            id: See the class.
            audio: Path of the recording, or None for a track without one.
            lyrics: The text, or None for a track without one.
            fields: See the class.
            files: Files by input name; may contain `audio` instead of the argument.
            texts: Texts by input name; may contain `lyrics` instead of the argument.
        """
        object.__setattr__(self, "id", id)
        object.__setattr__(self, "fields", {} if fields is None else fields)
        object.__setattr__(self, "files", _with(files, "audio", audio))
        object.__setattr__(self, "texts", _with(texts, "lyrics", lyrics))

    @property
    def audio(self) -> Path | None:
        """Path of the recording, or None if there is none."""
        return self.files.get("audio")

    @property
    def lyrics(self) -> str | None:
        """The lyrics, or None if there are none."""
        return self.texts.get("lyrics")

    def number(self, name: str) -> float:
        """The field `name` as a float, NaN if unknown.

        Raises:
            ValueError: if the field's value isn't a number.
        """
        value = self.fields.get(name)
        return float("nan") if value is None or value == "" else float(value)


def _with(values: Mapping[str, Any] | None, name: str, value: Any) -> dict[str, Any]:
    """The known values, with the value of `name` replaced if one is given."""
    named = dict(values or {})
    if value is not _UNCHANGED:
        named[name] = value
    return {key: given for key, given in named.items() if given is not None}
