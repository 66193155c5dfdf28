"""What importers share: reading tables as found in the wild, and matching previews."""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from deephits_keras.errors import UserError
from deephits_keras.files import read_json

AUDIO_ENDINGS = frozenset({".mp3", ".ogg", ".oga", ".opus", ".flac", ".wav", ".aif", ".aiff"})
ENCODINGS = ("utf-8-sig", "cp1252", "latin-1")
PREVIEW_PREFIX = "track_"
"""Before the id in the names of the previews that SpotGenTrack's own downloader writes."""

REJECTED_COLUMNS = ["track_id", "source_row", "field", "reason"]


def read_table(
    path: Path,
    encoding: str | None = None,
    columns: Callable[[str], bool] | None = None,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Read a CSV or Parquet file; every CSV value stays the text that it is in the file.

    A CSV is UTF-8 (with or without a byte-order mark), else Windows' Latin-1. Rows in which
    nothing is filled in are dropped, and so are lines with more values than there are columns.

    Args:
        path: The file.
        encoding: A CSV's encoding, if it isn't one of these.
        columns: Which columns to read; all by default.

    Returns:
        The table, indexed by the row's number in the file (from 0; the header and lines with too
        many values aren't counted), and those lines as rejected rows.

    Raises:
        UserError: if there is no such file, or it can't be read.
    """
    if not path.is_file():
        raise UserError(f"There is no file {path}")
    if path.suffix.lower() == ".parquet":
        table, malformed = _read_parquet(path), _malformed(path, [])
    else:
        table, malformed = _read_csv(path, encoding, columns)
        table = table.drop(columns=[c for c in table if str(c).startswith("Unnamed:")])
    return table.replace("", pd.NA).dropna(how="all"), malformed


def _read_parquet(path: Path) -> pd.DataFrame:
    try:
        table = pd.read_parquet(path)
    except (pa.ArrowException, OSError) as error:
        raise UserError(f"{path} can't be read as Parquet: {error}") from error
    return table.reset_index(drop=table.index.name is None)


def _read_csv(
    path: Path, encoding: str | None, columns: Callable[[str], bool] | None
) -> tuple[pd.DataFrame, pd.DataFrame]:
    for candidate in (encoding,) if encoding else ENCODINGS:
        try:
            with warnings.catch_warnings(record=True) as told:
                warnings.simplefilter("always")
                table = pd.read_csv(
                    path,
                    encoding=candidate,
                    dtype=str,
                    usecols=columns,
                    index_col=False,
                    keep_default_na=False,
                    on_bad_lines="warn",
                )
        except UnicodeDecodeError as error:
            problem = error
        except LookupError as error:
            raise UserError(f"There is no encoding named {candidate!r}") from error
        except ValueError as error:
            raise UserError(f"{path} can't be read as CSV: {error}") from error
        else:
            return table, _malformed(path, [str(warning.message) for warning in told])
    raise UserError(f"{path} can't be read as {encoding or 'text'}: {problem}")


def _malformed(path: Path, told: list[str]) -> pd.DataFrame:
    """Rejected rows for the lines that pandas says it skipped."""
    skipped = re.findall(r"Skipping (line \d+: .*)", "\n".join(told))
    rows = [("", pd.NA, path.name, reason) for reason in skipped]
    return pd.DataFrame(rows, columns=REJECTED_COLUMNS).astype({"source_row": "Int64"})


def find_audio(folder: Path, track_ids: Iterable[str]) -> dict[str, Path]:
    """Find `<track id>.<ending>` anywhere below a folder, for each of the ids that has one.

    Files called `track_<track id>.<ending>` are found, too. Links to folders, and links that
    lead out of the folder, are not followed. Of several files for a track, the first counts.

    Raises:
        UserError: if there is no such folder.
    """
    if not folder.is_dir():
        raise UserError(f"There is no folder {folder}")
    root = folder.resolve()
    wanted = set(track_ids)
    found: dict[str, Path] = {}
    for place, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            path = Path(place) / name
            stem = path.stem if path.stem in wanted else path.stem.removeprefix(PREVIEW_PREFIX)
            if (
                path.suffix.lower() in AUDIO_ENDINGS
                and stem in wanted
                and path.resolve().is_relative_to(root)
            ):
                found.setdefault(stem, path)
    return found


def audio_column(
    tracks: pd.DataFrame, audio: Path | None, corpus: Path
) -> tuple[pd.Series[str], pd.Series[bool]]:
    """The `audio` column of a corpus, relative to its folder.

    Args:
        tracks: A row a track, with `track_id`; its own column `audio`, if there, holds paths
            relative to the folder `audio`. A path that names no file is as good as none.
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
        there = named[~outside & named.map(Path.is_file).astype(bool)]
        paths = there.reindex(tracks.index).fillna(paths)
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
        given = read_json(path, "encoder settings")
        if not isinstance(given, dict) or not all(isinstance(v, dict) for v in given.values()):
            raise UserError(f"{path} must hold an object of settings for each encoder's name")
        for encoder, values in given.items():
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
