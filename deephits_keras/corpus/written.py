"""Parse numbers with units, names, decimal commas and thousands separators."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd

from deephits_keras.corpus.dates import iso_dates


@dataclass(frozen=True)
class Column:
    """Allowed values of a standard column.

    Attributes:
        low: Lowest value allowed.
        high: Highest value allowed.
        whole: Whether only integers are allowed.
        required: Whether every track needs a value.
        unit: Unit, which may follow a value.
        unknown: Numbers that mean an unknown value.
    """

    low: float
    high: float
    whole: bool = False
    required: bool = False
    unit: str = ""
    unknown: tuple[float, ...] = ()

    @property
    def limits(self) -> str:
        """The range as text."""
        return f"from {self.low:.10g} to {self.high:.10g}"


PITCHES = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
PITCH = re.compile(r"([A-G])\s*([#b]?)(?:\s*/.*)?(?:\s*(?:maj|min|m)\w*)?$", re.IGNORECASE)
MODES = {"major": 1.0, "maj": 1.0, "true": 1.0, "minor": 0.0, "min": 0.0, "false": 0.0}
CLOCK = re.compile(
    r"(?:(?P<days>\d+) days? )?(?:(?P<hours>\d+):)?"
    r"(?P<minutes>\d{1,2}):(?P<seconds>\d{2}(?:\.\d+)?)$"
)
"""`3:20`, `1:00:00`, and the format of pandas: `0 days 00:03:20.500000`."""

SPELLED = re.compile(
    r"(?=.*\d)(?:(?P<hours>\d+) ?h(?:ours?|rs?)?)?,? ?"
    r"(?:(?P<minutes>\d+(?:\.\d+)?) ?m(?:in(?:ute)?s?)?(?!s))?,? ?"
    r"(?:(?P<seconds>\d+(?:\.\d+)?) ?s(?:ec(?:ond)?s?)?)?$",
    re.IGNORECASE,
)
"""`3 min 20 s`, `210 s`, `3m20s`."""

METRE = re.compile(r"(\d{1,2})\s*/\s*\d{1,2}$")
SPOILED_METRE = re.compile(r"(?P<day>\d{1,2})[-. ](?P<month>[A-Z][a-z]{2})$")
OTHER_SPOILED_METRE = re.compile(r"(?P<month>[A-Z][a-z]{2})[-. ](?P<day>\d{1,2})$")
DATED_METRE = re.compile(r"\d{4}-(?P<month>\d{2})-(?P<day>\d{2})(?: 00:00:00)?$")
"""Dates that spreadsheets make of 4/4, 3/4, 6/8."""

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
NOTE_VALUES = (4, 8, 2)
"""Numerators of time signatures, the most frequent first."""

LEADING_GROUP = r"[1-9]\d{0,2}"
"""Digits before the first separator of thousands: `0.125` has none."""

DOTTED = rf"[+-]?{LEADING_GROUP}(?:\.\d{{3}})+"
THOUSANDS = re.compile(rf"[+-]?{LEADING_GROUP}(?:[,. \u00a0\u202f']\d{{3}})+$")
ONE_SEPARATOR = re.compile(rf"[+-]?{LEADING_GROUP}[.,]\d{{3}}$")
"""A number that depends on its column's decimal mark."""

DECIMAL_COMMA = re.compile(r"[+-]?\d*,\d+(?:[eE][+-]?\d+)?$")
GROUPED = re.compile(
    rf"[+-]?{LEADING_GROUP}(?:,\d{{3}})+\.\d+$|[+-]?{LEADING_GROUP}(?:\.\d{{3}})+,\d+$"
)


def written_number(
    text: str, name: str, column: Column, factor: float = 1.0, mark: str = ""
) -> float:
    """The number of a text that isn't a plain number.

    Args:
        text: The text of the table.
        name: The standard column.
        column: Its allowed values.
        factor: Factor of plain numbers.
        mark: Decimal mark of the table's column: `.` or `,`; if empty, the column's range decides
            how `1,205` is read.

    Returns:
        The number, or NaN.

    Example:
        >>> written_number("3:20", "duration_ms", Column(1000, 1e7)), _beats("04-Mar")
        (200000.0, 3.0)
    """
    text = unicodedata.normalize("NFKC", text).replace("\N{MUSIC SHARP SIGN}", "#")
    text = text.replace("\N{MUSIC FLAT SIGN}", "b").replace("\N{MINUS SIGN}", "-").strip()
    if special := _SPECIAL.get(name):
        value = special(text)
        if value is not None:
            return value
    return _grouped(text, column, factor, mark)


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
    match = CLOCK.match(text) or SPELLED.match(text)
    if not match:
        return None
    seconds = dict.fromkeys(("days", "hours", "minutes", "seconds"), 0.0)
    seconds |= {unit: float(number) for unit, number in match.groupdict(default="0").items()}
    hours = 24 * seconds["days"] + seconds["hours"]
    return 1000.0 * (3600 * hours + 60 * seconds["minutes"] + seconds["seconds"])


def _beats(text: str) -> float | None:
    if match := METRE.match(text):
        return float(match[1])
    if match := DATED_METRE.match(text):
        day, month = int(match["day"]), int(match["month"])
    elif match := SPOILED_METRE.match(text) or OTHER_SPOILED_METRE.match(text):
        if match["month"] not in MONTHS:
            return None
        day, month = int(match["day"]), 1 + MONTHS.index(match["month"])
    else:
        return None
    # 3/4 may be the third of April or the fourth of March; the part that isn't a note value is the
    # beats.
    for unit in NOTE_VALUES:
        if month == unit:
            return float(day)
        if day == unit:
            return float(month)
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


def _grouped(text: str, column: Column, factor: float, mark: str) -> float:
    """A number with a unit, a percent sign, a decimal comma or thousands separators."""
    unit = bool(column.unit) and text.casefold().endswith(column.unit.casefold())
    if unit:
        text = text[: -len(column.unit)].strip()
    share = text.endswith("%")
    text = text.removesuffix("%").strip()
    readings = []
    if mark and ONE_SEPARATOR.match(text):
        thousands = "." if mark == "," else ","
        text = text.replace(thousands, "").replace(",", ".")
    elif THOUSANDS.match(text):
        readings.append(re.sub(r"[^\d+-]", "", text))
    if DECIMAL_COMMA.match(text):
        readings.append(text.replace(",", "."))
    if GROUPED.match(text):
        last = max(text.rfind(","), text.rfind("."))
        readings.append(re.sub(r"[,.]", "", text[:last]) + "." + text[last + 1 :])
    readings.append(text)
    # A value with a unit is in that unit, regardless of the column's.
    stated = share or unit
    scale = (0.01 if share and column.high == 1 else 1.0) if stated else factor
    values = [_plain(reading) * scale for reading in readings]
    known = [value for value in values if not math.isnan(value)]
    # `210,000` is a duration in ms and `120,500` a tempo: the column's range decides.
    fitting = [value for value in known if column.low <= value <= column.high]
    return (fitting or known or [math.nan])[0]


def _plain(text: str) -> float:
    try:
        # Python would read `1_0` as 10.
        return math.nan if "_" in text else float(text)
    except ValueError:
        return math.nan
