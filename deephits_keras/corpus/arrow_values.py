"""Convert Arrow types to those of a corpus: numbers, texts and lists of these.

Other types (times, intervals, bytes, unions, structs, maps) become text as in a CSV, or JSON if
nested, so that a table has the same values in every format. Integers are never converted to floats.
"""

from __future__ import annotations

import decimal
import json
import uuid
from collections.abc import Callable
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

SAFE_DIGITS = 15
"""Decimal digits of float64."""

WHOLE_DIGITS = 18
"""Decimal digits of int64."""

PARTS = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
"""Units per second."""

NULLABLE = {
    kind: pd.UInt64Dtype() if kind == pa.uint64() else pd.Int64Dtype()
    for kind in (
        *(pa.int8(), pa.int16(), pa.int32(), pa.int64()),
        *(pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64()),
    )
}

_SIMPLE: tuple[Callable[[pa.DataType], bool], ...] = (
    pa.types.is_null,
    pa.types.is_boolean,
    pa.types.is_integer,
    pa.types.is_float32,
    pa.types.is_float64,
    pa.types.is_string,
    pa.types.is_large_string,
)


def stored_type(kind: pa.DataType) -> pa.DataType:
    """The stored type of an Arrow type.

    Example:
        >>> stored_type(pa.dictionary(pa.int8(), pa.date32())), stored_type(pa.decimal128(18, 0))
        (DataType(string), DataType(int64))
        >>> stored_type(pa.list_(pa.int8(), 2))
        ListType(list<item: int8>)
    """
    if kind == pa.uuid():
        return pa.string()
    if isinstance(kind, pa.BaseExtensionType):
        return stored_type(kind.storage_type)
    if pa.types.is_dictionary(kind) or pa.types.is_run_end_encoded(kind):
        return stored_type(kind.value_type)
    if any(is_kind(kind) for is_kind in _SIMPLE):
        return kind
    if pa.types.is_float16(kind):
        return pa.float32()
    if pa.types.is_decimal(kind):
        return _stored_decimal(kind)
    if _is_list(kind):
        return pa.list_(stored_type(kind.value_type))
    return pa.string()


def stored_values(values: pa.Array, kind: pa.DataType) -> pd.Series[Any]:
    """A column's values for pandas; integers with missing values are nullable.

    Args:
        values: The column.
        kind: Its `stored_type` (of the whole table, if it has several parts).
    """
    values = _decoded(values)
    if values.type != kind and stored_type(values.type) == values.type:
        values = values.cast(kind)
    if values.type == kind and not pa.types.is_nested(kind):
        found: pd.Series[Any] = values.to_pandas(types_mapper=NULLABLE.get)
        return found
    if kind == pa.string() and (texts := _texts(values)) is not None:
        return pd.Series(texts, dtype="str")
    if not pa.types.is_nested(kind):
        plain = [_plain(scalar, kind) for scalar in values]
        stored: pd.Series[Any] = pa.array(plain, kind).to_pandas(types_mapper=NULLABLE.get)
        return stored
    return pd.Series([_plain(scalar, kind) for scalar in values], dtype=object)


def _stored_decimal(kind: pa.DataType) -> pa.DataType:
    if kind.scale <= 0 and kind.precision - kind.scale <= WHOLE_DIGITS:
        return pa.int64()
    return pa.float64() if kind.scale > 0 and kind.precision <= SAFE_DIGITS else pa.string()


def _is_list(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_list(kind)
        or pa.types.is_large_list(kind)
        or pa.types.is_fixed_size_list(kind)
        or pa.types.is_list_view(kind)
        or pa.types.is_large_list_view(kind)
    )


def _decoded(values: pa.Array) -> pa.Array:
    """Values without extension types, dictionaries and run-length encoding."""
    while True:
        if isinstance(values, pa.ExtensionArray) and values.type != pa.uuid():
            values = values.storage
        elif pa.types.is_dictionary(values.type):
            values = values.dictionary_decode()
        elif pa.types.is_run_end_encoded(values.type):
            values = pc.run_end_decode(values)
        else:
            return values


