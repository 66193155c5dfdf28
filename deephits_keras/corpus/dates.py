"""Parse release dates of tables to ISO form."""

from __future__ import annotations

from typing import Any

import pandas as pd


def iso_dates(dates: pd.Series[Any]) -> pd.Series[str]:
    """Release dates in ISO form, as precise as they are known.

    `2019`, `2019-06` and `2019-06-14` are kept; `20190614` and `14-06-2019` are converted. For
    formats of spreadsheets (`2/8/19`, `02.08.2019`, `Jun-19`) only the year is kept if day and
    month are ambiguous. Two digits mean a year of this century up to 30, else of the last. Anything
    else, and Spotify's `0000`, is missing.
    """
    if pd.api.types.is_datetime64_any_dtype(dates):
        days: pd.Series[str] = dates.dt.strftime("%Y-%m-%d").astype("string")
        return days
    text: Any = dates.astype("string").str.strip()
    odd = text.notna() & ~text.str.fullmatch(r"\d{4}(?:-\d{2}(?:-\d{2})?)?").fillna(False)
    if odd.any():
        text[odd] = _converted(text[odd])
    known: pd.Series[str] = text.mask(text.str.startswith("0000"))
    return known


def _converted(dates: Any) -> Any:
    text = dates.str.replace(r"\.0$", "", regex=True)
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
    return packed.fillna(iso).fillna(spelled).fillna(full).fillna(guessed)


def years_of(dates: pd.Series[str]) -> pd.Series[float]:
    """Years of ISO dates, float64, NaN where missing."""
    return pd.to_numeric(dates.str[:4]).astype("float64")
