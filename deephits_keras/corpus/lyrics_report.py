"""Whether lyrics are those of their tracks: what an import can tell without listening."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from typing import Any

import pandas as pd

from deephits_keras.corpus.lookup import Lookup

TITLE_LINE = re.compile(
    r"\s*(?:\d+\s*contributors?)?(?:translations?)?(?P<title>[^\n]{1,200}?)\s+lyrics(?=\s*(?:\[|$|\n))",
    re.IGNORECASE,
)
"""`12 ContributorsTitle Lyrics[Verse 1]`, as a page of Genius begins."""

ASIDE = re.compile(r"\([^)]*\)|\[[^\]]*\]|\s-\s.*|\b(?:feat|ft|featuring)\b\.?.*", re.IGNORECASE)
"""What of a title its lyrics don't repeat: versions and guests."""


NO_LETTERS = {code: None for code in range(128) if not chr(code).isalnum()}
"""ASCII's characters that aren't letters or digits, for `str.translate`."""

FEWEST = 30
MOST_UNNAMED = 0.5
"""From so many lyrics on, a larger share without their song's title is told.

Of real songs a third don't contain it. Of 30, more than half would be without it in 2 of 100 tables
by chance; if half of the lyrics are other songs', two thirds are without it."""


def title_key(title: str) -> str:
    """A title's letters and digits, without versions and guests.

    Example:
        >>> title_key("D\u00e9j\u00e0 Vu (feat. X) - Remastered 2011"), title_key("(Sittin' On)")
        ('dejavu', 'sittinon')
    """
    return _letters(ASIDE.sub("", title)) or _letters(title)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:24]


def _letters(text: str) -> str:
    if text.isascii():
        return text.lower().translate(NO_LETTERS)
    # Accents are characters of their own then, and no letters.
    return "".join(filter(str.isalnum, unicodedata.normalize("NFKD", text).casefold()))


class LyricsReport:
    """Counts lyrics that seem to be another song's, a chunk of tracks at a time.

    Attributes:
        texts: Lyrics of tracks whose title is known.
        unnamed: Of these, those that don't contain their song's title.
        of_another: Of these, those that begin with the title line of another song.
        repeated: Lyrics that are, to the letter, those of an earlier track of another title.
    """

    def __init__(self) -> None:
        self.texts = self.unnamed = self.of_another = self.repeated = 0
        self._known = Lookup("title")

    def add(self, tracks: pd.DataFrame, given: pd.Series[Any]) -> None:
        """Look at some tracks.

        Args:
            tracks: Tracks with `lyrics`, cleaned, and perhaps `title`.
            given: The lyrics of each as they were given, in the same order.
        """
        there = tracks["lyrics"].notna().to_numpy()
        titles = tracks["title"] if "title" in tracks else pd.Series([None] * len(tracks))
        chosen = [
            column.to_numpy(dtype=object)[there] for column in (titles, tracks["lyrics"], given)
        ]
        rows = [
            (title_key(title) if isinstance(title, str) else "", lyrics, str(raw))
            for title, lyrics, raw in zip(*chosen, strict=True)
            if isinstance(lyrics, str)
        ]
        for title, _, raw in rows:
            if title:
                self._compare(title, raw)
        digests = [(_digest(lyrics), title) for title, lyrics, _ in rows]
        again = [digests[n] for n, new in enumerate(self._known.add(digests)) if not new]
        first = self._known.among(dict.fromkeys(digest for digest, _ in again))["title"]
        self.repeated += sum(not title or first[digest] != title for digest, title in again)

    def _compare(self, title: str, raw: str) -> None:
        self.texts += 1
        line = TITLE_LINE.match(raw)
        if line and title not in (named := _letters(line["title"])) and named not in title:
            self.of_another += 1
        if title not in _letters(raw):
            self.unnamed += 1

    def notes(self, *, synthetic: bool = False) -> list[str]:
        """What was found, in words.

        Args:
            synthetic: Whether the songs are made up; their titles mean nothing.
        """
        notes = []
        if self.of_another:
            notes.append(
                f"the lyrics of {tracks(self.of_another)} begin with the title line of another song"
            )
        if not synthetic and self.texts >= FEWEST and self.unnamed > MOST_UNNAMED * self.texts:
            notes.append(
                f"{self.unnamed:,} of {self.texts:,} lyrics don't contain their song's title, "
                "where a third is usual: they may be other songs'"
            )
        if self.repeated:
            notes.append(f"the lyrics of {tracks(self.repeated)} are also those of another track")
        return notes


def tracks(count: int) -> str:
    """A number of tracks in words.

    Example:
        >>> tracks(1), tracks(2000)
        ('1 track', '2,000 tracks')
    """
    return f"{count:,} track{'' if count == 1 else 's'}"
