"""Match recordings and other files to tracks."""

from __future__ import annotations

import os
import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from deephits_keras.corpus.lookup import Lookup
from deephits_keras.corpus.values import is_unknown
from deephits_keras.encoders.inputs import AUDIO, Input
from deephits_keras.errors import UserError

AUDIO_ENDINGS = frozenset(AUDIO.endings)

PREVIEW_PREFIX = "track_"
"""Prefix of the id in file names of SpotGenTrack's downloader."""

SPOTIFY_ADDRESS = re.compile(
    r"(?:spotify:track:|(?:https?://)?(?:open|play)\.spotify\.com/(?:intl-[\w-]+/)?track/)"
    r"([0-9A-Za-z]+)(?:\?\S*)?",
    re.ASCII,
)
WHOLE_FLOAT = re.compile(r"(\d+)\.0+", re.ASCII)
"""Form of integer ids in a column with missing values: `123456789.0`."""


def loose_name(text: str) -> str:
    """Normalised form of a track id or a file's stem, for matching.

    The id of a Spotify URL or URI; composed letters; lower case; without surrounding spaces,
    leading zeros and a trailing `.0`.

    Example:
        >>> loose_name("spotify:track:4uLU6hMC"), loose_name("000140"), loose_name(" 140.0")
        ('4ulu6hmc', '140', '140')
    """
    text = unicodedata.normalize("NFC", text).strip()
    if match := SPOTIFY_ADDRESS.fullmatch(text):
        text = match[1]
    if match := WHOLE_FLOAT.fullmatch(text):
        text = match[1]
    if text.isascii() and text.isdigit():
        return text.lstrip("0") or "0"
    return text.casefold()


class TrackNames:
    """Track ids, searchable by file name.

    Args:
        track_ids: All track ids, in chunks.
    """

    def __init__(self, track_ids: Iterable[Iterable[str]]) -> None:
        self._exact, self._repeated = Lookup(), Lookup()
        self._loose = Lookup("track_id")
        self.example = ""
        for part in track_ids:
            for track_id in part:
                if self._exact.add([(track_id,)]) == [True]:
                    self._add(track_id)

    def _add(self, track_id: str) -> None:
        self.example = self.example or track_id
        name = loose_name(track_id)
        if self._loose.add([(name, track_id)]) == [False]:
            self._repeated.add([(name,)])

    def of(self, stem: str) -> tuple[str | None, bool]:
        """The track of a file name, and whether the name matches exactly.

        Args:
            stem: File name without its ending.

        Returns:
            The id, or None if it matches no track, or several.
        """
        for name in dict.fromkeys((stem, stem.removeprefix(PREVIEW_PREFIX))):
            if name in self._exact:
                return name, True
        for name in dict.fromkeys((stem, stem.removeprefix(PREVIEW_PREFIX))):
            loose = loose_name(name)
            if loose not in self._repeated and (found := self._loose.get(loose)):
                return found[0], False
        return None, False


MOST_DOUBTFUL = 1000
"""Tracks with several files that are kept for a note."""


