"""Metrics of groups of tracks as tables of text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from deephits_keras.evaluation.groups import FEWEST, Grouping, Interval
from deephits_keras.report.labels import METRICS
from deephits_keras.runs.run import Run
from deephits_keras.utils.records import from_plain


@dataclass(frozen=True)
class GroupTable:
    """The groups of one kind.

    Attributes:
        kind: `decade`, `genre`, `language`, `market` or a column.
        columns: Names of the columns.
        rows: One row per group; none if no group has metrics.
        note: What the table leaves out, or empty.
    """

    kind: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str


def group_table(kind: str, grouping: Grouping) -> GroupTable:
    """One row per group: its size, and each metric with its interval."""
    if not any(group.metrics for group in grouping.groups):
        largest = max((group.tracks for group in grouping.groups), default=0)
        note = (
            f"No metrics: none of the {len(grouping.groups):,} groups has {FEWEST} tracks, the "
            f"largest has {largest:,}."
        )
        return GroupTable(kind, (kind, "tracks"), (), note)
    names = list(dict.fromkeys(name for group in grouping.groups for name in group.metrics))
    rows = [
        (
            group.group,
            f"{group.tracks:,}",
            *(_cell(name, group.metrics.get(name)) for name in names),
        )
        for group in grouping.groups
    ]
    notes = []
    if any(not group.metrics for group in grouping.groups):
        notes.append(f"Of groups with fewer than {FEWEST} tracks no metrics are computed.")
    if grouping.others:
        notes.append(
            f"{grouping.others:,} smaller groups with {grouping.other_tracks:,} tracks are left "
            "out."
        )
    columns = (kind, "tracks", *(METRICS[name].name for name in names))
    return GroupTable(kind, columns, rows, " ".join(notes))


def _cell(name: str, found: Interval | None) -> str:
    if found is None:
        return "too few"
    show = METRICS[name].show
    return f"{show(found.value)} [{show(found.low)}, {show(found.high)}]"


def group_tables(run: Run) -> list[GroupTable]:
    """The tables of a run's reported part; none for a run of an earlier version.

    Raises:
        UserError: if `metrics.json` is damaged.
    """
    where = f"{run.folder} has damaged metrics: groups"
    found = from_plain(run.metrics.get("groups", {}), dict[str, Grouping], where)
    return [group_table(kind, grouping) for kind, grouping in found.items()]
