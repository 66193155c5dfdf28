"""What importers of datasets of one table share."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from deephits_keras.corpus.importers import Importer, one_of

if TYPE_CHECKING:
    import pandas as pd

    from deephits_keras.corpus.finishing import TrackSource
    from deephits_keras.corpus.source_table import SourceTable


class OneTable(Importer):
    """An importer of one table: a subclass says which file, and which columns are which.

    Attributes:
        files: Names under which the file is published, the most frequent first.
        columns: The standard name of each column that has another name.
        example: A few made-up lines of the layout, the header among them.
    """

    files: ClassVar[tuple[str, ...]]
    columns: ClassVar[Mapping[str, str]] = {}
    example: ClassVar[str]

    def open(self, source: Path) -> TrackSource:
        """The table's rows under standard names; see the base class."""
        from deephits_keras.corpus.reading import open_table

        table = open_table(one_of(source, self.files, self.name))
        self.check(table, source)
        found = source_of(table, self.columns, self.standard)
        return dataclasses.replace(found, separators=self.separators)

    def check(self, table: SourceTable, source: Path) -> None:
        """Refuse a table without the columns that the layout has."""
        from deephits_keras.errors import UserError

        absent = [column for column in self.columns if column not in table.columns]
        if absent:
            raise UserError(
                f"{source} doesn't have the layout of {self.name}: it has no column "
                f"{', '.join(absent)}. It has: {', '.join(table.columns)}"
            )

    def standard(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Some rows under standard names, changed as the layout needs it."""
        return rows

    @classmethod
    def write_example(cls, folder: Path) -> Path:
        """Write `example` under the first of the names; see the base class."""
        return write_rows(folder / cls.files[0], cls.example).parent


def source_of(
    table: SourceTable,
    columns: Mapping[str, str],
    standard: Callable[[pd.DataFrame], pd.DataFrame],
) -> TrackSource:
    """The tracks of one table.

    Args:
        table: The table.
        columns: The standard name of each column that has another name.
        standard: Changes some rows under standard names, if the layout needs it.
    """
    from deephits_keras.corpus.finishing import TrackSource

    id_column = next((old for old, new in columns.items() if new == "track_id"), "track_id")

    def tracks() -> Iterator[pd.DataFrame]:
        for rows in table.chunks():
            yield standard(rows.rename(columns=columns))

    def ids(only: Collection[str] = (id_column,)) -> Iterator[pd.Series[str]]:
        for rows in table.chunks(only):
            yield rows[id_column]

    def artists() -> Iterator[pd.Series[str]]:
        named = next((old for old, new in columns.items() if new == "artist_name"), None)
        if named is not None:
            for rows in table.chunks([named]):
                yield rows[named]

    types = {columns.get(name, name): kind for name, kind in table.types.items()}
    return TrackSource([table], tracks, ids, types, artists)


def write_rows(path: Path, lines: str) -> Path:
    """Write a small example table."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(lines, encoding="utf-8")
    return path
