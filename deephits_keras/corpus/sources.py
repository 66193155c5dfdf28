"""What importers share: reading tables as found in the wild, and matching previews."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from deephits_keras.errors import UserError
from deephits_keras.files import read_json

AUDIO_ENDINGS = frozenset({".mp3", ".ogg", ".oga", ".opus", ".flac", ".wav", ".aif", ".aiff"})
ENCODINGS = ("utf-8-sig", "cp1252", "latin-1")


def read_table(
    path: Path,
    encoding: str | None = None,
    columns: Callable[[str], bool] | None = None,
) -> pd.DataFrame:
    """Read a CSV or Parquet file; every CSV value stays the text that it is in the file.

    A CSV is UTF-8 (with or without a byte-order mark), else Windows' Latin-1. Rows in which
    nothing is filled in are dropped.

    Args:
        path: The file.
        encoding: A CSV's encoding, if it isn't one of these.
        columns: Which columns to read; all by default.

    Returns:
        The table, with the row's number in the file (from 0, the header not counted) as index.

    Raises:
        UserError: if there is no such file, or it can't be read.
    """
    if not path.is_file():
        raise UserError(f"There is no file {path}")
    if path.suffix.lower() == ".parquet":
        try:
            return pd.read_parquet(path)
        except (pa.ArrowException, OSError) as error:
            raise UserError(f"{path} can't be read as Parquet: {error}") from error
    for candidate in (encoding,) if encoding else ENCODINGS:
        try:
            table = pd.read_csv(
                path, encoding=candidate, dtype=str, usecols=columns, keep_default_na=False
            )
            break
        except UnicodeDecodeError as error:
            problem: Exception = error
        except LookupError as error:
            raise UserError(f"There is no encoding named {candidate!r}") from error
        except (pd.errors.EmptyDataError, pd.errors.ParserError, ValueError) as error:
            raise UserError(f"{path} can't be read as CSV: {error}") from error
    else:
        raise UserError(f"{path} can't be read as {encoding or 'text'}: {problem}")
    table = table.drop(columns=[c for c in table if str(c).startswith("Unnamed:")])
    table = table.replace("", pd.NA)
    return table.dropna(how="all")


def find_audio(folder: Path, track_ids: Iterable[str]) -> dict[str, Path]:
    """Find `<track id>.<ending>` anywhere below a folder, for each of the ids that has one.

    Links that lead out of the folder are not followed.

    Raises:
        UserError: if there is no such folder.
    """
    if not folder.is_dir():
        raise UserError(f"There is no folder {folder}")
    root = folder.resolve()
    wanted = set(track_ids)
    found: dict[str, Path] = {}
    for place, _, names in os.walk(folder):
        for name in sorted(names):
            path = Path(place) / name
            if (
                path.suffix.lower() in AUDIO_ENDINGS
                and path.stem in wanted
                and path.resolve().is_relative_to(root)
            ):
                found.setdefault(path.stem, path)
    return found


def audio_column(
    tracks: pd.DataFrame, audio: Path | None, corpus: Path
) -> tuple[pd.Series[str], pd.Series[bool]]:
    """The `audio` column of a corpus, relative to its folder.

    Args:
        tracks: A row a track, with `track_id`; its own column `audio`, if there, holds paths
            relative to the folder `audio`.
        audio: The folder that the recordings are in, if there are any.
        corpus: The corpus's folder.

    Returns:
        The paths, and which rows name a path that leaves the folder.
    """
    nothing = pd.Series(pd.NA, index=tracks.index, dtype="string")
    escaping = pd.Series(False, index=tracks.index)
    if audio is None:
        return nothing, escaping
    found = find_audio(audio, tracks["track_id"])
    paths = tracks["track_id"].map(found)
    if "audio" in tracks:
        root = audio.resolve()
        named = tracks["audio"].dropna().map(lambda name: (audio / str(name)).resolve())
        outside = named.map(lambda path: not path.is_relative_to(root)).astype(bool)
        escaping[outside[outside].index] = True
        paths = named[~outside].reindex(tracks.index).fillna(paths)
    relative = paths.dropna().map(lambda path: os.path.relpath(path.resolve(), corpus.resolve()))
    return relative.reindex(tracks.index).astype("string"), escaping


def source_info(source: Path) -> dict[str, Any]:
    """Whether a source folder is synthetic, and the encoders' settings that it carries.

    Settings are in `encoder-settings.json`, `{"encoder": {"setting": value}}`; a value
    `{"path": "relative/path"}` is a path below the source.

    Raises:
        UserError: if that file is damaged, or a path leaves the source.
    """
    settings: dict[str, dict[str, Any]] = {}
    path = source / "encoder-settings.json"
    if path.exists():
        for encoder, values in read_json(path, "encoder settings").items():
            settings[encoder] = {k: _resolved(source, v) for k, v in values.items()}
    return {
        "synthetic": (source / "synthetic.json").exists(),
        "encoder_settings": settings,
    }


def _resolved(source: Path, value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    path = (source / str(value.get("path"))).resolve()
    if not path.is_relative_to(source.resolve()):
        raise UserError(f"{source / 'encoder-settings.json'} names a path outside of it: {value}")
    return str(path)
