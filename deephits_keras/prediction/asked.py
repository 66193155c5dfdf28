"""A song from a user's files, texts and fields, with checks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from deephits_keras.audio import AudioError
from deephits_keras.corpus.languages import LANGUAGE, detect_languages
from deephits_keras.corpus.lyrics import LyricsCleaning, clean_lyrics
from deephits_keras.corpus.values import STANDARD, clean_fields
from deephits_keras.encoders.inputs import LYRICS, inputs_of, may_read, names_of
from deephits_keras.encoders.registry import AnyEncoder, installed_inputs
from deephits_keras.errors import UserError
from deephits_keras.runs.scorer import Scorer
from deephits_keras.tracks import Track
from deephits_keras.utils.suggestions import suggestion

TABLES = (".csv", ".tsv", ".json", ".jsonl", ".parquet", ".feather", ".arrow", ".xlsx")
"""Endings of tables, which may be given in the place of a recording."""


def asked_track(
    *,
    audio: Path | None = None,
    lyrics: Path | None = None,
    inputs: Mapping[str, Path] | None = None,
    fields: Mapping[str, Any] | None = None,
    cleaning: LyricsCleaning | None = None,
) -> Track:
    """Create a track from files and fields.

    Args:
        audio: The recording.
        lyrics: A text file, UTF-8.
        inputs: Other files, by the name of an input that an installed encoder declares; the file
            of a text input is read as UTF-8. `audio` and `lyrics` are allowed.
        fields: Metadata fields; texts are converted to numbers where possible.
        cleaning: How lyrics are cleaned (`cleaning_of`).

    Returns:
        The track, named after its first file.

    Raises:
        UserError: if no installed encoder reads an input, a file is missing, a text isn't UTF-8,
            or a field's value is invalid.
    """
    pairs = {"audio": audio, "lyrics": lyrics, **(inputs or {})}
    given = {name: path for name, path in pairs.items() if path is not None}
    known = installed_inputs()
    files: dict[str, Path] = {}
    texts: dict[str, str] = {}
    for name, path in given.items():
        if name not in known:
            raise UserError(
                f"No installed encoder reads an input called {name!r}"
                f"{suggestion(name, known)}. Inputs: {', '.join(known)}"
            )
        if known[name].kind == "text":
            texts[name] = _text(path)
        elif path.is_file():
            files[name] = path
        else:
            raise _missing(path)
    first = next(iter(given.values()), None)
    return checked_track(first.stem if first else "track", files, texts, fields or {}, cleaning)


def require_recording(track: Track) -> None:
    """Refuse a song of which nothing is known but a recording that can't be opened.

    Nothing could be predicted, and a file of another kind was probably meant for another option.

    Raises:
        UserError: with the reason.
    """
    if track.audio is None or len(track.files) > 1 or track.texts or track.fields:
        return
    from deephits_keras.audio.decoding import seconds_of

    try:
        seconds_of(track.audio)
    except AudioError as error:
        hint = ". A table of songs is given with --table" if _is_table(track.audio) else ""
        raise UserError(f"{error}{hint}") from error


def require_extractable(track: Track, encoders: Iterable[AnyEncoder]) -> None:
    """Check that the encoders that read something of a song have the files that they need.

    Raises:
        UserError: if one lacks something; the message says how to get it.
    """
    given = {*track.files, *track.texts, *track.fields}
    for encoder in encoders:
        if not may_read(encoder, given):
            continue
        if gone := encoder.gone_paths():
            raise UserError("\n".join(gone))
        encoder.require_extractable()


def _is_table(path: Path) -> bool:
    return path.suffix.lower() in TABLES


def cleaning_of(model: Scorer) -> LyricsCleaning:
    """How the lyrics that a model was trained on were cleaned.

    Raises:
        UserError: if the model's configuration is damaged.
    """
    return LyricsCleaning(**reading_of(model).get("lyrics", {}))


def reading_of(model: Scorer) -> dict[str, Any]:
    """How the table that a model was trained on was read; see `RunConfig.reading`."""
    return model.config.reading(model.encoders.values())


class FieldError(UserError):
    """A field's value is invalid, or no encoder reads the field.

    Args:
        field: Its name.
        reason: What is wrong.
    """

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(reason)
        self.field = field


def checked_track(
    track_id: str,
    files: Mapping[str, Path],
    texts: Mapping[str, str],
    fields: Mapping[str, Any],
    cleaning: LyricsCleaning | None = None,
) -> Track:
    """Create a track from files, texts and fields, cleaned as those of a table.

    Args:
        track_id: Its id.
        files: Files by input name.
        texts: Texts by input name.
        fields: Fields by name; texts are converted to numbers where possible.
        cleaning: How lyrics are cleaned (`cleaning_of`); as `LyricsCleaning` does by default.

    Raises:
        FieldError: if a field's value is invalid.
    """
    texts = dict(texts)
    if LYRICS.name in fields:
        # As of a column of a table: cleaned, too.
        if LYRICS.name in texts:
            raise FieldError(LYRICS.name, f"{LYRICS.name} is given twice: as a text and as a field")
        fields = dict(fields)
        given = fields.pop(LYRICS.name)
        texts |= {} if given is None else {LYRICS.name: str(given)}
    values, faults = clean_fields(fields)
    for field, fault in faults.items():
        raise FieldError(field, fault)
    values = {name: _number(value) for name, value in values.items()}
    if LYRICS.name in texts:
        how = cleaning or LyricsCleaning()
        cleaned = clean_lyrics(pd.Series([texts.pop(LYRICS.name)]), how).iloc[0]
        texts |= {} if pd.isna(cleaned) else {LYRICS.name: str(cleaned)}
        if how.detect_language and LANGUAGE not in values:
            language = detect_languages(pd.Series([cleaned])).iloc[0]
            values |= {} if pd.isna(language) else {LANGUAGE: str(language)}
    return Track(track_id, fields=values, files=files, texts=texts)


def require_read(
    track: Track, encoders: Iterable[AnyEncoder], cleaning: LyricsCleaning | None = None
) -> list[str]:
    """Refuse fields that no encoder reads, as their names may be misspelt.

    Args:
        track: The track.
        encoders: The encoders.
        cleaning: How its lyrics were cleaned; they are read if their language was detected.

    Returns:
        Names of unused standard columns, files and texts, which are allowed.

    Raises:
        FieldError: with the field, similar names and all names. Never raised if an encoder doesn't
            declare its inputs.
    """
    read = {LYRICS.name} if cleaning and cleaning.detect_language else set()
    files: set[str] = set()
    for encoder in encoders:
        inputs = inputs_of(encoder)
        if inputs is None:
            return []
        read.update(names_of(inputs, "field"), names_of(inputs, "text"))
        files.update(names_of(inputs, "file"))
    unread = [name for name in track.fields if name not in read]
    if "release_date" in unread and "release_year" in track.fields:
        # The year was read from it.
        unread.remove("release_date")
    for name in unread:
        if name not in STANDARD:
            listed = ", ".join(sorted(read)) or "none"
            raise FieldError(
                name,
                f"No encoder of this run reads the field {name!r}{suggestion(name, read)}. "
                f"Fields that are read: {listed}",
            )
    given = (*track.files, *track.texts)
    return unread + [name for name in given if name not in read | files]


def ignored(fields: Iterable[str]) -> tuple[str, ...]:
    """A note per name that `require_read` returns."""
    return tuple(f"{name} is ignored: no encoder of this run reads it" for name in fields)


def _missing(path: Path) -> UserError:
    if path.is_dir():
        return UserError(f"{path} is a folder, where the file of one song is needed")
    return UserError(f"There is no file {path}")


def _text(path: Path) -> str:
    # A text may come through a pipe, which isn't a regular file.
    if path.is_dir() or not path.exists():
        raise _missing(path)
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not UTF-8 text: {error.reason}") from error


def _number(value: Any) -> Any:
    try:
        return float(value) if isinstance(value, str) else value
    except ValueError:
        return value
