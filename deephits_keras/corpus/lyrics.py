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

from deephits_keras.corpus.literals import literal
from deephits_keras.corpus.unknown import UNKNOWN

PLACEHOLDERS = UNKNOWN | {
    *(
        "-99",
        "-99.0",
        "[]",
        "lyrics not available",
        "lyrics not found",
        "no lyrics",
        "no lyrics found",
    )
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
    r"instrumental (?:track|song|version|piece|music)|non-?lyrical vocals|"
    r"no lyrics (?:available|found).*|"
    r"restricted lyrics.*|(?:sorry,? )?(?:the )?lyrics (?:are )?not (?:yet )?available.*|"
    r"(?:error )?404(?: not found)?)\W*$",
    re.IGNORECASE | re.DOTALL,
)
"""Texts that state that there are no lyrics."""

HEADING = re.compile(
    r"^\s*(?:\d+\s*[Cc]ontributors?\s*\n(?:[^\n]{0,60}\n){0,60}?)?[^\n]{0,1000}?\bLyrics"
    r"(?=[ \t]*(?:$|\n|[^\sa-z]))",
)
"""`12 ContributorsTranslationsEspañolTitle Lyrics` at the beginning of a page of Genius, also on
several lines."""

ABOUT = re.compile(r"^\s*[^\n]{0,2000}?(?:\u2026|\.\.\.)\s*Read More\s*")
"""The beginning of Genius' text on the song, behind the heading."""

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
_PARTS = (
    r"(?:intro|verse|chorus|hook|bridge|outro|(?:pre|post)-?(?:chorus|refrain|coro|hook)|refrain|"
    r"refr\u00e3o|interlude|instrumental|break|breakdown|drop|solo|part|skit|couplet|estribillo|"
    r"coro|verso|strofa|strophe|ritornello|ritornell|guitar solo|spoken|"
    "\u043a\u0443\u043f\u043b\u0435\u0442|\u043f\u0440\u0438\u043f\u0435\u0432)"
)
SECTION = re.compile(
    rf"^[ \t]*(?:\[(?:{_PARTS}\b[^\]\n]*|(?:letra de|paroles de|testo di|text zu|songtext zu|"
    rf"lyrics to|produced by)\b[^\]\n]*)\]|"
    rf"\({_PARTS}(?:[ \t]*(?:\d+|x\d+|[:\u2013-][^)\n]*))*\))[ \t]*$\n?",
    re.IGNORECASE | re.MULTILINE,
)
"""Headings. Words in round brackets are mostly sung, as in `(Hook me up)`: only with a number, or
with a name after a colon, they are a heading there."""

SERVICE = re.compile(
    r"\n?\W*(?:this lyrics is not for commercial use|\(\d{6,}\)|\.\.\.\s*$|"
    r"lyrics (?:provided|licensed|powered|submitted) (?:by|&)[^\n]*|lyrics © [^\n]*|"
    r"paroles2chansons[^\n]*|find more lyrics at[^\n]*|source:\s*(?:musixmatch|lyricfind)[^\n]*)",
    re.IGNORECASE,
)
SERVICE_WORDS = (
    *("this lyrics is not", "lyrics provided", "lyrics licensed", "lyrics powered"),
    *("lyrics submitted", "lyrics \u00a9", "paroles2chansons", "find more lyrics", "source:"),
)
SERVICE_NUMBER = re.compile(r"\(\d{6}")
"""Words and a number of which a service's notice has at least one, unless it is `...`."""

INVISIBLE = re.compile("[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff]")


PATTERNS = {
    "NOTICES": NOTICES,
    "HEADING": HEADING,
    "CONTRIBUTORS": CONTRIBUTORS,
    "EMBED": EMBED,
    "ALSO": ALSO,
    "ADVERT": ADVERT,
    "MARKUP": MARKUP,
    "LINE_BREAK": LINE_BREAK,
    "STAMP": STAMP,
    "LRC_TAG": LRC_TAG,
    "SECTION": SECTION,
    "SERVICE": SERVICE,
    "INVISIBLE": INVISIBLE,
}

