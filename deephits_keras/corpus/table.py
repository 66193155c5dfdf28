"""`Corpus`: a folder with one validated row per track, as import writes it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from functools import cached_property
from pathlib import Path
from typing import Any, NotRequired, Self, TypedDict

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from deephits_keras.corpus.files import FILTERED, INFO, REJECTED, TRACKS
from deephits_keras.corpus.lyrics import LyricsCleaning
from deephits_keras.encoders.inputs import Input, as_declared
from deephits_keras.errors import UserError
from deephits_keras.tracks import Track
from deephits_keras.utils.files import (
    PARTIAL,
    read_record,
    remove_leftovers,
    replacing,
    sha256,
    write_json,
)
from deephits_keras.utils.records import from_plain
from deephits_keras.utils.suggestions import suggestion

FORMAT = 1
ROW_GROUP = 1024
"""Rows of the first row groups: reading a track needs its row group, not the whole table."""

GROUPS_PER_SIZE = 64
"""Row groups after which the size doubles: the footer, 16 kB per group, is held in memory."""

LARGEST_GROUP = 16 * ROW_GROUP
LARGEST_TEXTS = 2**22
"""Limits of a row group: its rows, and the bytes of its texts."""

INPUTS = ("track_id", "popularity", "audio", "lyrics")
"""Columns that aren't metadata fields, in addition to those of other files (`Corpus.files`)."""


class Reading(TypedDict):
    """Entries of `corpus.json` on how the source was read."""

    columns: NotRequired[dict[str, str]]
    factors: NotRequired[dict[str, float]]
    decimal_marks: NotRequired[dict[str, str]]
    lyrics: NotRequired[LyricsCleaning]
    separators: NotRequired[list[str]]
    encoding: NotRequired[str | None]


READING = tuple(Reading.__annotations__)


class CorpusInfo(TypedDict):
    """Entries of `corpus.json` that are read; there are others."""

    fingerprint: str
    synthetic: NotRequired[bool]
    files: NotRequired[list[str]]
    encoder_settings: NotRequired[dict[str, dict[str, Any]]]


