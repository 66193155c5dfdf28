"""Predictions of a table's rows: as columns of a table, and written as CSV, JSON lines or Parquet.

An answer file is written in parts, each of whole rows, which are put together at the end.
"""

from __future__ import annotations

import csv
import dataclasses
import json
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from deephits_keras.errors import UserError
from deephits_keras.prediction.measured import GIVEN, FieldOrigin
from deephits_keras.prediction.predictor import TrackPrediction

PLAIN = ("track_id", "title", "artist", "popularity", "tier", "tier_label")
LAST = ("tier_set", "low", "high", "coverage", "missing", "warnings", "remarks", "measured")
NUMBERS = ("popularity", "low", "high", "coverage")
"""Columns of numbers that may be missing; `tier` is a whole one."""


class Answers(Protocol):
    """Predictions of some rows of a table, in order."""

    def __len__(self) -> int: ...

    def columns(self, labels: Sequence[str]) -> list[list[Any]]:
        """The values of `table_columns`, one list per column."""

    def predictions(self) -> Iterator[TrackPrediction]:
        """The predictions, one per row."""


@dataclasses.dataclass(frozen=True)
class TrackAnswers:
    """Predictions that were made one by one.

    Attributes:
        found: One per row.
    """

    found: Sequence[TrackPrediction]

    def __len__(self) -> int:
        return len(self.found)

    def columns(self, labels: Sequence[str]) -> list[list[Any]]:
        """See `Answers`."""
        rows = [table_row(each, labels) for each in self.found]
        return [list(values) for values in zip(*rows, strict=True)]

    def predictions(self) -> Iterator[TrackPrediction]:
        """See `Answers`."""
        return iter(self.found)


def table_columns(labels: Sequence[str]) -> list[str]:
    """Columns of a table of predictions.

    Args:
        labels: Labels of the tiers, one score column per tier; empty for a regression.
    """
    return [*PLAIN, *(f"score_{label}" for label in labels), *LAST]


def table_row(prediction: TrackPrediction, labels: Sequence[str]) -> list[Any]:
    """A prediction in the columns of `table_columns`."""
    return [
        *(getattr(prediction, name) for name in PLAIN),
        *(prediction.scores.get(label) for label in labels),
        " ".join(prediction.tier_set),
        *(prediction.interval or (None, None)),
        prediction.coverage,
        shown_missing(prediction.missing, prediction.missing_parts),
        "; ".join(prediction.warnings),
        "; ".join(prediction.remarks),
        " ".join(f"{n}={f.value:.6g}" for n, f in measured_fields(prediction).items()),
    ]


def shown_missing(missing: Iterable[str], parts: Mapping[str, Iterable[str]]) -> str:
    """Missing modalities, and missing parts of the others: `lyrics meta.tempo`."""
    inner = (f"{modality}.{part}" for modality, names in parts.items() for part in names)
    return " ".join((*missing, *inner))


def measured_fields(prediction: TrackPrediction) -> dict[str, FieldOrigin]:
    """The fields that an encoder measured, by name."""
    return {name: origin for name, origin in prediction.fields.items() if origin.source != GIVEN}


class CsvFormat:
    """A header, and a line per prediction.

    Args:
        labels: See `table_columns`.
    """

    def __init__(self, labels: Sequence[str]) -> None:
        self.labels = labels

    def header(self, file: Any) -> None:
        """Write the header to a text file."""
        csv.writer(file).writerow(table_columns(self.labels))

    def lines(self, answers: Answers, file: Any) -> None:
        """Write the lines of some answers to a text file."""
        if len(answers):
            csv.writer(file).writerows(zip(*answers.columns(self.labels), strict=True))

    def write_part(self, answers: Iterable[Answers], path: Path) -> None:
        """Write a part."""
        with path.open("w", encoding="utf-8", newline="") as file:
            for each in answers:
                self.lines(each, file)

    def join(self, parts: Sequence[Path], path: Path) -> None:
        """Put the parts together."""
        with path.open("w", encoding="utf-8", newline="") as file:
            self.header(file)
        _append(parts, path)


class JsonFormat:
    """One JSON object per prediction, as `deephits predict --json` prints it."""

    def lines(self, answers: Answers, file: Any) -> None:
        """Write the lines of some answers to a text file."""
        for prediction in answers.predictions():
            file.write(json.dumps(dataclasses.asdict(prediction), ensure_ascii=False) + "\n")

    def write_part(self, answers: Iterable[Answers], path: Path) -> None:
        """Write a part."""
        with path.open("w", encoding="utf-8") as file:
            for each in answers:
                self.lines(each, file)

    def join(self, parts: Sequence[Path], path: Path) -> None:
        """Put the parts together."""
        path.write_bytes(b"")
        _append(parts, path)


class ParquetFormat:
    """A Parquet file with the columns of the CSV, and a row group per part.

    Args:
        labels: See `table_columns`.
    """

    def __init__(self, labels: Sequence[str]) -> None:
        import pyarrow as pa

        self.labels = labels
        kinds = {"tier": pa.int64(), **dict.fromkeys(NUMBERS, pa.float64())}
        kinds |= {f"score_{label}": pa.float64() for label in labels}
        names = table_columns(labels)
        self.schema = pa.schema([(name, kinds.get(name, pa.string())) for name in names])

    def write_part(self, answers: Iterable[Answers], path: Path) -> None:
        """Write a part."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        tables = [
            pa.table(
                [
                    pa.array(values, kind)
                    for values, kind in zip(
                        each.columns(self.labels), self.schema.types, strict=True
                    )
                ],
                schema=self.schema,
            )
            for each in answers
            if len(each)
        ]
        pq.write_table(pa.concat_tables([self.schema.empty_table(), *tables]), path)

    def join(self, parts: Sequence[Path], path: Path) -> None:
        """Put the parts together."""
        join_parquet(parts, path, self.schema)


ROW_GROUP = 65_536
"""Rows of a row group, whatever the parts' sizes."""


def join_parquet(parts: Sequence[Path], path: Path, schema: Any) -> None:
    """Write the rows of Parquet files into one."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        waiting = schema.empty_table()
        for place, part in enumerate(parts):
            waiting = pa.concat_tables([waiting, pq.read_table(part, schema=schema)])
            last = place == len(parts) - 1
            while len(waiting) >= ROW_GROUP or (last and len(waiting)):
                writer.write_table(waiting.slice(0, ROW_GROUP).combine_chunks())
                waiting = waiting.slice(ROW_GROUP)
            pa.default_memory_pool().release_unused()


def format_of(path: Path, labels: Sequence[str]) -> CsvFormat | JsonFormat | ParquetFormat:
    """The format of an answer file, by its ending.

    Raises:
        UserError: if there is none for it.
    """
    ending = path.suffix.lower()
    if ending == ".csv":
        return CsvFormat(labels)
    if ending in (".jsonl", ".ndjson"):
        return JsonFormat()
    if ending in (".parquet", ".pq"):
        return ParquetFormat(labels)
    raise UserError(
        f"{path}: predictions are written to a file that ends in .csv, .jsonl or .parquet"
    )


def _append(parts: Sequence[Path], path: Path) -> None:
    with path.open("ab") as whole:
        for part in parts:
            with part.open("rb") as file:
                shutil.copyfileobj(file, whole)
