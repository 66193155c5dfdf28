"""When a column's values are known: at the release, later, or on the date in another column."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import pandas as pd

from deephits_keras.corpus.dates import NO_DATES, iso_dates
from deephits_keras.corpus.days import span
from deephits_keras.encoders.inputs import NEVER_READ
from deephits_keras.errors import UserError
from deephits_keras.utils.suggestions import suggestion

AT_RELEASE, LATER = "release", "later"

MONTH_YEAR = r"(?:0?[1-9]|1[0-2])\.(?:1[89]|20)\d{2}"
"""A month that could be taken for a number with decimals."""


class KnownWhen:
    """Removes values that weren't known yet when their song was released.

    Args:
        known: `release`, `later` or the name of a column of dates, by column. A value whose date
            may be after the release is removed: where dates are known to the year, one of the
            release's own year is.

    Attributes:
        later: Columns that are only known after the release.
        removed: Number of removed values, by column.

    Example:
        >>> rows = pd.DataFrame({"plays": [5, 6], "counted": ["2019-01-02", "2021"]})
        >>> known = KnownWhen({"plays": "counted"})
        >>> known.apply(rows.assign(release_year=[2020, 2020]))["plays"].tolist()
        [5.0, nan]
        >>> known.removed["plays"]
        1
    """

    def __init__(self, known: Mapping[str, str]) -> None:
        if refused := [name for name in known if name in NEVER_READ]:
            raise UserError(f"--known: {refused[0]} isn't an input of a model")
        self.later = tuple(name for name, when in known.items() if when == LATER)
        self.dated = {n: when for n, when in known.items() if when not in (AT_RELEASE, LATER)}
        self.removed: Counter[str] = Counter()
        self._named = tuple(known)
        self._unseen = set(self.dated.values())

    def apply(self, rows: pd.DataFrame) -> pd.DataFrame:
        """The rows with unknown values in the place of those that came later.

        Args:
            rows: Rows of a source in standard columns.

        Raises:
            UserError: if there is no such column.
        """
        columns = [str(column) for column in rows]
        for name, when in self.dated.items():
            if when not in rows:
                known = (AT_RELEASE, LATER, *columns)
                raise UserError(
                    f"--known {name}={when}: it takes {AT_RELEASE}, {LATER} or a column of dates, "
                    f"and there is no column {when!r}{suggestion(when, known)}"
                )
        for name in self._named:
            if name not in rows:
                raise UserError(
                    f"--known: there is no column {name!r}{suggestion(name, columns)}. The columns "
                    f"are {', '.join(columns)}"
                )
        if not self.dated:
            return rows
        released = _released(rows)
        if released is None:
            raise UserError(
                "--known COLUMN=DATES needs a column release_date or release_year to compare with"
            )
        first = _days(released, 0)
        changed = {}
        for name, dates in self.dated.items():
            told = iso_dates(rows[dates])
            if dates in self._unseen and rows[dates].notna().any():
                _require_dates(rows[dates], told, f"--known {name}={dates}")
                self._unseen.discard(dates)
            late = rows[name].notna() & ~(_days(told, 1) <= first)
            self.removed[name] += int(late.sum())
            changed[name] = rows[name].mask(late)
        return rows.assign(**changed)

    def notes(self) -> list[str]:
        """How many values were removed."""
        return [
            f"{count:,} {'value' if count == 1 else 'values'} of {name} removed: their "
            f"{self.dated[name]} isn't certainly before the release"
            for name, count in self.removed.items()
            if count
        ]


def _released(rows: pd.DataFrame) -> pd.Series[str] | None:
    """ISO dates of the releases, completed by years."""
    found = [iso_dates(rows[name]) for name in ("release_date", "release_year") if name in rows]
    if not found:
        return None
    return found[0] if len(found) == 1 else found[0].fillna(found[1])


def _require_dates(given: pd.Series[Any], found: pd.Series[str], option: str) -> None:
    """Refuse a column most of whose values are no dates, as of another column.

    Raises:
        UserError: with how many they are, and one of them.
    """
    texts = given.dropna().astype("string").str.strip()
    texts = texts[~texts.str.casefold().isin(NO_DATES)]
    numbers = pd.to_numeric(texts, errors="coerce").astype("Float64")
    # The decimals of a number, as of a tempo, would be read as the digits of a year.
    parted = (numbers % 1 != 0).fillna(False) & ~texts.str.fullmatch(MONTH_YEAR).fillna(False)
    none = texts[found[texts.index].isna() | parted]
    if len(none) * 2 > len(texts):
        raise UserError(
            f"{option}: {given.name} isn't a column of dates: {len(none):,} of {len(texts):,} "
            f"values are none, such as {none.iloc[0]!r}"
        )


def _days(dates: pd.Series[str], end: int) -> pd.Series[float]:
    """The first (0) or last (1) day that each date may mean; NaN where it is unknown."""
    spans = {date: span(date) for date in dates.dropna().unique()}
    days = {date: found[end] for date, found in spans.items() if found}
    return dates.map(days).astype("float64")
