"""Which recording, or other file, is which track's."""

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
from deephits_keras.encoders.inputs import AUDIO, Input
from deephits_keras.errors import UserError

AUDIO_ENDINGS = frozenset(AUDIO.endings)

PREVIEW_PREFIX = "track_"
"""Before the id in the names of the previews that SpotGenTrack's own downloader writes."""

SPOTIFY_ADDRESS = re.compile(
    r"(?:spotify:track:|(?:https?://)?(?:open|play)\.spotify\.com/(?:intl-[\w-]+/)?track/)"
    r"([0-9A-Za-z]+)(?:\?\S*)?",
    re.ASCII,
)
WHOLE_FLOAT = re.compile(r"(\d+)\.0+", re.ASCII)
"""What a column of ids becomes in which one is missing: `123456789.0`."""


def loose_name(text: str) -> str:
    """A track's id or a file's stem without what may differ between the two of a pair.

    The id out of a Spotify address; composed letters; no blanks around, no upper case, no zeros in
    front of a number, no `.0` behind one.

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
    """Track ids, to be found by what a file is called.

    Args:
        track_ids: All of them, in parts.
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
        """The track that a file is called after, and whether it is called just so.

        Args:
            stem: The file's name without its ending.

        Returns:
            The id, or None if it is no track's, or may be several tracks'.
        """
        for name in dict.fromkeys((stem, stem.removeprefix(PREVIEW_PREFIX))):
            if name in self._exact:
                return name, True
        for name in dict.fromkeys((stem, stem.removeprefix(PREVIEW_PREFIX))):
            loose = loose_name(name)
            if loose not in self._repeated and (found := self._loose.get(loose)):
                return found[0], False
        return None, False


class FoundRecordings:
    """The recordings, or other files, anywhere below a folder, by track.

    A file is a track's if it is called `<track id>.<ending>`, or `track_<track id>.<ending>`. If
    none is, one that is called so but for what `loose_name` takes away, where it is no other
    track's and no other name is this one's. Of several files of one name the first counts that
    isn't empty. Links to folders, and links that lead out of the folder, are not followed.

    Args:
        folder: The folder.
        names: The tracks.
        endings: Endings of the files that count, in lower case; every file if there are none.

    Attributes:
        files: How many such files there are.
        reasons: Why how many of them are no track's.
        examples: One of each of those.

    Raises:
        UserError: if there is no such folder.
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
        # From the best to the poorest: named exactly, loosely, and the same of empty files.
        self._ranks = [Lookup("path", "stem") for _ in range(4)]
        self._ambiguous = Lookup()
        root = folder.resolve()
        for path in _files_below(folder, endings):
            self.files += 1
            if reason := self._add(path, root):
                self.reasons[reason] += 1
                self.examples.setdefault(reason, str(path.relative_to(folder)))

    def _add(self, path: Path, root: Path) -> str:
        """Why a file is no track's; empty if it is one's."""
        if not _is_text(str(path)):
            return "have names that aren't text"
        track_id, exact = self._names.of(path.stem)
        if track_id is None:
            return "are called after no track, or after several"
        if not path.resolve().is_relative_to(root):
            return "are links that lead out of the folder"
        try:
            empty = path.stat().st_size == 0
        except OSError:
            return "can't be read, or are links to what isn't there"
        rank = self._ranks[2 * empty + (not exact)]
        new = rank.add([(track_id, str(path), path.stem)]) == [True]
        if not new and not exact and (first := rank.get(track_id)) and first[1] != path.stem:
            self._ambiguous.add([(track_id,)])
        return ""

    def of(self, track_id: str) -> Path | None:
        """A track's recording."""
        for number, rank in enumerate(self._ranks):
            loose = number % 2 == 1
            found = rank.get(track_id)
            if found and not (loose and track_id in self._ambiguous):
                return Path(str(found[0]))
        return None

    def explained(self, without: int, what: str = "recording") -> list[str]:
        """Why recordings and tracks don't meet, in words.

        Args:
            without: How many tracks have no recording.
            what: What such a file is called.
        """
        if not self.files:
            endings = " ".join(sorted(self._endings))
            which = f" (files that end in {endings})" if endings else ""
            return [f"{self._folder} holds no {what}{which}"]
        lines = [
            f"{count:,} of {self.files:,} {what}s {reason}, as {self.examples[reason]}"
            for reason, count in self.reasons.items()
        ]
        if without and self.reasons and self._names.example:
            lines.append(f"a track's {what} is called after its id, as {self._names.example}")
        return lines