def _texts(values: pa.Array) -> list[str | None] | None:
    """Texts of times and views, formatted by Arrow; None for other types."""
    kind = values.type
    if pa.types.is_timestamp(kind) and kind.tz is not None:
        # The instant, independent of the machine's time zones.
        values = values.cast(pa.timestamp(kind.unit))
    if not _is_time(kind) and kind != pa.string_view():
        return None
    texts = values.cast(pa.string())
    if _is_time(kind):
        # Milliseconds represent the same instant.
        texts = pc.replace_substring_regex(texts, r"\.0+$", "")
    return list(texts.to_pylist())


def _plain(scalar: pa.Scalar, kind: pa.DataType) -> Any:
    """A value and its nested values as Python objects of the stored type."""
    scalar = _inner(scalar)
    if not scalar.is_valid:
        return None
    if pa.types.is_list(kind):
        return [_plain(item, kind.value_type) for item in scalar.values]
    if kind != pa.string():
        return _number(scalar)
    if pa.types.is_nested(scalar.type) and not pa.types.is_union(scalar.type):
        return json.dumps(_parts(scalar), ensure_ascii=False)
    return _text(scalar)


def _inner(scalar: pa.Scalar) -> pa.Scalar:
    """A value without extension types and dictionaries."""
    while isinstance(scalar, pa.DictionaryScalar | pa.ExtensionScalar | pa.RunEndEncodedScalar):
        if scalar.type == pa.uuid() or not scalar.is_valid:
            return scalar
        scalar = pa.scalar(None) if scalar.value is None else scalar.value
    return scalar


def _parts(scalar: pa.Scalar) -> Any:
    """A value for JSON."""
    scalar = _inner(scalar)
    kind = scalar.type
    if not scalar.is_valid:
        return None
    if pa.types.is_map(kind):
        keys, items = scalar.values.field(0), scalar.values.field(1)
        return {str(_parts(k)): _parts(v) for k, v in zip(keys, items, strict=True)}
    if pa.types.is_struct(kind):
        return {kind.field(n).name: _parts(scalar[n]) for n in range(kind.num_fields)}
    if _is_list(kind):
        return [_parts(item) for item in scalar.values]
    stored = stored_type(kind)
    return _text(scalar) if stored == pa.string() else _number(scalar)


def _number(scalar: pa.Scalar) -> Any:
    value = scalar.as_py()
    if isinstance(value, decimal.Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    return value


def _text(scalar: pa.Scalar) -> str:
    kind = scalar.type
    if pa.types.is_union(kind):
        return str(_parts(scalar.value))
    if pa.types.is_duration(kind):
        return _clock(scalar.value, kind.unit)
    if texts := _texts(pa.array([scalar.value], kind)) if _is_time(kind) else None:
        return str(texts[0])
    value = scalar.as_py()
    if isinstance(value, bytes):
        return _decoded_bytes(value)
    if isinstance(value, decimal.Decimal):
        return format(value, "f")
    return str(uuid.UUID(bytes=value.bytes)) if isinstance(value, uuid.UUID) else str(value)


def _is_time(kind: pa.DataType) -> bool:
    return bool(pa.types.is_timestamp(kind) or pa.types.is_date(kind) or pa.types.is_time(kind))


def _decoded_bytes(value: bytes) -> str:
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return value.hex()


def _clock(count: int, unit: str) -> str:
    """A duration in the format of pandas: `0 days 00:03:20`, with fractions of a second."""
    seconds, rest = divmod(abs(count), PARTS[unit])
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    digits = len(str(PARTS[unit])) - 1
    fraction = f".{rest:0{digits}d}".rstrip("0") if rest else ""
    sign = "-" if count < 0 else ""
    return f"{sign}{days} days {hours:02d}:{minutes:02d}:{seconds:02d}{fraction}"
