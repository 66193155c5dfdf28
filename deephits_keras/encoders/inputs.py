"""The inputs that an encoder declares, and tracks reduced to these."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol, get_args

from deephits_keras.errors import UserError
from deephits_keras.tracks import Track

Kind = Literal["file", "text", "field"]

NEVER_READ = ("track_id", "popularity")
"""Columns of a corpus that can't be inputs: the id of a track and the target."""


@dataclass(frozen=True)
class Input:
    """One input that an encoder reads of a track.

    The input's name is that of a column of the tracks table. An encoder sees only the inputs that
    it declares, and its features depend on them alone.

    Attributes:
        name: Name of the column; encoders that read the same input use the same name. For files
            and texts it is a lower-case identifier, as in `--input NAME=PATH`.
        kind: `file` (in `Track.files`), `text` (in `Track.texts`) or `field` (in `Track.fields`).
        endings: For files: name endings, such as `.jpg`, of the files that `import` finds by track
            id in the folder of `--input-dir NAME=FOLDER`; any by default.
        words: For fields: whether the values are words of a category, such as a genre or a
            language. A word that no training track has is then told where a track is scored.

    Example:
        >>> Input("cover", "file", (".jpg", ".png")).kind
        'file'
        >>> Input("tempo").kind
        'field'
    """

    name: str
    kind: Kind = "field"
    endings: tuple[str, ...] = ()
    words: bool = False

    def __post_init__(self) -> None:
        if self.kind not in get_args(Kind):
            raise ValueError(
                f"An input's kind is one of {', '.join(get_args(Kind))}. Received: {self.kind!r}"
            )
        plain = self.name.isidentifier() and self.name == self.name.lower()
        if not (self.name.strip() if self.kind == "field" else plain):
            raise ValueError(
                f"The name of a {self.kind} input must be a lower-case identifier. "
                f"Received: {self.name!r}"
            )
        if self.name in NEVER_READ:
            raise ValueError(f"{self.name} can't be an input: it is the target")
        if self.words and self.kind != "field":
            raise ValueError(f"Only a field has words of a category. Received: {self.kind}")
        if not all(ending.startswith(".") for ending in self.endings):
            raise ValueError(f"File endings begin with a dot. Received: {self.endings}")


AUDIO = Input(
    "audio",
    "file",
    tuple(
        f".{ending}"
        for endings in (
            "3gp aac aif aifc aiff amr ape asf au caf flac m4a m4b mka mkv mp2 mp3 mp4 mpc mpga",
            "oga ogg opus rf64 snd spx tta w64 wav wave weba webm wma wv",
        )
        for ending in endings.split()
    ),
)
"""The recording, in any format of libsndfile or PyAV (the extra `av`)."""

LYRICS = Input("lyrics", "text")
"""The lyrics."""


class Declares(Protocol):
    """An object that declares inputs: a `ModalityEncoder`."""

    @property
    def name(self) -> str:
        """The encoder's name."""

    @property
    def inputs(self) -> tuple[Input, ...] | None:
        """See `ModalityEncoder.inputs`."""


def inputs_of(encoder: Declares) -> tuple[Input, ...] | None:
    """The inputs that an encoder declares; None if it declares none and may read everything.

    Raises:
        UserError: if that isn't a tuple of inputs, each with a unique name.
    """
    declared = encoder.inputs
    if declared is None:
        return None
    inputs: tuple[Input, ...] = declared if isinstance(declared, tuple) else (declared,)
    names = [each.name for each in inputs if isinstance(each, Input)]
    if not isinstance(declared, tuple) or len(names) < len(inputs) or len(set(names)) < len(names):
        raise UserError(
            f"The encoder {encoder.name!r} must declare its inputs as a tuple of Input, each of "
            f"its own name. Received: {declared!r}"
        )
    return inputs


def names_of(inputs: Collection[Input], kind: Kind) -> list[str]:
    """Names of the inputs of a kind."""
    return [each.name for each in inputs if each.kind == kind]


def may_read(encoder: Declares, names: Collection[str]) -> bool:
    """Whether an encoder reads one of some inputs: it declares it, or declares none at all."""
    declared = inputs_of(encoder)
    return declared is None or any(each.name in names for each in declared)


def word_fields(encoder: Declares) -> list[str]:
    """Declared fields whose values are words of a category."""
    return [each.name for each in inputs_of(encoder) or () if each.words]


class NamesFields(Declares, Protocol):
    """What names numbers among its features: a `ModalityEncoder`."""

    def fields(self) -> Mapping[str, Any]:
        """See `ModalityEncoder.fields`."""


def fields_read(encoder: NamesFields) -> set[str]:
    """Columns whose values an encoder reads: what it declares, or else names among its features."""
    declared = inputs_of(encoder)
    return set(encoder.fields()) if declared is None else set(names_of(declared, "field"))


def single_fields(encoder: NamesFields) -> list[str]:
    """Declared fields that are features by themselves: each is known or unknown on its own.

    Not those of which an encoder reads one where it lacks another.
    """
    named = encoder.fields()
    return [name for name in names_of(inputs_of(encoder) or (), "field") if name in named]


def without_fields(track: Track, names: Collection[str]) -> Track:
    """A track in which some fields are unknown."""
    if track.fields.keys().isdisjoint(names):
        return track
    kept = {name: value for name, value in track.fields.items() if name not in names}
    return dataclasses.replace(track, fields=kept)


def as_declared(track: Track, inputs: Sequence[Input] | None) -> Track:
    """A copy of a track with the declared inputs only; with all inputs if `inputs` is None.

    A text may come from a column that was not known as an input when the corpus was made.
    """
    if inputs is None:
        return track
    texts: dict[str, str] = {}
    for name in names_of(inputs, "text"):
        text = track.texts.get(name, track.fields.get(name))
        if isinstance(text, str) and text.strip():
            texts[name] = text
    files: dict[str, Path] = {
        name: track.files[name] for name in names_of(inputs, "file") if name in track.files
    }
    fields = {
        name: track.fields[name] for name in names_of(inputs, "field") if name in track.fields
    }
    return Track(track.id, fields=fields, files=files, texts=texts)
