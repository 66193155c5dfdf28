"""The one place that reads values: what a table or a caller writes -> what a track holds.

`import`, `predict` and `explain` all come through here, so that the same text is the same value in
training and afterwards.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from deephits_keras.corpus.lyrics import LyricsCleaning, clean_lyrics


@dataclass(frozen=True)
class Column:
    """What a standard column may hold.

    Attributes:
        low: Lowest value allowed.
        high: Highest value allowed.
        whole: Whether only whole numbers are.
        required: Whether a track can't do without it.
        unit: For the documentation; a value may be followed by it.
        unknown: Numbers that stand for an unknown value.
    """

    low: float
    high: float
    whole: bool = False
    required: bool = False
    unit: str = ""
    unknown: tuple[float, ...] = ()

    @property
    def limits(self) -> str:
        """The range in words."""
        return f"from {self.low:.10g} to {self.high:.10g}"


_SHARE = Column(0, 1)

STANDARD = {
    "popularity": Column(0, 100, required=True),
    "artist_popularity": Column(0, 100),
    "release_year": Column(1800, 2200, whole=True, unknown=(0,)),
    "acousticness": _SHARE,
    "danceability": _SHARE,
    "duration_ms": Column(1000, 24 * 3600 * 1000, unit="ms", unknown=(0,)),
    "energy": _SHARE,
    "instrumentalness": _SHARE,
    "key": Column(-1, 11, whole=True, unit="pitch class, -1 undefined"),
    "liveness": _SHARE,
    "loudness": Column(-100, 20, unit="dB"),
    "mode": Column(0, 1, whole=True, unit="1 major, 0 minor"),
    "speechiness": _SHARE,
    # Spotify writes 0 where it found no beat.
    "tempo": Column(0, 1000, unit="BPM", unknown=(0,)),
    "valence": _SHARE,
    "time_signature": Column(0, 32, whole=True, unknown=(0,)),
}

UNKNOWN = frozenset(
    ["", "-", "--", "?", ".", r"\n", "<na>", "#n/a", "nan", "na", "n/a", "n.a.", "nil", "null"]
) | {"none", "unknown", "not available", "not found", "missing"}
"""What tables write, in any case, where a value is unknown."""

ONE_LINE = ("track_id", "title", "artist_name", "release_date", "audio", *STANDARD)
"""Columns whose values never go over several lines: one that does has swallowed other rows."""

PITCHES = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
PITCH = re.compile(r"([A-G])\s*([#b]?)(?:\s*/.*)?(?:\s*(?:maj|min|m)\w*)?$", re.IGNORECASE)
MODES = {"major": 1.0, "maj": 1.0, "minor": 0.0, "min": 0.0}
CLOCK = re.compile(r"(?:(\d+):)?(\d{1,2}):(\d{2})(?:\.\d+)?$")
METRE = re.compile(r"(\d{1,2})\s*/\s*\d{1,2}$")
SPOILED_METRE = re.compile(r"0?(\d{1,2})[-. ](?:Apr|Feb|Aug|Jan)$|(?:Apr|Feb|Aug)[-. ]0?(\d{1,2})$")
"""What spreadsheets make of 4/4, 3/4, 6/8: the day or the month is the number of beats."""

DOTTED = r"\d{1,3}(?:\.\d{3})+"
THOUSANDS = re.compile(r"[+-]?\d{1,3}(?:[,. \u00a0\u202f']\d{3})+$")
DECIMAL_COMMA = re.compile(r"[+-]?\d*,\d+$")
GROUPED = re.compile(r"[+-]?\d{1,3}(?:,\d{3})+\.\d+$|[+-]?\d{1,3}(?:\.\d{3})+,\d+$")


@dataclass(frozen=True)
class Cleaned:
    """Rows whose values were read.

    Attributes:
        rows: The rows; standard columns are float64, NaN where unknown or unreadable.
        problems: A line for each value that can't be used: `row` (the index in `rows`), `field`
            and `reason`. A row may have several.
    """

    rows: pd.DataFrame
    problems: pd.DataFrame

    @property
    def usable(self) -> pd.DataFrame:
        """The rows without a problem."""
        return self.rows[~self.rows.index.isin(self.problems["row"])]


def clean_rows(
    rows: pd.DataFrame,
    *,
    required: bool = True,
    lyrics: LyricsCleaning | None = None,
    factors: Mapping[str, float] | None = None,
) -> Cleaned:
    """Read every standard column, the release date and the lyrics of some rows.

    A value that is absent, NaN or one of `UNKNOWN` is missing, which is allowed unless the column
    is required. A value that is there but isn't a number, isn't whole where it must be, or is out
    of range is a problem: a column that is wrong in one place isn't to be trusted in silence.

    Args:
        rows: A row per track under standard names; other columns stay as they are.
        required: Whether a required column that is missing is a problem.
        lyrics: How lyrics are cleaned; by default as `LyricsCleaning` says.
        factors: What to multiply a column's numbers with, for one in another unit.

    Example:
        >>> cleaned = clean_rows(pd.DataFrame({"popularity": ["63 %"], "key": ["F♯"]}))
        >>> cleaned.rows.to_dict("records")
        [{'popularity': 63.0, 'key': 6.0}]
    """
    rows = rows.copy()
    problems: list[pd.DataFrame] = []

    def note(bad: pd.Series[bool], field: str, reason: pd.Series[str] | str) -> None:
        if bad.any():
            found = rows.index[bad]
            told = reason if isinstance(reason, str) else reason[bad].to_numpy()
            problems.append(pd.DataFrame({"row": found, "field": field, "reason": told}))

    for name in ONE_LINE:
        if name in rows and _is_text(rows[name]):
            several = rows[name].astype("string").str.strip().str.contains("\n", regex=False)
            reason = f"its {name} goes over several lines: a quotation mark is missing or too many"
            note(several.fillna(False).astype(bool), name, reason)
    if "lyrics" in rows:
        rows["lyrics"] = clean_lyrics(rows["lyrics"], lyrics or LyricsCleaning())
    if "release_date" in rows:
        rows["release_date"] = iso_dates(rows["release_date"])
        years = years_of(rows["release_date"])
        rows["release_year"] = (
            rows["release_year"].fillna(years) if "release_year" in rows else years
        )
    for name, column in STANDARD.items():
        if name not in rows:
            continue
        numbers, missing = read_numbers(rows[name], name, (factors or {}).get(name, 1.0))
        shown = rows[name].astype("string")
        if column.required and required:
            note(missing, name, f"there is no {name}")
        note(~missing & numbers.isna(), name, name + " is not a number: " + shown)
        outside = ~numbers.between(column.low, column.high) & numbers.notna()
        limits = f" is not {column.limits}: "
        note(outside, name, name + limits + shown)
        if column.whole:
            fraction = numbers.notna() & ~outside & (numbers % 1 != 0)
            note(fraction, name, name + " is not a whole number: " + shown)
        rows[name] = numbers
    columns = ["row", "field", "reason"]
    whole = pd.concat([pd.DataFrame(columns=columns), *problems]) if problems else None
    return Cleaned(rows, pd.DataFrame(columns=columns) if whole is None else whole[columns])


def clean_fields(fields: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """Read the fields of one track as a table's are read.

    Args:
        fields: Values by name, as a caller gives them.

    Returns:
        The values (unknown ones left out), and the reason for each field that can't be used.

    Example:
        >>> clean_fields({"energy": "80", "tempo": "n/a", "duration_ms": "3:20"})
        ({'duration_ms': 200000.0}, {'energy': 'energy is not from 0 to 1: 80'})
    """
    row = pd.DataFrame({name: pd.Series([value], dtype=object) for name, value in fields.items()})
    if row.empty:
        return {}, {}
    cleaned = clean_rows(row, required=False)
    first = cleaned.problems.drop_duplicates("field")
    problems = dict(zip(first["field"], first["reason"], strict=True))
    values = {
        str(name): value.item() if isinstance(value, np.generic) else value
        for name, value in cleaned.rows.iloc[0].items()
        if name not in problems and not is_unknown(value)
    }
    return values, problems


SPOTIFY = re.compile(r"(?:spotify:track:|https?://open\.spotify\.com/(?:[\w-]+/)?track/)(\w+)")


def read_ids(given: pd.Series[Any]) -> pd.Series[str]:
    """Track ids as text: without blanks, Spotify's addresses as ids, whole numbers as they are.

    A number that came as a float because of a gap in its column has no fraction as an id.

    Example:
        >>> read_ids(pd.Series(["spotify:track:abc", " 12.0 ", 7])).to_list()
        ['abc', '12', '7']
    """
    if pd.api.types.is_float_dtype(given) and (given.dropna() % 1 == 0).all():
        given = given.astype("Int64")
    texts = given.astype("string").str.strip()
    texts = texts.str.replace(r"^(\d+)\.0$", r"\1", regex=True)
    odd = texts.str.contains("spotify", regex=False).fillna(False)
    if odd.any():
        bare = texts.str.extract(SPOTIFY, expand=False)
        texts = bare.fillna(texts)
    return texts


def is_unknown(value: Any) -> bool:
    """Whether a single value stands for nothing: absent, NaN, or a text of `UNKNOWN`."""
    if isinstance(value, str):
        return value.strip().casefold() in UNKNOWN
    return value is None or value is pd.NA or (isinstance(value, float) and math.isnan(value))


def read_numbers(
    given: pd.Series[Any], name: str, factor: float = 1.0
) -> tuple[pd.Series[float], pd.Series[bool]]:
    """The numbers of a standard column.

    Args:
        given: Values of any type.
        name: The column, a key of `STANDARD`.
        factor: What to multiply plain numbers with.

    Returns:
        The numbers as float64, NaN where unknown or unreadable; and where they are unknown.
    """
    column = STANDARD[name]
    if not _is_text(given):
        numbers = pd.to_numeric(given, errors="coerce").astype("float64") * factor
        missing = given.isna().astype(bool)
    else:
        texts = given.astype("string").str.strip()
        missing = (texts.isna() | texts.str.casefold().isin(UNKNOWN)).fillna(True).astype(bool)
        numbers = pd.to_numeric(texts.mask(missing), errors="coerce").astype("float64") * factor
        outside = ~numbers.between(column.low, column.high)
        dotted = texts.str.fullmatch(DOTTED).fillna(False).astype(bool)
        odd = ~missing & (numbers.isna() | (outside & dotted))
        if odd.any():
            found = [_odd_number(text, name, factor) for text in texts[odd]]
            numbers.loc[odd] = np.array(found, dtype=np.float64)
    if column.unknown:
        unknown = numbers.isin(column.unknown)
        numbers, missing = numbers.mask(unknown), missing | unknown
    return numbers, missing


def _is_text(given: pd.Series[Any]) -> bool:
    return not pd.api.types.is_numeric_dtype(given)


def _odd_number(text: str, name: str, factor: float) -> float:
    """The number of a text that isn't written as one; NaN for none."""
    text = unicodedata.normalize("NFKC", text).replace("\N{MUSIC SHARP SIGN}", "#")
    text = text.replace("\N{MUSIC FLAT SIGN}", "b").replace("\N{MINUS SIGN}", "-").strip()
    if special := _SPECIAL.get(name):
        value = special(text)
        if value is not None:
            return value
    return _written_number(text, STANDARD[name], factor)


