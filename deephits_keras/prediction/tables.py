"""Tables of songs in, tables of predictions out, a chunk at a time in memory."""

from __future__ import annotations

import csv
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

import pandas as pd
import pyarrow
import pyarrow.parquet

from deephits_keras.encoders.inputs import AUDIO, LYRICS, Input, names_of
from deephits_keras.errors import UserError
from deephits_keras.prediction.measured import GIVEN, FieldOrigin
from deephits_keras.prediction.predictor import TrackPrediction
from deephits_keras.tracks import Track

CHUNK = 512


def read_tracks(
    table: Path, folders: Mapping[str, Path] | None = None, inputs: Collection[Input] = ()
) -> Iterator[Track]:
    """Yield a track for each row of a CSV (UTF-8) or Parquet file.

    Args:
        table: Columns `track_id`, `audio` (a path) and `lyrics`, each optional, and those that
            `inputs` declare as files or texts, are the inputs; every other column is a field. A
            row without `track_id` is named after its number.
        folders: Where the relative paths in the column of each input of files start, by its name;
            the table's folder by default. A path that leaves it is refused.
        inputs: What the encoders read that the tracks are for.

    Raises:
        UserError: if the file can't be read, or a path leaves its folder.
    """
    starts = dict.fromkeys([AUDIO.name, *names_of(inputs, "file")], table.parent)
    if unknown := set(folders or {}) - set(starts):
        raise UserError(
            f"--input-dir {min(unknown)}: no encoder of this run reads such a file. "
            f"Files that are read: {', '.join(starts)}"
        )
    starts |= folders or {}
    texts = [LYRICS.name, *names_of(inputs, "text")]
    number = 0
    for chunk in _chunks(table, [*starts, *texts]):
        for row in chunk.to_dict("records"):
            fields = {str(name): value for name, value in row.items() if not _empty(value)}
            track_id = str(fields.pop("track_id", f"row {number}"))
            named = {name: fields.pop(name, None) for name in (*starts, *texts)}
            number += 1
            yield Track(
                id=track_id,
                fields=fields,
                files={
                    name: _inside(folder, str(named[name]), track_id, name)
                    for name, folder in starts.items()
                    if named[name]
                },
                texts={name: str(named[name]) for name in texts if named[name]},
            )


def write_csv(file: TextIO, predictions: Iterable[TrackPrediction], labels: Sequence[str]) -> int:
    """Write a line for each prediction and give their number.

    Args:
        file: Open for text.
        predictions: What to write.
        labels: The tiers' labels, a score column each; empty for a regression.
    """
    plain = ("track_id", "popularity", "tier", "tier_label")
    writer = csv.writer(file)
    last = ("tier_set", "low", "high", "coverage", "missing", "warnings", "remarks", "measured")
    writer.writerow([*plain, *(f"score_{label}" for label in labels), *last])
    count = 0
    for count, prediction in enumerate(predictions, start=1):  # noqa: B007
        missing = [*prediction.missing]
        for modality, parts in prediction.missing_parts.items():
            missing += [f"{modality}.{part}" for part in parts]
        writer.writerow(
            [
                *(getattr(prediction, name) for name in plain),
                *(prediction.scores.get(label) for label in labels),
                " ".join(prediction.tier_set),
                *(prediction.interval or (None, None)),
                prediction.coverage,
                " ".join(missing),
                "; ".join(prediction.warnings),
                "; ".join(prediction.remarks),
                " ".join(f"{n}={f.value:.6g}" for n, f in measured_fields(prediction).items()),
            ]
        )
    return count


def measured_fields(prediction: TrackPrediction) -> dict[str, FieldOrigin]:
    """The fields that an encoder measured, by name."""
    return {name: origin for name, origin in prediction.fields.items() if origin.source != GIVEN}


def _chunks(table: Path, texts: Sequence[str]) -> Iterator[pd.DataFrame]:
    try:
        if table.suffix.lower() == ".parquet":
            with pyarrow.parquet.ParquetFile(table) as file:
                for batch in file.iter_batches(CHUNK):
                    yield batch.to_pandas()
        else:
            kinds = dict.fromkeys(("track_id", *texts), str)
            yield from pd.read_csv(table, chunksize=CHUNK, dtype=kinds)
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise UserError(f"{table} can't be read as CSV in UTF-8: {error}") from error
    except pyarrow.ArrowException as error:
        raise UserError(f"{table} can't be read as Parquet: {error}") from error


def _empty(value: Any) -> bool:
    return value is None or (isinstance(value, float) and value != value)


def _inside(folder: Path, path: str, track_id: str, name: str) -> Path:
    found = (folder / path).resolve()
    if not found.is_relative_to(folder.resolve()):
        raise UserError(f"track {track_id}: its {name} {path!r} is outside of {folder}")
    return found
