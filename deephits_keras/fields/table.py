"""Columns of fields of many tracks as arrays."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from deephits_keras.encoders.features import FieldFeatures
from deephits_keras.types import Array


def numbers_of(
    fields: Mapping[str, np.ndarray[Any, Any]], columns: Sequence[str], tracks: int
) -> Array | None:
    """Columns as numbers.

    Args:
        fields: See `ModalityEncoder.extract_fields`.
        columns: Names of the columns.
        tracks: Number of tracks.

    Returns:
        `(tracks, columns)` float32, NaN where unknown; None if a value isn't a finite number.

    Example:
        >>> numbers_of({"tempo": np.array([120.0, np.nan])}, ["tempo", "energy"], 2)
        array([[120.,  nan],
               [ nan,  nan]], dtype=float32)
    """
    table = np.full((tracks, len(columns)), np.nan, np.float64)
    for place, name in enumerate(columns):
        values = fields.get(name)
        if values is None:
            continue
        if values.dtype == object:
            try:
                values = np.array([_number(value) for value in values])
            except (TypeError, ValueError):
                return None
        table[:, place] = values
    return None if np.isinf(table).any() else table.astype(np.float32)


def _number(value: Any) -> float:
    return float("nan") if value is None or value == "" else float(value)


def codes_of(
    fields: Mapping[str, np.ndarray[Any, Any]],
    columns: Sequence[str],
    tracks: int,
    code: Callable[[Any], int],
) -> np.ndarray[Any, Any]:
    """Columns of words as numbers, `(tracks, columns)` int32; 0 for a column that isn't there.

    Args:
        fields: See `ModalityEncoder.extract_fields`.
        columns: Names of the columns.
        tracks: Number of tracks.
        code: Number of a value; called once for each different one.
    """
    table = np.zeros((tracks, len(columns)), np.int32)
    for place, name in enumerate(columns):
        if (values := fields.get(name)) is None:
            continue
        known: dict[Any, int] = {}
        for row, value in enumerate(values.tolist()):
            if value is None or value != value:
                continue
            # 1, 1.0 and True are equal, and different words.
            key = (type(value), value) if not isinstance(value, list | tuple) else str(value)
            if key not in known:
                known[key] = code(value)
            table[row, place] = known[key]
    return table


def numeric_features(
    fields: Mapping[str, np.ndarray[Any, Any]], columns: Sequence[str], tracks: int
) -> FieldFeatures | None:
    """The feature `fields`: numbers of columns; a track without any lacks the modality."""
    numbers = numbers_of(fields, columns, tracks)
    if numbers is None:
        return None
    unknown = np.isnan(numbers)
    missing = {name: unknown[:, place] for place, name in enumerate(columns)}
    return FieldFeatures({"fields": numbers}, np.asarray(~unknown.all(axis=1)), missing)
