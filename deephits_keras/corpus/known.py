"""When a column's values are known: at the release, later, or on the date in another column."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import pandas as pd

from deephits_keras.corpus.dates import iso_dates
from deephits_keras.encoders.inputs import NEVER_READ
from deephits_keras.errors import UserError
from deephits_keras.utils.suggestions import suggestion

AT_RELEASE, LATER = "release", "later"

ENDS, STARTS = ("-12-31", "-31"), ("-01-01", "-01")
"""What completes a date that is known to the year, or to the month."""


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
        first = _completed(released, STARTS)
        changed = {}
        for name, dates in self.dated.items():
            before = _completed(iso_dates(rows[dates]), ENDS) <= first
            late = rows[name].notna() & ~before.fillna(False).astype(bool)
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


def _completed(dates: pd.Series[str], parts: tuple[str, str]) -> pd.Series[Any]:
    of_year, of_month = parts
    years, months = (dates.str.len().eq(length).fillna(False).astype(bool) for length in (4, 7))
    return dates.mask(years, dates + of_year).mask(months, dates + of_month)
