"""Types and ranges of the standard columns, checked once, when a corpus is imported."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from deephits_keras.corpus.lookup import Lookup


@dataclass(frozen=True)
class Column:
    """What a standard column may hold.

    Attributes:
        low: Lowest value allowed.
        high: Highest value allowed.
        whole: Whether only whole numbers are.
        required: Whether a track can't do without it.
        unit: For the documentation.
    """

    low: float
    high: float
    whole: bool = False
    required: bool = False
    unit: str = ""

    @property
    def limits(self) -> str:
        """The range in words."""
        return f"from {self.low:g} to {self.high:g}"


_SHARE = Column(0, 1)

STANDARD = {
    "popularity": Column(0, 100, required=True),
    "artist_popularity": Column(0, 100),
    "release_year": Column(1800, 2200, whole=True),
    "acousticness": _SHARE,
    "danceability": _SHARE,
    "duration_ms": Column(0, 24 * 3600 * 1000, unit="ms"),
    "energy": _SHARE,
    "instrumentalness": _SHARE,
    "key": Column(-1, 11, whole=True, unit="pitch class, -1 undefined"),
    "liveness": _SHARE,
    "loudness": Column(-100, 20, unit="dB"),
    "mode": Column(0, 1, whole=True, unit="1 major, 0 minor"),
    "speechiness": _SHARE,
    "tempo": Column(0, 1000, unit="BPM"),
    "valence": _SHARE,
    "time_signature": Column(0, 32, whole=True),
}

ZERO_IS_UNKNOWN = ("tempo",)
"""Spotify writes 0 where it found no beat."""

NOTHING = ("", "nan", "na", "n/a", "null", "none")
"""What tables write, in any case, where a number is unknown."""


def validate(tracks: pd.DataFrame, seen: Lookup) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Check every standard column, and the ids.

    A value that is absent, NaN or one of `NOTHING` is missing, which is allowed unless the column
    is required. A value that is there but isn't a number, isn't whole where it must be, or is out
    of range rejects its row: a column that is wrong in one place isn't to be trusted in silence.
    Of the good rows that share a `track_id`, all but the first are rejected.

    Args:
        tracks: A row a track, with `track_id` and `source_row`.
        seen: Ids of the good tracks of earlier rows; those of these rows are added.

    Returns:
        The good tracks with standard columns as float64, and the rejected rows as `track_id`,
        `source_row`, `field`, `reason`.
    """
    tracks = tracks.copy()
    rejected = []
    bad = pd.Series(False, index=tracks.index)

    def reject(rows: pd.Series[bool], field: str, reason: pd.Series[str] | str) -> None:
        nonlocal bad
        fresh = rows & ~bad
        found = tracks.loc[fresh, ["track_id", "source_row"]].assign(field=field)
        found["reason"] = reason if isinstance(reason, str) else reason[fresh]
        rejected.append(found)
        bad = bad | fresh

    ids = tracks["track_id"].astype("string").str.strip()
    reject((ids.isna() | (ids == "")).astype(bool), "track_id", "there is no track id")
    tracks["track_id"] = ids.fillna("")
    for name, column in STANDARD.items():
        if name not in tracks:
            continue
        given = tracks[name]
        numbers = pd.to_numeric(given, errors="coerce").astype("float64")
        shown = given.astype("string")
        absent = given.isna() | shown.str.strip().str.casefold().isin(NOTHING).fillna(False)
        absent = absent.astype(bool)
        if column.required:
            reject(absent, name, f"there is no {name}")
        reject(~absent & numbers.isna(), name, name + " is not a number: " + shown)
        outside = ~numbers.between(column.low, column.high) & numbers.notna()
        limits = f" is not {column.limits}: "
        reject(outside, name, name + limits + shown)
        if column.whole:
            split = numbers.notna() & (numbers % 1 != 0)
            reject(split, name, name + " is not a whole number: " + shown)
        if name in ZERO_IS_UNKNOWN:
            numbers = numbers.mask(numbers == 0)
        tracks[name] = numbers
    fresh_ids = seen.add((track_id,) for track_id in tracks.loc[~bad, "track_id"])
    repeated = bad.copy()
    repeated[~bad] = ~np.array(fresh_ids, dtype=bool)
    reject(repeated, "track_id", "duplicate of an earlier row")
    columns = ["track_id", "source_row", "field", "reason"]
    reasons = pd.concat(rejected)[columns].sort_values("source_row", kind="stable")
    return tracks[~bad].reset_index(drop=True), reasons.reset_index(drop=True)


def fault_of(name: str, value: Any) -> str:
    """Why one value can't be that of a standard column, in the words of `validate`; or empty.

    Args:
        name: Of a column; one that isn't standard may hold anything.
        value: A number, a text, or what is unknown: None, NaN, one of `NOTHING`.
    """
    column = STANDARD.get(name)
    if column is None or value is None or str(value).strip().casefold() in NOTHING:
        return ""
    try:
        number = float(value)
    except (TypeError, ValueError):
        return f"{name} is not a number: {value}"
    if not column.low <= number <= column.high:
        return f"{name} is not {column.limits}: {number:g}"
    return f"{name} is not a whole number: {value}" if column.whole and number % 1 else ""


def iso_dates(dates: pd.Series[Any]) -> pd.Series[str]:
    """Release dates as found in the wild, in ISO form and only as precise as they are known.

    `2019`, `2019-06` and `2019-06-14` stay; of what spreadsheets make of them (`2/8/19`,
    `14/06/2019`, `Jun-19`) only the year counts, since nobody can tell day from month. Two digits
    mean a year of this century up to 30, else of the last. Anything else, and Spotify's `0000`,
    is missing.
    """
    text = dates.astype("string").str.strip()
    iso = text.str.extract(r"^(\d{4}(?:-\d{2}(?:-\d{2})?)?)(?!\d)", expand=False)
    full = text.str.extract(r"(?<!\d)(\d{4})(?!\d)", expand=False)
    short = text.str.extract(r"[/\-.](\d{2})$", expand=False)
    guessed = ("20" + short).where(pd.to_numeric(short) <= 30, "19" + short)
    found = iso.fillna(full).fillna(guessed)
    return found.mask(found.str.startswith("0000"))


def years_of(dates: pd.Series[str]) -> pd.Series[float]:
    """Years of ISO dates, float64 with NaN where there is none."""
    return pd.to_numeric(dates.str[:4]).astype("float64")