class Corpus:
    """A corpus, open for reading; tracks are identified by row numbers from 0.

    Args:
        folder: The corpus's folder.

    Raises:
        UserError: if it isn't a corpus.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = folder = Path(folder)
        self.info = read_record(folder / INFO, dict[str, Any], "a corpus")
        if self.info.get("format") != FORMAT:
            raise UserError(f"{folder / INFO} is not a corpus of format {FORMAT}: import it again")
        from_plain(self.info, CorpusInfo, f"{folder / INFO} is damaged")
        if not (folder / TRACKS).exists():
            raise UserError(f"{folder} is not a corpus: it has no {TRACKS}")
        try:
            self._file = pq.ParquetFile(folder / TRACKS)
        except (pa.ArrowException, OSError) as error:
            raise UserError(f"{folder / TRACKS} can't be read: {error}") from error

    @classmethod
    def open(cls, folder: str | Path) -> Corpus:
        """Open a corpus; see the class."""
        return cls(Path(folder))

    def __len__(self) -> int:
        """Number of tracks."""
        return int(self._file.metadata.num_rows)

    @property
    def columns(self) -> list[str]:
        """Names of the table's columns."""
        return list(self._file.schema_arrow.names)

    def column(self, name: str) -> pd.Series[Any]:
        """A column of the table, in row order.

        Raises:
            UserError: if there is no such column; the message lists all columns.
        """
        if name not in self.columns:
            raise UserError(
                f"The corpus has no column {name!r}{suggestion(name, self.columns)}. Columns: "
                f"{', '.join(self.columns)}"
            )
        series: pd.Series[Any] = self._file.read([name]).column(0).to_pandas()
        return series

    def has_values(self, name: str) -> bool:
        """Whether any track has a value in a column; reads up to the first one that has."""
        return name in self.columns and any(
            not pc.all(pc.is_null(rows.column(0), nan_is_null=True)).as_py()
            for group in range(self._file.metadata.num_row_groups)
            if (rows := self._file.read_row_group(group, [name])).num_rows
        )

    @cached_property
    def track_ids(self) -> list[str]:
        """The tracks' ids, in row order."""
        ids: list[str] = self._file.read(["track_id"]).column(0).to_pylist()
        return ids

    @cached_property
    def popularity(self) -> np.ndarray[Any, np.dtype[np.float32]]:
        """`(n,)` popularity of each track, 0-100."""
        return self.column("popularity").to_numpy(dtype=np.float32)

    @property
    def later(self) -> tuple[str, ...]:
        """Columns that are only known after a song's release."""
        return tuple(self.info.get("later", ()))

    @property
    def files(self) -> tuple[str, ...]:
        """Names of the file inputs, columns of paths checked by import."""
        return tuple(self.info.get("files", ("audio",)))

    def tracks(
        self,
        rows: Sequence[int] | npt.NDArray[np.integer[Any]],
        inputs: Sequence[Input] | None = None,
    ) -> list[Track]:
        """The raw inputs of some tracks; only their row groups are read.

        Args:
            rows: Their row numbers.
            inputs: The inputs to read (`encoders.inputs.inputs_of`); all if None.
        """
        tracks: dict[int, Track] = {}
        wanted = np.unique(np.asarray(rows, dtype=np.int64))
        columns = None
        if inputs is not None:
            named = {"track_id", *(each.name for each in inputs)}
            columns = [name for name in self.columns if name in named]
        groups = np.searchsorted(self._starts, wanted, side="right") - 1
        for group in np.unique(groups):
            table = self._file.read_row_group(int(group), columns)
            start, inside = int(self._starts[group]), wanted[groups == group]
            for row, values in zip(
                inside, table.take(pa.array(inside - start)).to_pylist(), strict=True
            ):
                tracks[int(row)] = as_declared(self._track(values), inputs)
        return [tracks[int(row)] for row in rows]

    @cached_property
    def _starts(self) -> npt.NDArray[np.int64]:
        """First row of each row group."""
        groups = self._file.metadata
        sizes = [groups.row_group(k).num_rows for k in range(groups.num_row_groups)]
        return np.cumsum([0, *sizes[:-1]], dtype=np.int64)

    def _track(self, values: dict[str, Any]) -> Track:
        files = {name: self.folder / path for name in self.files if (path := values.get(name))}
        known = {*INPUTS, *self.files}
        return Track(
            id=values["track_id"],
            lyrics=values.get("lyrics"),
            fields={name: value for name, value in values.items() if name not in known},
            files=files,
        )

    @property
    def filtered(self) -> pd.DataFrame:
        """The fields of the tracks that the filters removed at import; empty if there are none.

        Raises:
            UserError: if the file can't be read.
        """
        path = self.folder / FILTERED
        try:
            found: pd.DataFrame = pq.read_table(path).to_pandas()
        except FileNotFoundError:
            return pd.DataFrame()
        except (pa.ArrowException, OSError) as error:
            raise UserError(f"{path} can't be read: {error}") from error
        return found

    @property
    def synthetic(self) -> bool:
        """Whether the corpus was made by `deephits sample`."""
        return bool(self.info["synthetic"])

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the tracks table."""
        return str(self.info["fingerprint"])

    @property
    def reading(self) -> dict[str, Any]:
        """How the source's columns were read, so that other tables are read in the same way."""
        return {name: self.info[name] for name in READING if name in self.info}

    @property
    def encoder_settings(self) -> dict[str, dict[str, Any]]:
        """Encoder settings required by the source, by encoder name."""
        return dict(self.info.get("encoder_settings", {}))

    @property
    def features_folder(self) -> Path:
        """Folder of the feature stores."""
        return self.folder / "features"


def write_corpus(
    folder: Path,
    tracks: pd.DataFrame,
    info: Mapping[str, Any],
    rejected: pd.DataFrame,
    filtered: pd.DataFrame | None = None,
) -> Corpus:
    """Write a corpus, or replace the tracks of an existing one and keep its features.

    Args:
        folder: Folder of the corpus.
        tracks: One row per track; `INPUTS` and any fields.
        info: Other entries of `corpus.json`. Must not depend on the time or the machine.
        rejected: Rejected rows, with the reason.
        filtered: Tracks that the filters removed, without their inputs.

    Raises:
        UserError: if the folder contains something else, or can't be written to.
    """
    with CorpusWriter(folder) as writer:
        writer.add(tracks, rejected, pd.DataFrame() if filtered is None else filtered)
        return writer.finish(info)


