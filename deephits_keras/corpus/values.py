"""The only place that reads values of tables and callers.

`import`, `predict` and `explain` all use it, so that a text has the same value in training and in
prediction.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from deephits_keras.corpus.dates import iso_dates, years_of
from deephits_keras.corpus.languages import LANGUAGE, detect_languages
from deephits_keras.corpus.lyrics import LyricsCleaning, clean_lyrics
from deephits_keras.corpus.unknown import UNKNOWN
from deephits_keras.corpus.written import DOTTED, ONE_SEPARATOR, Column, written_number

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
    # Spotify writes 0 if it found no beat.
    # Below 10 a separator was misread: `1,200` and `1.205` are no tempos.
    "tempo": Column(10, 1000, unit="BPM", unknown=(0,)),
    "valence": _SHARE,
    "time_signature": Column(0, 32, whole=True, unknown=(0,)),
}

ONE_LINE = ("track_id", "title", "artist_name", "release_date", "audio", *STANDARD)
"""Columns without multi-line values; a multi-line value means that rows were merged."""


NAMES = frozenset(
    (*ONE_LINE, "artists", "artist_id", "artist_ids", "lyrics", "album", "album_name")
)
"""Columns whose texts aren't compared with `UNKNOWN`: names, or read otherwise."""


@dataclass(frozen=True)
class Cleaned:
    """Rows with converted values.

    Attributes:
        rows: The rows; standard columns are float64, NaN where unknown or invalid.
        problems: One row per invalid value: `row` (the index in `rows`), `field` and `reason`.
            A row may have several.
    """

    rows: pd.DataFrame
    problems: pd.DataFrame

    @property
    def usable(self) -> pd.DataFrame:
        """The rows without problems."""
        return self.rows[~self.rows.index.isin(self.problems["row"])]


def clean_rows(
    rows: pd.DataFrame,
    *,
    required: bool = True,
    lyrics: LyricsCleaning | None = None,
    factors: Mapping[str, float] | None = None,
    marks: Mapping[str, str] | None = None,
) -> Cleaned:
    """Convert every standard column, the release date and the lyrics of some rows.

    A value that is absent, NaN or one of `UNKNOWN` is missing, which is allowed unless the column
    is required. A value that isn't a number, isn't an integer where required, or is out of range is
    a problem, as the column may be wrong.

    Args:
        rows: One row per track under standard names; other columns are unchanged.
        required: Whether a missing value of a required column is a problem.
        lyrics: Settings of lyrics cleaning; the defaults of `LyricsCleaning` if not given.
        factors: Factors of columns in other units.
        marks: Decimal marks of columns (`decimals.decimal_marks`).

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
        if name in rows and _is_text(rows[name]) and _some_with_line_breaks(rows[name]):
            several = rows[name].astype("string").str.strip().str.contains("\n", regex=False)
            reason = f"its {name} goes over several lines: a quotation mark is missing or too many"
            note(several.fillna(False).astype(bool), name, reason)
    if "lyrics" in rows:
        how = lyrics or LyricsCleaning()
        rows["lyrics"] = clean_lyrics(rows["lyrics"], how)
        if how.detect_language and LANGUAGE not in rows:
            rows[LANGUAGE] = detect_languages(rows["lyrics"])
    if "release_date" in rows:
        rows["release_date"] = iso_dates(rows["release_date"])
        years = years_of(rows["release_date"])
        rows["release_year"] = (
            rows["release_year"].fillna(years) if "release_year" in rows else years
        )
    for other in rows:
        if str(other) not in NAMES and _is_text(rows[other]):
            absent = rows[other].map(_is_unknown_text).astype(bool)
            rows[other] = rows[other].mask(absent) if absent.any() else rows[other]
    for name, column in STANDARD.items():
        if name not in rows:
            continue
        given = rows[name]
        numbers, missing = read_numbers(
            given, name, (factors or {}).get(name, 1.0), (marks or {}).get(name, "")
        )
        if column.required and required:
            note(missing, name, f"there is no {name}")
        rows[name] = numbers
        values, unknown = numbers.to_numpy(), np.isnan(numbers.to_numpy())
        invalid = unknown & ~missing.to_numpy()
        outside = ~unknown & ~((values >= column.low) & (values <= column.high))
        fraction = ~unknown & ~outside & (np.where(outside, 0, values) % 1 != 0) & column.whole
        if not (invalid.any() or outside.any() or fraction.any()):
            continue
        shown = _with_reading(
            given.astype("string"),
            values,
            (factors or {}).get(name, 1.0),
            (marks or {}).get(name, ""),
        )
        for bad, told in (
            (invalid, f" is not a {'whole ' * column.whole}number {column.limits}: "),
            (outside, f" is not {column.limits}: "),
            (fraction, " is not a whole number: "),
        ):
            if bad.any():
                where: pd.Series[bool] = pd.Series(bad, rows.index)
                note(where, name, name + told + shown)
    columns = ["row", "field", "reason"]
    whole = pd.concat([pd.DataFrame(columns=columns), *problems]) if problems else None
    return Cleaned(rows, pd.DataFrame(columns=columns) if whole is None else whole[columns])


def _with_reading(
    texts: pd.Series[str], values: np.ndarray, factor: float, mark: str
) -> pd.Series[str]:
    """Texts of a column, with how they were read where the column's others decide that."""
    told = pd.Series("", texts.index, dtype="string")
    numbers = pd.Series([f"{value:.10g}" for value in values], texts.index, dtype="string")
    if factor != 1:
        told = " (" + numbers + f" after multiplication by {factor:.10g})"
    elif mark:
        kind = "commas" if mark == "," else "points"
        depends = texts.str.match(ONE_SEPARATOR).fillna(False).astype(bool)
        told = told.mask(depends, " (" + numbers + f", as the column has decimal {kind})")
    return texts + told.where(~np.isnan(values), "")


