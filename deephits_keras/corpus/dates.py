"""Parse release dates of tables to ISO form."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from deephits_keras.corpus.unknown import UNKNOWN
from deephits_keras.errors import UserError

ISO = r"\d{4}(?:-(?:0[1-9]|1[0-2])(?:-(?:0[1-9]|[12]\d|3[01]))?)?"


def iso_dates(dates: pd.Series[Any]) -> pd.Series[str]:
    """Release dates in ISO form, as precise as they are known.

    `2019`, `2019-06` and `2019-06-14` are kept; `20190614`, `2019/6/14` and `14-06-2019` are
    converted. An impossible month or day is unknown, as in `2019-02-30`. For
    formats of spreadsheets (`2/8/19`, `02.08.2019`, `Jun-19`) only the year is kept if day and
    month are ambiguous. Two digits mean a year of this century up to 30, else of the last. Anything
    else, and Spotify's `0000`, is missing.
    """
    if pd.api.types.is_datetime64_any_dtype(dates):
        days: pd.Series[str] = dates.dt.strftime("%Y-%m-%d").astype("string")
        return days
    text: Any = dates.astype("string").str.strip()
    odd = text.notna() & ~text.str.fullmatch(ISO).fillna(False)
    if odd.any():
        text[odd] = _converted(text[odd])
    late = text.str[8:10].ge("29").fillna(False).astype(bool)
    if late.any():
        days = pd.to_datetime(text[late], format="%Y-%m-%d", errors="coerce")
        text[late] = text[late].where(days.notna(), text[late].str[:7])
    known: pd.Series[str] = text.mask(text.str.startswith("0000"))
    return known


def _converted(dates: Any) -> Any:
    text = dates.str.replace(r"\.0$", "", regex=True)
    year_first = text.str.extract(r"^(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})(?!\d)")
    padded = [year_first[0], *(year_first[k].str.zfill(2) for k in (1, 2))]
    text = padded[0].str.cat(padded[1:], sep="-").fillna(text)
    iso = text.str.extract(rf"^({ISO})(?!\d)", expand=False)
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
    return packed.fillna(iso).fillna(spelled).fillna(full).fillna(guessed)


def years_of(dates: pd.Series[str]) -> pd.Series[float]:
    """Years of ISO dates, float64, NaN where missing."""
    return pd.to_numeric(dates.str[:4]).astype("float64")


@dataclass
class UnreadDates:
    """Counts dates that `iso_dates` reads in part or not at all, a chunk of rows at a time.

    Attributes:
        count: Number of dates that aren't read.
        example: The first of them.
        in_part: Number of dates whose day, or day and month, are ambiguous or impossible.
        example_in_part: The first of them.
    """

    count: int = 0
    example: str = ""
    in_part: int = 0
    example_in_part: str = ""

    def add(self, given: pd.Series[Any], found: pd.Series[str]) -> None:
        """Compare some dates as they were given with what was read."""
        there = given.notna()
        unread = given[found.isna() & there].astype("string").str.strip()
        named = unread[~unread.str.casefold().isin(NO_DATES)]
        self.count += len(named)
        if len(named) and not self.example:
            self.example = str(named.iloc[0])
        short = found.str.len().lt(10).fillna(False).astype(bool) & there
        texts = given[short].astype("string").str.strip().str.replace(r"\.0$", "", regex=True)
        less = texts[~(texts.str.fullmatch(PRECISE).fillna(False) | (texts == found[short]))]
        self.in_part += len(less)
        if len(less) and not self.example_in_part:
            self.example_in_part = str(less.iloc[0])

    def require_whole(self, path: Path) -> None:
        """Refuse a table with dates whose day or month can be read in two ways, or not at all.

        Raises:
            UserError: with their number and an example.
        """
        if self.in_part:
            raise UserError(
                f"{path}: the day or month of some dates ({self.in_part:,}) can't be read, or in "
                f"two ways, such as {self.example_in_part!r}. Write them as 2019-06-14"
            )

    def notes(self) -> list[str]:
        """What was found, in words."""
        notes = []
        if self.count:
            dates = "release date" if self.count == 1 else "release dates"
            are = "is" if self.count == 1 else "are"
            notes.append(
                f"{self.count:,} {dates} can't be read and {are} unknown, as {self.example!r}"
            )
        if self.in_part:
            dates = "release date has" if self.in_part == 1 else "release dates have"
            its = "its" if self.in_part == 1 else "their"
            notes.append(
                f"{self.in_part:,} {dates} an ambiguous or impossible day or month: only {its} "
                f"year, or year and month, is known, as {self.example_in_part!r}"
            )
        return notes


PRECISE = r"\d{4}(?:[-/.]00(?:[-/.]00)?)?|\d{4}-(?:0[1-9]|1[0-2])-00"
"""Dates that tell no day, or neither day nor month, by zeros."""

NO_DATES = UNKNOWN | {"0", "0000", "0000-00-00", "0000-00", "0.0"}
"""What stands for an unknown date."""