def _pitch(text: str) -> float | None:
    match = PITCH.match(text)
    if match:
        step = {"#": 1, "b": -1, "B": -1}.get(match[2], 0)
        return float((PITCHES[match[1].upper()] + step) % 12)
    return -1.0 if text.casefold() == "undefined" else None


def _mode(text: str) -> float | None:
    words = text.casefold().split()
    return next((MODES[word] for word in reversed(words) if word in MODES), None)


def _milliseconds(text: str) -> float | None:
    match = CLOCK.match(text)
    if not match:
        return None
    hours, minutes, seconds = (int(part or 0) for part in match.groups())
    return 1000.0 * (3600 * hours + 60 * minutes + seconds)


def _beats(text: str) -> float | None:
    if match := METRE.match(text):
        return float(match[1])
    if match := SPOILED_METRE.match(text):
        return float(match[1] or match[2])
    return None


def _year(text: str) -> float | None:
    date = iso_dates(pd.Series([text])).iloc[0]
    return None if pd.isna(date) else float(str(date)[:4])


_SPECIAL: dict[str, Callable[[str], float | None]] = {
    "key": _pitch,
    "mode": _mode,
    "duration_ms": _milliseconds,
    "time_signature": _beats,
    "release_year": _year,
}


def _written_number(text: str, column: Column, factor: float) -> float:
    """A number with a unit, a percent sign, a decimal comma or separated thousands."""
    if column.unit and text.casefold().endswith(column.unit.casefold()):
        text = text[: -len(column.unit)].strip()
    share = text.endswith("%")
    text = text.removesuffix("%").strip()
    readings = []
    if THOUSANDS.match(text):
        readings.append(re.sub(r"[^\d+-]", "", text))
    if DECIMAL_COMMA.match(text):
        readings.append(text.replace(",", "."))
    if GROUPED.match(text):
        last = max(text.rfind(","), text.rfind("."))
        readings.append(re.sub(r"[,.]", "", text[:last]) + "." + text[last + 1 :])
    readings.append(text)
    scale = factor * (0.01 if share and column.high == 1 else 1.0)
    values = [_plain(reading) * scale for reading in readings]
    known = [value for value in values if not math.isnan(value)]
    # `210,000` are milliseconds and `120,500` is a tempo: what a column may hold decides.
    fitting = [value for value in known if column.low <= value <= column.high]
    return (fitting or known or [math.nan])[0]