class FoundRecordings:
    """The recordings, or other files, in a folder and its subfolders, by track.

    A file belongs to a track if its name is `<track id>.<ending>` or `track_<track id>.<ending>`,
    or else if the names are equal after `loose_name` and the match is unique. Of several files with
    one name, the first one that isn't empty is used. Links to folders, and links that lead out of
    the folder, are not followed.

    Args:
        folder: The folder.
        names: The tracks.
        endings: Endings of the files, in lower case; all files if empty.

    Attributes:
        files: Number of such files.
        reasons: Number of unmatched files by reason.
        examples: One example per reason.

    Raises:
        UserError: if the folder is missing.
    """

    def __init__(
        self, folder: Path, names: TrackNames, endings: Collection[str] = AUDIO_ENDINGS
    ) -> None:
        if not folder.is_dir():
            raise UserError(f"There is no folder {folder}")
        self.files = 0
        self.reasons: Counter[str] = Counter()
        self.examples: dict[str, str] = {}
        self._folder, self._names, self._endings = folder, names, endings
        # In order of preference: exact name, loose name, and the same for empty files.
        self._ranks = [Lookup("path", "stem") for _ in range(4)]
        self._ambiguous = Lookup()
        self._doubtful: dict[str, str] = {}
        root = _resolved(folder)
        for path in _files_below(folder, endings):
            self.files += 1
            if reason := self._add(path, root):
                self.reasons[reason] += 1
                self.examples.setdefault(reason, str(path.relative_to(folder)))

    def _add(self, path: Path, root: Path) -> str:
        """Reason why a file matches no track; empty if it does."""
        if not _is_text(str(path)):
            return "have names that aren't text"
        track_id, exact = self._names.of(path.stem)
        if track_id is None:
            return "are called after no track, or after several"
        if not _resolved(path).is_relative_to(root):
            return "are links that lead out of the folder"
        try:
            empty = path.stat().st_size == 0
        except OSError:
            return "can't be read, or are links to what isn't there"
        rank = self._ranks[2 * empty + (not exact)]
        new = rank.add([(track_id, str(path), path.stem)]) == [True]
        if not new and not exact and (first := rank.get(track_id)) and first[1] != path.stem:
            self._ambiguous.add([(track_id,)])
            if len(self._doubtful) < MOST_DOUBTFUL:
                self._doubtful[track_id] = f"{Path(str(first[0])).name} and {path.name}"
        return ""

    def of(self, track_id: str) -> Path | None:
        """The recording of a track."""
        for number, rank in enumerate(self._ranks):
            loose = number % 2 == 1
            found = rank.get(track_id)
            if found and not (loose and track_id in self._ambiguous):
                return Path(str(found[0]))
        return None

    def explained(self, without: int, what: str = "recording") -> list[str]:
        """Notes on unmatched recordings and tracks.

        Args:
            without: Number of tracks without a recording.
            what: Name of such a file.
        """
        if not self.files:
            endings = " ".join(sorted(self._endings))
            which = f" (files that end in {endings})" if endings else ""
            return [f"{self._folder} holds no {what}{which}"]
        lines = [
            f"{count:,} of {self.files:,} {what}s {reason}, as {self.examples[reason]}"
            for reason, count in self.reasons.items()
        ]
        doubtful = ((key, files) for key, files in self._doubtful.items() if not self.of(key))
        if example := next(doubtful, None):
            lines.append(
                f"a track has no {what} where several fit alike, as {' has '.join(example)}"
            )
        if without and self.reasons and self._names.example:
            lines.append(
                f"a track's {what} is named after its id, for example {self._names.example}"
            )
        return lines


def find_audio(folder: Path, track_ids: Iterable[str]) -> Iterator[tuple[str, Path]]:
    """The recordings in a folder; see `FoundRecordings`.

    Args:
        folder: The folder.
        track_ids: The tracks.

    Yields:
        The id and the file of each track with a recording.

    Raises:
        UserError: if the folder is missing.
    """
    wanted = list(track_ids)
    found = FoundRecordings(folder, TrackNames([wanted]))
    for track_id in dict.fromkeys(wanted):
        if (path := found.of(track_id)) is not None:
            yield track_id, path


def _files_below(folder: Path, endings: Collection[str]) -> Iterator[Path]:
    """Files with one of the endings, sorted by folder and file name."""
    for place, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            path = Path(place) / name
            if not endings or path.suffix.lower() in endings:
                yield path