FLAGS = {re.IGNORECASE: "i", re.MULTILINE: "m", re.DOTALL: "s"}


@dataclass(frozen=True)
class LyricsCleaning:
    """How lyrics are cleaned.

    Attributes:
        enabled: Whether they are cleaned; placeholders and notices are removed in any case.
        keep_sections: Whether to keep headings such as `[Chorus]`.
        placeholders: Texts that mean missing lyrics, in addition to `PLACEHOLDERS`.
        detect_language: Whether the field `language` is detected in them (`languages`).
    """

    enabled: bool = True
    keep_sections: bool = False
    placeholders: tuple[str, ...] = ()
    detect_language: bool = False


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
        absent = short or NOTICES.match(found[:400]) or not any(map(str.isalpha, found))
        return pd.NA if absent else found

    return joined_lines(texts).map(clean, na_action="ignore").astype("string")


def joined_lines(texts: pd.Series[Any]) -> pd.Series[Any]:
    """Lyrics that are lists of lines, also as text, as one text each.

    Example:
        >>> joined_lines(pd.Series(["['la', 'lo']", "la"])).str.split().to_list()
        [['la', 'lo'], ['la']]
    """
    return texts.map(_joined, na_action=None if texts.dtype == object else "ignore")


def in_javascript() -> dict[str, Any]:
    """The second argument of `cleanedLyrics` in `lyrics.js`: the same patterns and placeholders."""

    def translated(pattern: re.Pattern[str]) -> tuple[str, str]:
        # With the flag u, an escape must be needed; \\W is ASCII's, as everywhere in JavaScript.
        source = pattern.pattern.replace(r"\W", r"[^\p{L}\p{N}_]").replace(r"\"", '"')
        flags = "".join(letter for flag, letter in FLAGS.items() if pattern.flags & flag)
        return source, f"gu{flags}"

    patterns = {name: translated(pattern) for name, pattern in PATTERNS.items()}
    return {"patterns": patterns, "placeholders": sorted(PLACEHOLDERS)}


def _joined(value: Any) -> Any:
    """A list of lines as one text; anything else as the text that it is."""
    if isinstance(value, str):
        lines = literal(value) if value.startswith(("['", '["')) else None
        return value if lines is None else _joined(lines)
    if value is None or value is pd.NA:
        return value
    if isinstance(value, float):
        return pd.NA if value != value else str(value)
    if hasattr(value, "__iter__"):
        return "\n".join(str(line) for line in value if line is not None)
    return str(value)


def _cleaned(text: str, how: LyricsCleaning) -> str:
    text = html.unescape(text) if "&" in text else text
    if not text.isascii():
        text = unicodedata.normalize("NFC", text)
        text = INVISIBLE.sub("", text)
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if "\\n" in text and "\n" not in text:
        text = text.replace("\\r", "").replace("\\n", "\n")
    # Looking for the words alone costs a tenth of looking for the whole.
    if CONTRIBUTORS.match(text) or ("Embed" in text and EMBED.search(text)):
        text = HEADING.sub("", text, count=1)
        text = ABOUT.sub("", CONTRIBUTORS.sub("", text))
        text = ADVERT.sub("", ALSO.sub("", EMBED.sub("", text)))
    if "<" in text:
        text = MARKUP.sub("", LINE_BREAK.sub("\n", text))
    if "[" in text or "<" in text:
        text = LRC_TAG.sub("", STAMP.sub("", text))
    if not how.keep_sections and ("[" in text or "(" in text):
        text = SECTION.sub("", text)
    if _may_name_a_service(text):
        text = SERVICE.sub("", text)
    return re.sub(r"\n{3,}", "\n\n", text) if "\n\n\n" in text else text


def _may_name_a_service(text: str) -> bool:
    # `SERVICE` is slow: it begins with what may be anywhere.
    if text.rstrip().endswith("...") or SERVICE_NUMBER.search(text):
        return True
    lower = text.casefold()
    return any(word in lower for word in SERVICE_WORDS)
