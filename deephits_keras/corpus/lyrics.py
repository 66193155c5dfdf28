"""Clean lyrics: remove texts of web pages and services around and within the words.

Texts of Genius pages contain their popularity (numbers of contributors and embeds), which must not
reach a model that predicts popularity.
"""

from __future__ import annotations

import html
import re
import unicodedata
from dataclasses import dataclass
from typing import Any

import pandas as pd

from deephits_keras.corpus.unknown import UNKNOWN

PLACEHOLDERS = UNKNOWN | {
    *("-99", "[]", "lyrics not available", "lyrics not found", "no lyrics", "no lyrics found")
}
"""What stands for missing lyrics, in lower case. `-99` is what the program that made SpotGenTrack
writes (`genius_manager.py` in its authors' public repository dmgutierrez/hitmusicnet), for tracks
that Genius doesn't have and for all with an instrumentalness above 0.6; the published files
themselves could not be looked at. The others are common in copies and other tables."""

NOTICES = re.compile(
    r"\W*(?:this song is an instrumental|instrumental|\(instrumental\)|"
    r"lyrics (?:for this song )?(?:have|has) yet to be (?:released|transcribed).*|"
    r"lyrics will be available.*|(?:we do not have|we don't have) the lyrics.*|"
    r"(?:unfortunately,? )?we(?: a|')re not (?:licensed|authorized) to (?:display|show).*|"
    r"restricted lyrics.*|lyrics (?:are )?not (?:yet )?available.*)\W*$",
    re.IGNORECASE | re.DOTALL,
)
"""Texts that state that there are no lyrics."""

HEADING = re.compile(
    r"^\s*(?:\d+\s*contributors?)?(?:\s*translations?(?:[^\n]{0,400}?))?[^\n]{0,200}?\bLyrics"
    r"(?=\s*(?:\[|$|\n|[A-Z\"'(]))",
)
"""`12 ContributorsTranslationsEspañolTitle Lyrics` at the beginning of a page of Genius."""

CONTRIBUTORS = re.compile(r"^\s*\d+\s*contributors?", re.IGNORECASE)
EMBED = re.compile(
    r"\s*(?:you might also like)?\s*\d*\.?\d*K?\s*Embed(?:Share URLCopyEmbedCopy)?\s*$"
)
ALSO = re.compile(r"[ \t]*you might also like", re.IGNORECASE)
ADVERT = re.compile(r"(?:\bsee [^\n]{1,80}? live\s*)?get tickets as low as \$\d+\n?", re.IGNORECASE)
MARKUP = re.compile(r"</?(?:p|div|span|b|i|em|strong|a|font)\b[^>\n]{0,200}>", re.IGNORECASE)
LINE_BREAK = re.compile(r"<br\s*/?>\n?", re.IGNORECASE)
STAMP = re.compile(r"[\[<]\d{1,3}:\d{2}(?:[.:]\d{1,3})?[\]>]")
LRC_TAG = re.compile(
    r"^\s*\[(?:ti|ar|al|au|by|re|ve|length|offset|lr|tool|#):[^\]\n]*\][ \t]*\n?", re.M
)
SECTION = re.compile(
    r"^[ \t]*[\[(](?:intro|verse|chorus|hook|bridge|outro|pre-?chorus|post-?chorus|refrain|"
    r"interlude|instrumental|break|drop|solo|part|skit|couplet|estribillo|coro|verso|strofa|"
    r"ritornello)\b[^\])\n]*[\])][ \t]*$\n?",
    re.IGNORECASE | re.MULTILINE,
)
SERVICE = re.compile(
    r"\n?\W*(?:this lyrics is not for commercial use|\(\d{6,}\)|\.\.\.\s*$|"
    r"lyrics (?:provided|licensed) (?:by|&)[^\n]*|lyrics © [^\n]*|paroles2chansons[^\n]*|"
    r"find more lyrics at[^\n]*|source:\s*(?:musixmatch|lyricfind)[^\n]*)",
    re.IGNORECASE,
)
SERVICE_WORDS = re.compile(r"lyrics|paroles2|source:|\.\.\.|\(\d{6}", re.IGNORECASE)
"""Words that a service's notice has."""

INVISIBLE = re.compile("[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff]")


@dataclass(frozen=True)
class LyricsCleaning:
    """How lyrics are cleaned.

    Attributes:
        enabled: Whether they are cleaned; placeholders and notices are removed in any case.
        keep_sections: Whether to keep headings such as `[Chorus]`.
        placeholders: Texts that mean missing lyrics, in addition to `PLACEHOLDERS`.
    """

    enabled: bool = True
    keep_sections: bool = False
    placeholders: tuple[str, ...] = ()


def clean_lyrics(texts: pd.Series[Any], how: LyricsCleaning) -> pd.Series[str]:
    r"""Cleaned lyrics; missing if nothing is left.

    Example:
        >>> page = "12 ContributorsSong Lyrics[Verse 1]\nLa la\nYou might also like57Embed"
        >>> clean_lyrics(pd.Series([page, "-99"]), LyricsCleaning()).to_list()
        ['La la', <NA>]
    """
    missing = PLACEHOLDERS | {text.strip().casefold() for text in how.placeholders}
    longest = max(map(len, missing))

    def clean(text: Any) -> Any:
        if not isinstance(text, str):
            return pd.NA
        found = _cleaned(text, how) if how.enabled else text
        found = found.strip()
        short = len(found) <= longest + 2 and found.strip("'\"").casefold() in missing
        return pd.NA if short or NOTICES.match(found[:400]) else found

    listed = texts.map(_joined) if texts.dtype == object else texts
    return listed.map(clean, na_action="ignore").astype("string")


def _joined(value: Any) -> Any:
    """A list of lines as one text; anything else as the text that it is."""
    if isinstance(value, str) or value is None or value is pd.NA:
        return value
    if isinstance(value, float):
        return pd.NA if value != value else str(value)
    if hasattr(value, "__iter__"):
        return "\n".join(str(line) for line in value if line is not None)
    return str(value)


def _cleaned(text: str, how: LyricsCleaning) -> str:
    text = unicodedata.normalize("NFC", html.unescape(text)) if "&" in text else text
    text = INVISIBLE.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))
    # Looking for the words alone costs a tenth of looking for the whole.
    if CONTRIBUTORS.match(text) or ("Embed" in text and EMBED.search(text)):
        text = HEADING.sub("", text, count=1)
        text = CONTRIBUTORS.sub("", text)
        text = ADVERT.sub("", ALSO.sub("", EMBED.sub("", text)))
    if "<" in text:
        text = MARKUP.sub("", LINE_BREAK.sub("\n", text))
    if "[" in text or "<" in text:
        text = LRC_TAG.sub("", STAMP.sub("", text))
    if not how.keep_sections and ("[" in text or "(" in text):
        text = SECTION.sub("", text)
    if SERVICE_WORDS.search(text):
        text = SERVICE.sub("", text)
    return re.sub(r"\n{3,}", "\n\n", text) if "\n\n\n" in text else text