def _plain(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def iso_dates(dates: pd.Series[Any]) -> pd.Series[str]:
    """Release dates as found in the wild, in ISO form and only as precise as they are known.

    `2019`, `2019-06` and `2019-06-14` stay; `20190614` and `14-06-2019` are the same day. Of what
    spreadsheets make of them (`2/8/19`, `02.08.2019`, `Jun-19`) only the year counts where nobody
    can tell day from month. Two digits mean a year of this century up to 30, else of the last.
    Anything else, and Spotify's `0000`, is missing.
    """
    if pd.api.types.is_datetime64_any_dtype(dates):
        days: pd.Series[str] = dates.dt.strftime("%Y-%m-%d").astype("string")
        return days
    text: Any = dates.astype("string").str.strip().str.replace(r"\.0$", "", regex=True)
    iso = text.str.extract(r"^(\d{4}(?:-\d{2}(?:-\d{2})?)?)(?!\d)", expand=False)
    compact = text.str.extract(r"^((?:1[89]|20)\d{2})(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])$")
    packed = compact[0].str.cat([compact[1], compact[2]], sep="-")
    parts = text.str.extract(r"^(\d{1,2})[-/.](\d{1,2})[-/.](\d{4})$")
    first, second = (pd.to_numeric(parts[k]).astype("Float64") for k in (0, 1))
    day_first = (first > 12) & (second <= 12)
    month_first = (second > 12) & (first <= 12)
    day = parts[0].where(day_first.fillna(False), parts[1]).str.zfill(2)
    month = parts[1].where(day_first.fillna(False), parts[0]).str.zfill(2)
    told = (day_first | month_first).fillna(False)
    spelled = parts[2].str.cat([month, day], sep="-").where(told)
    full = text.str.extract(r"(?<!\d)(\d{4})(?!\d)", expand=False)
    short = text.str.extract(r"[/\-.](\d{2})$", expand=False)
    guessed = ("20" + short).where(pd.to_numeric(short) <= 30, "19" + short)
    found: Any = packed.fillna(iso).fillna(spelled).fillna(full).fillna(guessed)
    known: pd.Series[str] = found.mask(found.str.startswith("0000"))
    return known


def years_of(dates: pd.Series[str]) -> pd.Series[float]:
    """Years of ISO dates, float64 with NaN where there is none."""
    return pd.to_numeric(dates.str[:4]).astype("float64")
