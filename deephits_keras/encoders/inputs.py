"""What an encoder reads of a track: its declared inputs, and a track of these alone."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol, get_args

from deephits_keras.errors import UserError
from deephits_keras.tracks import Track

Kind = Literal["file", "text", "field"]

NEVER_READ = ("track_id", "popularity")
"""Columns of a corpus that are no input: the name of a track, and what is to be predicted."""


@dataclass(frozen=True)
class Input:
    """One thing that an encoder reads of a track.

    A column of the tracks table has the input's name. What an encoder declares is all that it
    gets to see, all that its features depend on, and all that `predict` takes for it.

    Attributes:
        name: Equal for encoders that read the same thing. Of files and texts a lower-case
            identifier, so that `--input NAME=PATH` can name it; of fields any column's name.
        kind: `file` (in `Track.files`), `text` (in `Track.texts`) or `field` (in `Track.fields`).
        endings: Of files: the endings, such as `.jpg`, of files that import finds by track id in
            the folder that `--input-dir NAME=FOLDER` names; any file by default.

    Example:
        >>> Input("cover", "file", (".jpg", ".png")).kind
        'file'
        >>> Input("tempo").kind
        'field'
    """

    name: str
    kind: Kind = "field"
    endings: tuple[str, ...] = ()

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
"""The recording, in what a decoder may read: libsndfile, or PyAV (the extra `av`)."""

LYRICS = Input("lyrics", "text")
"""The lyrics."""


class Declares(Protocol):
    """What declares inputs: a `ModalityEncoder`."""

    @property
    def name(self) -> str:
        """The encoder's name."""

    @property
    def inputs(self) -> tuple[Input, ...] | None:
        """See `ModalityEncoder.inputs`."""


def inputs_of(encoder: Declares) -> tuple[Input, ...] | None:
    """What an encoder declares that it reads; None if it declares nothing and may read anything.

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


def as_declared(track: Track, inputs: Sequence[Input] | None) -> Track:
    """A track of declared inputs alone; of all that it has if `inputs` is None.

    A text may come from a column that no one knew to be an input when the corpus was made.
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
