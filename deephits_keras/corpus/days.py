"""Dates known to the day, the month or the year, as a range of days; without pandas."""

from __future__ import annotations

import calendar
import datetime
import math
import re

EPOCH = datetime.date(1800, 1, 1)
"""Day 0, earlier than any recording."""

ISO = re.compile(r"(\d{4})(?:-(\d{2})(?:-(\d{2}))?)?$")


def span(date: object, year: float = math.nan) -> tuple[int, int] | None:
    """First and last day that a date may mean, counted from `EPOCH`.

    Args:
        date: An ISO date of any precision, or anything else for an unknown one.
        year: The year, NaN if unknown; used if there is no date.

    Returns:
        Both days, equal if the date is known to the day; None if nothing is known.

    Example:
        >>> first, last = span("1999")
        >>> last - first
        364
    """
    match = ISO.match(str(date)) if date is not None else None
    parts = [int(part) for part in match.groups() if part] if match else []
    if not parts and not math.isnan(year):
        parts = [int(year)]
    if not parts:
        return None
    try:
        low = datetime.date(parts[0], *(parts[1:] + [1] * (3 - len(parts))))
    except ValueError:
        return None
    if len(parts) == 1:
        high = low.replace(month=12, day=31)
    elif len(parts) == 2:
        high = low.replace(day=calendar.monthrange(*parts)[1])
    else:
        high = low
    return (low - EPOCH).days, (high - EPOCH).days
