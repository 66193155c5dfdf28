"""The paper's three filters (Section 2.1, Tables 4 and A5)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd


@dataclass(frozen=True)
class Filter:
    """Remove tracks whose `column` is beyond a limit; unknown values pass.

    Attributes:
        name: Name of the removed tracks.
        column: The column.
        above: Remove values above this, if given.
        below: Remove values below this, if given.
    """

    name: str
    column: str
    above: float | None = None
    below: float | None = None

    @property
    def criterion(self) -> str:
        """The criterion, for example `speechiness > 0.66`."""
        return (
            f"{self.column} > {self.above:g}"
            if self.above is not None
            else f"{self.column} < {self.below:g}"
        )

    def removes(self, tracks: pd.DataFrame) -> pd.Series[bool]:
        """Mask of the removed rows."""
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
        step: Name of the removed tracks.
        criterion: The criterion.
        removed: Number of removed tracks.
        removed_percent: Removed tracks in percent of the raw corpus (as in Table A5).
        remaining: Number of remaining tracks.
    """

    step: str
    criterion: str
    removed: int
    removed_percent: float
    remaining: int


def apply_filters(
    tracks: pd.DataFrame, filters: Sequence[Filter] = PAPER_FILTERS
) -> tuple[pd.DataFrame, list[FilterStep]]:
    """Apply filters one after the other.

    Args:
        tracks: One row per track.
        filters: The filters; a filter whose column is missing removes nothing.

    Returns:
        The remaining tracks, and Table 4, whose first line is the raw corpus.
    """
    counted = CountedFilters(filters)
    return counted.apply(tracks), counted.steps


class CountedFilters:
    """Apply filters to tracks in chunks, and compute Table 4 of all of them.

    Args:
        filters: The filters; a filter whose column is missing removes nothing.
    """

    def __init__(self, filters: Sequence[Filter]) -> None:
        self._filters = filters
        self._raw = 0
        self._removed = [0] * len(filters)

    def apply(self, tracks: pd.DataFrame) -> pd.DataFrame:
        """The tracks that no filter removes."""
        self._raw += len(tracks)
        for position, each in enumerate(self._filters):
            if each.column in tracks:
                kept = tracks[~each.removes(tracks)]
                self._removed[position] += len(tracks) - len(kept)
                tracks = kept
        return tracks

    @property
    def steps(self) -> list[FilterStep]:
        """Table 4 so far; its first line is the raw corpus."""
        remaining = self._raw
        steps = [FilterStep("raw dataset", "-", 0, 0.0, remaining)]
        for each, removed in zip(self._filters, self._removed, strict=True):
            remaining -= removed
            share = round(100 * removed / self._raw, 2) if self._raw else 0.0
            steps.append(FilterStep(each.name, each.criterion, removed, share, remaining))
        return steps