def _is_text(name: str) -> bool:
    """Whether a file's name is valid UTF-8, so that a table can contain it."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _named(folder: Path, name: str) -> Path | None:
    r"""The file that a path names, its letters composed or not, its folders by / or \."""
    if "\0" in name:
        return None
    root = _resolved(folder)
    spellings = [name, *(unicodedata.normalize(form, name) for form in ("NFC", "NFD"))]
    for spelling in dict.fromkeys([*spellings, *(s.replace("\\", "/") for s in spellings)]):
        path = _resolved(folder / spelling.strip())
        # `Path.is_file` raises for an address that is longer than a file's name can be.
        if os.path.isfile(path) or not path.is_relative_to(root):  # noqa: PTH113
            return path
    return None


def _resolved(path: Path) -> Path:
    """The path without links; `Path.resolve` raises for links in a circle before Python 3.13."""
    return Path(os.path.realpath(path))


class Recordings:
    """The recordings, or the files of another input, in a folder, by track.

    Args:
        folder: Folder of the files, or None without files.
        corpus: The corpus's folder, to which paths are relative.
        track_ids: Ids of all tracks, in chunks.
        kind: The file input.

    Attributes:
        folder: See the argument.
        name: Name of the input and of the corpus's column.

    Raises:
        UserError: if the folder is missing.
    """

    def __init__(
        self,
        folder: Path | None,
        corpus: Path,
        track_ids: Iterable[pd.Series[Any]],
        kind: Input = AUDIO,
    ) -> None:
        self.folder = folder
        self.name = kind.name
        self._what = "recording" if kind.name == AUDIO.name else f"{kind.name} file"
        self._corpus = corpus.resolve()
        self._absent, self._absent_example = 0, ""
        if folder is None:
            return
        parts = (part.astype("string").dropna() for part in track_ids)
        self._found = FoundRecordings(folder, TrackNames(parts), kind.endings)

    def of(self, tracks: pd.DataFrame) -> tuple[pd.Series[str], pd.Series[bool]]:
        """The input's column of the corpus for some tracks.

        Args:
            tracks: One row per track, with `track_id`; a column with the input's name, if any,
                has paths relative to the folder. A track whose path names a missing file has
                no file.

        Returns:
            Paths relative to the corpus, and a mask of rows with a path outside the folder.
        """
        escaping = pd.Series(False, index=tracks.index)
        if self.folder is None:
            return pd.Series(pd.NA, index=tracks.index, dtype="string"), escaping
        ids = tracks["track_id"]
        paths = ids.map(self._found.of, na_action="ignore").astype(object)
        if self.name in tracks:
            escaping = self.escaping(tracks)
            names = self._names(tracks)
            named = self._files_named(names)
            there = named.dropna()
            absent = names[named.isna()]
            self._absent += len(absent)
            self._absent_example = self._absent_example or next(iter(absent), "")
            paths = there.reindex(tracks.index).where(tracks[self.name].notna(), paths)
        relative = paths.dropna().map(lambda path: os.path.relpath(_resolved(path), self._corpus))
        return relative.reindex(tracks.index).astype("string"), escaping

    def escaping(self, tracks: pd.DataFrame) -> pd.Series[bool]:
        """Mask of the rows with a path outside the folder."""
        escaping = pd.Series(False, index=tracks.index)
        if self.folder is not None and self.name in tracks:
            root = _resolved(self.folder)
            there = self._files_named(self._names(tracks)).dropna()
            outside = there.map(lambda path: not path.is_relative_to(root)).astype(bool)
            escaping[outside[outside].index] = True
        return escaping

    def _names(self, tracks: pd.DataFrame) -> pd.Series[str]:
        """The paths in some rows."""
        return tracks[self.name].dropna().map(str)

    def _files_named(self, names: pd.Series[str]) -> pd.Series[Any]:
        """The file of each path, or None."""
        folder = self.folder or Path()
        return names.map(lambda name: _named(folder, name)).astype(object)

    def absent(self, tracks: pd.DataFrame, paths: pd.Series[str]) -> pd.Series[str]:
        """Paths, relative to the corpus, of the files that some tracks name and that aren't there.

        Args:
            tracks: The tracks that `of` was given.
            paths: The paths that it returned.
        """
        folder = self.folder
        if folder is None or self.name not in tracks:
            return pd.Series([], index=tracks.index[:0], dtype="string")
        names = self._names(tracks)
        names = names[paths.reindex(names.index).isna() & ~names.map(is_unknown).astype(bool)]
        below = names.str.strip().str.replace("\0", "\N{REPLACEMENT CHARACTER}")
        places = below.map(lambda name: os.path.relpath(_resolved(folder / name), self._corpus))
        return places.astype("string")

    def none_there(self, number: int, example: str) -> str:
        """Note on tracks that name a file that isn't there.

        Args:
            number: Number of these tracks.
            example: One of the names.
        """
        names = "track names" if number == 1 else "tracks name"
        return f"{number:,} {names} a {self._what} that isn't in {self.folder}, as {example}"

    def none_found(self) -> list[str]:
        """Notes on tracks of which none has a recording or names one."""
        if self.folder is None:
            return [f"no row has a {self._what}: --input-dir {self.name}=FOLDER names their folder"]
        return [f"no row has a {self._what}", *self._found.explained(1, self._what)]

    def explained(self, without: int) -> list[str]:
        """Notes on tracks without a recording.

        Args:
            without: Number of these tracks.
        """
        if self.folder is None:
            return []
        lines = self._found.explained(without, self._what)
        if self._absent:
            lines.append(self.none_there(self._absent, self._absent_example))
        return lines
