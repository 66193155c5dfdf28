"""Which recording is which track's."""

from __future__ import annotations

import os
from collections.abc import Container, Iterable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from deephits_keras.corpus.lookup import Lookup
from deephits_keras.errors import UserError

AUDIO_ENDINGS = frozenset({".mp3", ".ogg", ".oga", ".opus", ".flac", ".wav", ".aif", ".aiff"})
PREVIEW_PREFIX = "track_"
"""Before the id in the names of the previews that SpotGenTrack's own downloader writes."""


def find_audio(folder: Path, track_ids: Container[str]) -> Iterator[tuple[str, Path]]:
    """Find `<track id>.<ending>` anywhere below a folder, for each of the ids that has one.

    Files called `track_<track id>.<ending>` are found, too. Links to folders, and links that
    lead out of the folder, are not followed.

    Yields:
        A track's id and the file, in the order of the folders' and files' names.

    Raises:
        UserError: if there is no such folder.
    """
    if not folder.is_dir():
        raise UserError(f"There is no folder {folder}")
    root = folder.resolve()
    for place, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            path = Path(place) / name
            if path.suffix.lower() not in AUDIO_ENDINGS or not _is_text(str(path)):
                continue
            stem = path.stem
            if stem not in track_ids:
                stem = stem.removeprefix(PREVIEW_PREFIX)
                if stem not in track_ids:
                    continue
            if path.resolve().is_relative_to(root):
                yield stem, path


def _is_text(name: str) -> bool:
    """Whether a file's name can stand in a table: some are bytes that aren't UTF-8."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


class Recordings:
    """The recordings below a folder, by track.

    Args:
        folder: The folder that the recordings are in, or None if there are none.
        corpus: The corpus's folder: paths are given relative to it.
        track_ids: Ids of all tracks, in parts; of several files for a track, the first counts.

    Attributes:
        folder: As given.

    Raises:
        UserError: if there is no such folder.
    """

    def __init__(
        self, folder: Path | None, corpus: Path, track_ids: Iterable[pd.Series[Any]]
    ) -> None:
        self.folder = folder
        self._corpus = corpus.resolve()
        self._found = Lookup("path")
        if folder is None:
            return
        wanted = Lookup()
        for part in track_ids:
            wanted.add((track_id,) for track_id in part.astype("string").dropna())
        self._found.add((name, str(path)) for name, path in find_audio(folder, wanted))

    def of(self, tracks: pd.DataFrame) -> tuple[pd.Series[str], pd.Series[bool]]:
        """The `audio` column of a corpus for some of its tracks.

        Args:
            tracks: A row a track, with `track_id`; its own column `audio`, if there, holds paths
                relative to the folder. A path that names no file is as good as none.

        Returns:
            Paths relative to the corpus, and which rows name a path that leaves the folder.
        """
        escaping = pd.Series(False, index=tracks.index)
        if self.folder is None:
            return pd.Series(pd.NA, index=tracks.index, dtype="string"), escaping
        ids = tracks["track_id"]
        found = self._found.among(ids.dropna().unique())["path"]
        paths = ids.map(found.map(Path).astype(object))
        if "audio" in tracks:
            folder, root = self.folder, self.folder.resolve()
            names = tracks["audio"].dropna().map(str)
            names = names[~names.str.contains("\0", regex=False)]
            named = names.map(lambda name: (folder / name).resolve())
            outside = named.map(lambda path: not path.is_relative_to(root)).astype(bool)
            escaping[outside[outside].index] = True
            there = named[~outside & named.map(Path.is_file).astype(bool)]
            paths = there.reindex(tracks.index).fillna(paths)
        relative = paths.dropna().map(lambda path: os.path.relpath(path.resolve(), self._corpus))
        return relative.reindex(tracks.index).astype("string"), escaping