def find_audio(folder: Path, track_ids: Iterable[str]) -> Iterator[tuple[str, Path]]:
    """The recordings below a folder: see `FoundRecordings`.

    Args:
        folder: The folder.
        track_ids: The tracks.

    Yields:
        The id and the file of each track that has one.

    Raises:
        UserError: if there is no such folder.
    """
    wanted = list(track_ids)
    found = FoundRecordings(folder, TrackNames([wanted]))
    for track_id in dict.fromkeys(wanted):
        if (path := found.of(track_id)) is not None:
            yield track_id, path


def _files_below(folder: Path, endings: Collection[str]) -> Iterator[Path]:
    """Files with one of the endings, in the order of the folders' and files' names."""
    for place, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            path = Path(place) / name
            if not endings or path.suffix.lower() in endings:
                yield path


def _is_text(name: str) -> bool:
    """Whether a file's name can stand in a table: some are bytes that aren't UTF-8."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _named(folder: Path, name: str) -> Path | None:
    r"""The file that a path names, its letters composed or not, its folders by / or \."""
    if "\0" in name:
        return None
    root = folder.resolve()
    spellings = [name, *(unicodedata.normalize(form, name) for form in ("NFC", "NFD"))]
    for spelling in dict.fromkeys([*spellings, *(s.replace("\\", "/") for s in spellings)]):
        path = (folder / spelling.strip()).resolve()
        if path.is_file() or not path.is_relative_to(root):
            return path
    return None


class Recordings:
    """The recordings, or the files of another input, below a folder, by track.

    Args:
        folder: The folder that the files are in, or None if there are none.
        corpus: The corpus's folder: paths are given relative to it.
        track_ids: Ids of all tracks, in parts.
        kind: The input that the files are of.

    Attributes:
        folder: As given.
        name: The input's name, and that of the corpus's column.

    Raises:
        UserError: if there is no such folder.
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
        """The input's column of a corpus for some of its tracks.

        Args:
            tracks: One row per track, with `track_id`; its own column of the input's name, if
            there,
                holds paths relative to the folder. A track whose path names no file has none,
                whatever lies in the folder.

        Returns:
            Paths relative to the corpus, and which rows name a path that leaves the folder.
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
        relative = paths.dropna().map(lambda path: os.path.relpath(path.resolve(), self._corpus))
        return relative.reindex(tracks.index).astype("string"), escaping

    def escaping(self, tracks: pd.DataFrame) -> pd.Series[bool]:
        """Which rows name a path that leaves the folder."""
        escaping = pd.Series(False, index=tracks.index)
        if self.folder is not None and self.name in tracks:
            root = self.folder.resolve()
            there = self._files_named(self._names(tracks)).dropna()
            outside = there.map(lambda path: not path.is_relative_to(root)).astype(bool)
            escaping[outside[outside].index] = True
        return escaping

    def _names(self, tracks: pd.DataFrame) -> pd.Series[str]:
        """The paths that rows name."""
        return tracks[self.name].dropna().map(str)

    def _files_named(self, names: pd.Series[str]) -> pd.Series[Any]:
        """The file that each path names, or None."""
        folder = self.folder or Path()
        return names.map(lambda name: _named(folder, name)).astype(object)

    def explained(self, without: int) -> list[str]:
        """Why tracks have no recording, in words.

        Args:
            without: How many don't.
        """
        if self.folder is None:
            return []
        lines = self._found.explained(without, self._what)
        if self._absent:
            lines.append(
                f"{self._absent:,} tracks name a {self._what} that isn't in {self.folder}, as "
                f"{self._absent_example}"
            )
        return lines
