"""The paper's three filters (Section 2.1, Tables 4 and A5)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import pandas as pd


@dataclass(frozen=True)
class Filter:
    """Drops the tracks whose `column` is beyond a limit; an unknown value passes.

    Attributes:
        name: What it removes.
        column: The column that it looks at.
        above: Removes values above this, if given.
        below: Removes values below this, if given.
    """

    name: str
    column: str
    above: float | None = None
    below: float | None = None

    @property
    def criterion(self) -> str:
        """`speechiness > 0.66` and the like."""
        return (
            f"{self.column} > {self.above:g}"
            if self.above is not None
            else f"{self.column} < {self.below:g}"
        )

    def removes(self, tracks: pd.DataFrame) -> pd.Series[bool]:
        """Which rows it removes."""
        values = tracks[self.column]
        return values.gt(self.above) if self.above is not None else values.lt(self.below)


PAPER_FILTERS = (
    Filter("speech-dominant", "speechiness", above=0.66),
    Filter("very long", "duration_ms", above=420_000),
    Filter("short", "duration_ms", below=30_000),
)


@dataclass(frozen=True)
class FilterStep:
    """A line of Table 4.

    Attributes:
        step: What was removed.
        criterion: By which rule.
        removed: How many tracks.
        removed_percent: Share of the raw corpus, in percent (as in Table A5).
        remaining: How many are left.
    """

    step: str
    criterion: str
    removed: int
    removed_percent: float
    remaining: int

    def to_json(self) -> dict[str, Any]:
        """The line as JSON types."""
        return asdict(self)


def apply_filters(
    tracks: pd.DataFrame, filters: Sequence[Filter] = PAPER_FILTERS
) -> tuple[pd.DataFrame, list[FilterStep]]:
    """Apply filters one after the other.

    Args:
        tracks: A row a track.
        filters: The filters; one whose column isn't there removes nothing.

    Returns:
        The tracks that remain, and Table 4, whose first line is the raw corpus.
    """
    raw = len(tracks)
    steps = [FilterStep("raw dataset", "-", 0, 0.0, raw)]
    for each in filters:
        before = len(tracks)
        if each.column in tracks:
            tracks = tracks[~each.removes(tracks)]
        removed = before - len(tracks)
        share = round(100 * removed / raw, 2) if raw else 0.0
        steps.append(FilterStep(each.name, each.criterion, removed, share, len(tracks)))
    return tracks, steps