def clean_fields(fields: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """Convert the fields of one track as those of a table.

    Args:
        fields: Values by name.

    Returns:
        The known values, and the reason for each invalid field.

    Example:
        >>> clean_fields({"energy": "80", "tempo": "n/a", "duration_ms": "3:20"})
        ({'duration_ms': 200000.0}, {'energy': 'energy is not from 0 to 1: 80'})
    """
    # The year may come from the date: the two are read together. Else what needs no conversion is
    # not converted: a table of one row takes milliseconds.
    plain = {} if "release_date" in fields else {n: v for n, v in fields.items() if _is_plain(n, v)}
    odd = {name: value for name, value in fields.items() if name not in plain}
    if not odd:
        return {name: float(plain[name]) for name in plain}, {}
    row = pd.DataFrame({name: pd.Series([value], dtype=object) for name, value in odd.items()})
    cleaned = clean_rows(row, required=False)
    first = cleaned.problems.drop_duplicates("field")
    problems = dict(zip(first["field"], first["reason"], strict=True))
    values = {
        str(name): value.item() if isinstance(value, np.generic) else value
        for name, value in cleaned.rows.iloc[0].items()
        if name not in problems and not is_unknown(value)
    }
    values |= {name: float(value) for name, value in plain.items()}
    return {name: values[name] for name in {**fields, **values} if name in values}, problems


def _is_plain(name: str, value: Any) -> bool:
    """Whether a value is that of a standard column already."""
    column = STANDARD.get(name)
    if column is None or type(value) not in (int, float):
        return False
    inside = column.low <= value <= column.high and value not in column.unknown
    return inside and not (column.whole and value % 1)


LARGEST_WHOLE = 2.0**53
"""Largest integer up to which float64 represents all integers."""

LONGEST_UNKNOWN = 20
"""Longest text that is compared with `UNKNOWN`, in characters."""

NO_IDS = ("nan", "NaN", "<NA>", "None", "NULL", "null", r"\N", "N/A", "#N/A", "NA", "-", "?")
"""What programs write where an id is unknown; ids in other spellings may be real."""

SPOTIFY = re.compile(r"(?:spotify:track:|https?://open\.spotify\.com/(?:[\w-]+/)?track/)(\w+)")


def read_ids(given: pd.Series[Any]) -> pd.Series[str]:
    """Track ids as text: without spaces; Spotify URLs and URIs become ids, integers are kept.

    An integer that became a float because of missing values in its column is converted back.

    Example:
        >>> read_ids(pd.Series(["spotify:track:abc", " 12.0 ", 7])).to_list()
        ['abc', '12', '7']
    """
    if pd.api.types.is_float_dtype(given):
        known = given.dropna()
        if ((known % 1 == 0) & (known.abs() < LARGEST_WHOLE)).all():
            given = given.astype("Int64")
    if not pd.api.types.is_numeric_dtype(given):
        given = given.map(_id_text, na_action="ignore")
    texts = given.astype("string").str.strip()
    texts = texts.str.replace(r"^(\d+)\.0$", r"\1", regex=True)
    texts = texts.mask(texts.isin(NO_IDS))
    odd = texts.str.contains("spotify", regex=False).fillna(False)
    if odd.any():
        bare = texts.str.extract(SPOTIFY, expand=False)
        texts = bare.fillna(texts)
    return texts


def _id_text(value: Any) -> Any:
    """An id that has parts, as MongoDB's `{"$oid": ...}`, as one text, in every format alike."""
    if isinstance(value, str):
        parsed = _parsed(value) if value.startswith('{"') else None
        return value if parsed is None else _id_text(parsed)
    if isinstance(value, Mapping) and len(value) == 1:
        return _id_text(next(iter(value.values())))
    if isinstance(value, Mapping | list | tuple | np.ndarray):
        return json.dumps(value, default=str, ensure_ascii=False, sort_keys=True)
    if isinstance(value, float) and value.is_integer() and abs(value) < LARGEST_WHOLE:
        return str(int(value))
    return value


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None


def is_unknown(value: Any) -> bool:
    """Whether a value is unknown: None, NaN, or a text of `UNKNOWN`."""
    if isinstance(value, str):
        return value.strip().casefold() in UNKNOWN
    return value is None or value is pd.NA or (isinstance(value, float) and math.isnan(value))


def _is_unknown_text(value: Any) -> bool:
    return isinstance(value, str) and len(value) <= LONGEST_UNKNOWN and is_unknown(value)


def read_numbers(
    given: pd.Series[Any], name: str, factor: float = 1.0, mark: str = ""
) -> tuple[pd.Series[float], pd.Series[bool]]:
    """The numbers of a standard column.

    Args:
        given: Values of any type.
        name: The column, a key of `STANDARD`.
        factor: Factor of plain numbers.
        mark: Decimal mark of the texts: `.` or `,`, empty if unknown.

    Returns:
        The numbers as float64, NaN where unknown or invalid; and a mask of the unknown ones.
    """
    column = STANDARD[name]
    if not _is_text(given):
        numbers = pd.to_numeric(given, errors="coerce").astype("float64") * factor
        missing = given.isna().astype(bool)
    else:
        numbers, missing = _read_texts(given, name, column, factor, mark)
    if column.unknown:
        unknown = numbers.isin(column.unknown)
        if unknown.any():
            numbers, missing = numbers.mask(unknown), missing | unknown
    return numbers, missing


PLAIN_NUMBER = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"
"""Texts that every reader of numbers reads alike."""


def _read_texts(
    given: pd.Series[Any], name: str, column: Column, factor: float, mark: str
) -> tuple[pd.Series[float], pd.Series[bool]]:
    """Numbers of texts: most are plain, which Arrow reads many times as fast as the others."""
    try:
        texts = pc.utf8_trim_whitespace(pa.array(given, pa.large_string(), from_pandas=True))
    except (pa.ArrowException, TypeError):
        return _read_other_texts(given, name, column, factor, mark)
    if isinstance(texts, pa.ChunkedArray):
        texts = texts.combine_chunks()
    plain = pc.match_substring_regex(texts, PLAIN_NUMBER)
    if mark == ",":
        plain = pc.and_not(plain, pc.match_substring_regex(texts, f"^{DOTTED}$"))
    kept = texts if pc.all(plain).as_py() else pc.if_else(plain, texts, None)
    read = pc.cast(kept, pa.float64()).to_numpy(zero_copy_only=False) * factor
    missing = pc.is_null(texts).to_numpy(zero_copy_only=False)
    with np.errstate(invalid="ignore"):
        good = (read >= column.low) & (read <= column.high) & ~((read == 0) & np.signbit(read))
    others = np.flatnonzero(~good & ~missing)
    if len(others):
        read, missing = read.copy(), missing.copy()
        rest, absent = _read_other_texts(given.iloc[others], name, column, factor, mark)
        read[others], missing[others] = rest.to_numpy(), absent.to_numpy()
    return pd.Series(read, index=given.index), pd.Series(missing, index=given.index)


def _read_other_texts(
    given: pd.Series[Any], name: str, column: Column, factor: float, mark: str
) -> tuple[pd.Series[float], pd.Series[bool]]:
    """Numbers of texts in any form, one by one where pandas can't read them."""
    texts = given.astype("string").str.strip()
    missing = (texts.isna() | texts.str.casefold().isin(UNKNOWN)).fillna(True).astype(bool)
    numbers = pd.to_numeric(texts.mask(missing), errors="coerce").astype("float64") * factor
    outside = ~numbers.between(column.low, column.high)
    dotted = texts.str.fullmatch(DOTTED).fillna(False).astype(bool)
    doubtful = dotted if mark == "," else dotted & outside & (mark != ".")
    odd = ~missing & (numbers.isna() | doubtful)
    if odd.any():
        found = [written_number(text, name, column, factor, mark) for text in texts[odd]]
        numbers.loc[odd] = np.array(found, dtype=np.float64)
    return numbers, missing


def _some_with_line_breaks(given: pd.Series[Any]) -> bool:
    """Whether any text may have several lines."""
    try:
        texts = pa.array(given, from_pandas=True)
        return bool(pc.any(pc.match_substring(texts, "\n")).as_py())
    except (pa.ArrowException, TypeError, OverflowError):
        return True


def _is_text(given: pd.Series[Any]) -> bool:
    return not pd.api.types.is_numeric_dtype(given)
