"""Versions of one song: titles without the words of a single, a deluxe edition, a remaster."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd

from deephits_keras.corpus.artists import FEATURING, artist_key, possible_names
from deephits_keras.corpus.table import Corpus
from deephits_keras.errors import UserError
from deephits_keras.types import IntArray

TITLES = ("title", "name")
"""Columns that may hold a song's title, the best first."""

VERSION_WORDS = (
    r"(?:re-?)?master(?:ed|ing)?",
    r"deluxe",
    r"(?:super )?expanded",
    r"anniversary",
    r"(?:single|album|radio|clean|explicit|original|long|short|full|extended|alternate|alternative)",
    r"live",
    r"acoustic",
    r"unplugged",
    r"edit(?:ed)?",
    r"version",
    r"mix",
    r"remix(?:ed)?",
    r"mono|stereo",
    r"demo",
    r"instrumental",
    r"karaoke",
    r"bonus(?: track)?",
    r"re-?record(?:ed|ing)",
    r"re-?issue(?:d)?",
    r"sped up|slowed(?: down)?|nightcore|reverb",
    r"session(?:s)?",
    r"recorded (?:at|in|on)",
    r"from (?:the )?(?:motion picture|soundtrack|film|movie|album|original)",
)
"""Words that make of a title's part the name of a version."""

_VERSION = re.compile(rf"(?<!\w)(?:{'|'.join(VERSION_WORDS)})(?!\w)")
_GUEST = re.compile(r"^\s*(?:feat\.?|ft\.?|featuring|with)(?!\w)")
_BRACKETS = re.compile(r"\s*(?:\(([^()]*)\)|\[([^\[\]]*)\]|\{([^{}]*)\})")
_DASH = re.compile(r"\s+[-\u2013\u2014]\s+")
_START = re.compile(r"[(\[{]|\s[-\u2013\u2014]\s")
_APART = re.compile(r"[^\w]+")


def song_title(title: str) -> str:
    r"""A title without guests and versions, in one spelling; the whole title if nothing is left.

    Parts in brackets and after a dash go if they name a guest or hold one of `VERSION_WORDS`; other
    parts stay, so that `Alive (Part 2)` is another song than `Alive`.

    Example:
        >>> song_title("Bad Guy - Remastered 2011"), song_title("bad guy (Deluxe) [feat. A]")
        ('bad guy', 'bad guy')
        >>> song_title("Live and Let Die - Live at Wembley"), song_title("Alive (Part 2)")
        ('live and let die', 'alive part 2')
    """
    text = artist_key(title)
    before = None
    while before != text:
        before = text
        text = _BRACKETS.sub(_unless_version, text)
    first, *others = _DASH.split(text)
    kept = [first, *(part for part in others if not _names_version(part))]
    main = FEATURING.split(" - ".join(kept))[0]
    spelled = " ".join(_APART.split(main.replace("'", "").replace("\u2019", "")))
    return spelled.strip() or artist_key(title)


def _names_version(part: str) -> bool:
    return bool(_GUEST.search(part) or _VERSION.search(part))


def _unless_version(match: re.Match[str]) -> str:
    part = next(group for group in match.groups() if group is not None)
    return "" if _names_version(part) else f" {part}"


def title_column(corpus: Corpus) -> pd.Series[Any]:
    """The titles of a corpus, in row order.

    Raises:
        UserError: if it has none of `TITLES`.
    """
    name = next((name for name in TITLES if name in corpus.columns), None)
    if name is None:
        raise UserError(f"This corpus names no songs: it has no column {' or '.join(TITLES)}")
    return corpus.column(name).reset_index(drop=True)


def song_groups(titles: pd.Series[Any], artists: pd.Series[Any]) -> IntArray:
    """A group number per track: tracks of one title (`song_title`) that share an artist.

    Tracks are also together if a third one ties them: a duet ties the versions of either artist. A
    track without a title or an artist is a group of its own.

    Args:
        titles: `(n,)` titles.
        artists: `(n,)` a list of artists' keys per track.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    keys = titles.map(lambda title: song_title(str(title)) if known_title(title) else None)
    named = pd.DataFrame({"title": keys, "artist": artists}).explode("artist").dropna()
    codes, songs = pd.factorize(named["title"] + "\0" + named["artist"].astype(str))
    tracks = len(titles)
    shape = (tracks + len(songs),) * 2
    edges = (np.ones(len(codes)), (named.index.to_numpy(), tracks + codes))
    _, groups = connected_components(coo_array(edges, shape=shape), directed=False)
    return np.asarray(groups[:tracks])


def known_title(title: Any) -> bool:
    """Whether a value is a title at all."""
    return isinstance(title, str) and bool(title.strip())


def loose_songs(titles: pd.Series[Any], artists: pd.Series[Any]) -> list[set[tuple[str, str]]]:
    """What a careful check compares: each track's title up to a bracket or dash, by any artist.

    Args:
        titles: `(n,)` titles.
        artists: `(n,)` artists, in any form that a table names them.
    """
    starts = titles.map(lambda title: _START.split(str(title), maxsplit=1)[0])
    words = starts.map(lambda start: " ".join(_APART.split(artist_key(start))).strip())
    names = artists.map(possible_names)
    return [
        {(title, name) for name in each} if title and known_title(given) else set()
        for given, title, each in zip(titles, words, names, strict=True)
    ]