class CorpusWriter:
    """Context manager that writes a corpus in chunks of tracks, atomically.

    The files' bytes don't depend on the chunks.

    Args:
        folder: Folder of the corpus.
        types: Arrow types of columns whose values pandas holds as objects; those that the first
            chunk shows by default.

    Raises:
        UserError: if the folder contains something else, or can't be written to.
    """

    def __init__(self, folder: Path, types: Mapping[str, pa.DataType] | None = None) -> None:
        self.folder = folder
        self._types = types or {}

    def __enter__(self) -> Self:
        check_target(self.folder)
        remove_leftovers(self.folder)
        self._is_new = not self.folder.exists()
        with ExitStack() as files:
            # Renamed in reverse order, the tracks last.
            self._path = files.enter_context(replacing(self.folder / TRACKS))
            self._tracks = files.enter_context(_GroupWriter(self._path, self._types))
            filtered = files.enter_context(replacing(self.folder / FILTERED))
            self._filtered = files.enter_context(_GroupWriter(filtered, self._types))
            rejected = files.enter_context(replacing(self.folder / REJECTED))
            self._rejected = files.enter_context(rejected.open("w", encoding="utf-8", newline=""))
            self._has_header = False
            self._files = files.pop_all()
        return self

    def __exit__(self, *error: Any) -> None:
        self._files.__exit__(*error)
        if error[0] and self._is_new:
            with suppress(OSError):
                self.folder.rmdir()

    def add(self, tracks: pd.DataFrame, rejected: pd.DataFrame, filtered: pd.DataFrame) -> None:
        """Add some tracks.

        Args:
            tracks: One row per track; `INPUTS` and any fields.
            rejected: Rejected rows, with the reason.
            filtered: Tracks that the filters removed, without their inputs.
        """
        self._tracks.write(tracks)
        self._filtered.write(filtered)
        self.reject(rejected)

    def reject(self, rejected: pd.DataFrame) -> None:
        """Add rejected rows, with the reason."""
        rejected.to_csv(self._rejected, index=False, header=not self._has_header)
        self._has_header = True

    def finish(self, info: Mapping[str, Any]) -> Corpus:
        """Rename the files to their final names and open the corpus.

        Args:
            info: Other entries of `corpus.json`. Must not depend on the time or the machine.
        """
        self._tracks.close()
        told = {"tracks": self._tracks.rows, "fingerprint": sha256(self._path)}
        self._files.close()
        write_json(self.folder / INFO, {"format": FORMAT, **info, **told})
        return Corpus(self.folder)


class _GroupWriter:
    """Context manager that writes a Parquet file of full row groups from chunks of any length.

    Row groups double in size as the file grows, so that memory for the footer hardly does.
    """

    def __init__(self, path: Path, types: Mapping[str, pa.DataType]) -> None:
        self.rows = 0
        self._path = path
        self._types = types
        self._writer: pq.ParquetWriter | None = None
        self._size = ROW_GROUP
        self._groups = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: Any) -> None:
        if error[0] is None:
            self.close()
        elif self._writer:
            self._writer.close()

    def write(self, rows: pd.DataFrame) -> None:
        """Add rows; rows that don't fill a group are buffered."""
        if self._writer is None:
            schema = self._schema_of(rows)
            self._writer = pq.ParquetWriter(self._path, schema, compression="zstd")
            self._waiting = schema.empty_table()
        if not len(rows):
            return  # an empty chunk would stay among those that wait
        # In threads of its own it takes twice as long, and each call leaves some memory behind.
        added = pa.Table.from_pandas(
            rows, schema=self._waiting.schema, preserve_index=False, nthreads=1
        )
        self._waiting = pa.concat_tables([self._waiting, added.replace_schema_metadata(None)])
        self.rows += len(rows)
        self._write_groups(self._writer)
        # Otherwise Arrow's allocator would keep more and more memory of the rows' texts.
        pa.default_memory_pool().release_unused()

    def close(self) -> None:
        """Write the buffered rows, and close the file."""
        if self._writer and self._writer.is_open:
            if len(self._waiting) or not self.rows:
                self._writer.write_table(self._waiting.combine_chunks())
            self._writer.close()

    def _schema_of(self, rows: pd.DataFrame) -> pa.Schema:
        known = [name for name in rows if name in self._types and rows[name].dtype == object]
        shown = pa.Schema.from_pandas(rows.drop(columns=known), preserve_index=False)
        types = dict(zip(shown.names, shown.types, strict=True))
        types |= {str(name): self._types[str(name)] for name in known}
        return pa.schema([(str(name), types[str(name)]) for name in rows])

    def _write_groups(self, writer: pq.ParquetWriter) -> None:
        while len(self._waiting) >= self._size:
            group = self._waiting.slice(0, self._size).combine_chunks()
            self._waiting = self._waiting.slice(self._size)
            writer.write_table(group)
            self._groups += 1
            room = self._size < LARGEST_GROUP and 2 * _text_bytes(group) <= LARGEST_TEXTS
            if self._groups % GROUPS_PER_SIZE == 0 and room:
                self._size *= 2


def _text_bytes(table: pa.Table) -> int:
    texts = (c for c in table.columns if pa.types.is_string(c.type))
    return sum(pc.sum(pc.binary_length(column)).as_py() or 0 for column in texts)


def check_target(folder: Path) -> None:
    """Refuse to import into a folder that contains something other than a corpus.

    Raises:
        UserError: if it does.
    """
    if folder.is_file():
        raise UserError(f"{folder} is a file: name a folder to import into")
    if not folder.is_dir() or (folder / INFO).exists():
        return
    # An interrupted import leaves some of these without INFO, which is written last.
    own = {TRACKS, REJECTED, FILTERED}
    if any(p.name not in own and not p.name.startswith(PARTIAL) for p in folder.iterdir()):
        raise UserError(f"{folder} is not empty and not a corpus: choose another")
