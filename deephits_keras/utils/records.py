"""Plain values, as JSON and TOML give them, to dataclasses and back: what, where, received.

msgspec checks and converts. It is imported on first use: `--help` needs none of it.
"""

from __future__ import annotations

import dataclasses
import re
import typing
from collections.abc import Callable, Iterator, Mapping
from pathlib import PurePath
from typing import Any, TypeVar

from deephits_keras.errors import SettingError, UserError

T = TypeVar("T")

WORDS = {
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "str": "a text",
    "array": "a list",
    "object": "names with values",
    "null": "none",
}
"""What messages call types, by msgspec's names of them: readers needn't know Python's."""


def to_plain(value: Any) -> Any:
    """What JSON has no form for, as what it has: the `default` of `json.dumps`.

    Dataclasses go by their fields, paths as texts, NumPy's numbers and arrays as Python's.

    Example:
        >>> import json
        >>> from dataclasses import dataclass
        >>> @dataclass(frozen=True)
        ... class Step:
        ...     name: str
        >>> json.dumps([Step("short")], default=to_plain)
        '[{"name": "short"}]'
    """
    # Not msgspec's own: what it made itself it gives without the fields that have their defaults.
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    if isinstance(value, PurePath):
        return str(value)
    if hasattr(value, "dtype"):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} has no form in JSON")


def from_plain(
    values: Any, kind: type[T], blame: str, *, strict: bool = True, closed: bool = True
) -> T:
    """An object of `kind` from plain values; `to_plain` is the way back.

    Args:
        values: As JSON or TOML gives them.
        kind: A dataclass, or any other type that annotations can state.
        blame: How a message begins: the file that is damaged, what can't be made.
        strict: Whether text isn't taken for the number that it spells.
        closed: Whether a dataclass may have no other keys than its fields.

    Raises:
        UserError: if a value is missing, is of another type, or isn't known. The message names
            its place and what was received.

    Example:
        >>> from dataclasses import dataclass
        >>> @dataclass(frozen=True)
        ... class Step:
        ...     name: str
        ...     tracks: int
        >>> from_plain({"a": {"name": "short", "tracks": 1}}, dict[str, Step], "steps.json")
        {'a': Step(name='short', tracks=1)}
        >>> from_plain({"a": {"name": "short", "tracks": "1"}}, dict[str, Step], "steps.json")
        Traceback (most recent call last):
        ...
        deephits_keras.errors.UserError: steps.json: a.tracks must be a whole number. Received: '1'
    """
    import msgspec

    def convert(given: Any) -> T:
        return msgspec.convert(given, kind, strict=strict)

    try:
        made = convert(values)
    except msgspec.ValidationError as error:
        raise UserError(f"{blame}: {_explained(str(error), values, convert)}") from error
    except UserError as error:
        raise UserError(f"{blame}: {error}") from error
    if closed and (said := next(_unknown(made, values, ""), "")):
        raise UserError(f"{blame}: {said}")
    return made


def from_settings(values: Any, kind: type[T], blame: str, *, strict: bool = True) -> T:
    """As `from_plain`, for what a user sets.

    Raises:
        SettingError: if a setting isn't known, or its value isn't allowed.
    """
    try:
        return from_plain(values, kind, blame, strict=strict)
    except UserError as error:
        raise SettingError(str(error).removeprefix(f"{blame}: "), blame) from error


def check_types(record: Any) -> None:
    """Check the types of a dataclass's fields, for one that programs make by hand.

    Raises:
        UserError: as of `from_plain`.
    """
    hints = typing.get_type_hints(type(record))
    stated = typing.cast("Any", typing.TypedDict)
    names = [field.name for field in dataclasses.fields(record)]
    kind = stated("Stated", {name: hints[name] for name in names})
    # Not `vars`: msgspec leaves what has its default to the class.
    from_plain({name: getattr(record, name) for name in names}, kind, type(record).__name__)


def _explained(message: str, values: Any, convert: Callable[[Any], Any]) -> str:
    """What msgspec says, in our words, with the place's keys and what stands there."""
    said, _, path = message.partition(" - at `")
    place, received = _found(path, message, values, convert)
    if lacking := re.match(r"Object missing required field `(\w+)`", said):
        return f"{'.'.join(filter(None, (place, lacking[1])))} is missing"
    if wanted := re.match(r"Expected `([^`]+)`(?: of length (\d+))?", said):
        told = " or ".join(WORDS.get(name, name) for name in wanted[1].split(" | "))
        length = f" of {wanted[2]} values" if wanted[2] else ""
        return f"{place or 'it'} must be {told}{length}. Received: {received!r:.80}"
    if said.startswith("Invalid enum value"):
        return f"{place or 'it'} can't be {received!r:.80}"
    return f"{place}: {said}" if place else said


def _found(path: str, message: str, values: Any, convert: Callable[[Any], Any]) -> tuple[str, Any]:
    """The place that msgspec's path names, and its value.

    msgspec leaves the keys of a dict out (`[...]`): the key is the one that alone fails alike.
    """
    import msgspec

    def fails(given: Any) -> bool:
        try:
            convert(given)
        except msgspec.ValidationError as error:
            return str(error) == message
        return False

    place = ""
    within: Callable[[Any], Any] = lambda part: part  # noqa: E731
    for name, number in re.findall(r"\.(\w+)|\[(\d+|\.\.\.)\]", path):
        key: Any = name
        if number == "...":
            key = next(k for k, v in values.items() if fails(within({k: v})))
        elif number:
            key = int(number)
        place += f"[{key}]" if isinstance(key, int) else f".{key}"
        within, values = _inside(within, values, key), values[key]
    return place.removeprefix("."), values


def _inside(within: Callable[[Any], Any], values: Any, key: Any) -> Callable[[Any], Any]:
    """Puts a part in the place of `values[key]`, and that in the place of `values` in the whole."""
    if isinstance(values, Mapping):
        return lambda part: within({**values, key: part})
    return lambda part: within([*values[:key], part, *values[key + 1 :]])


def _unknown(made: Any, given: Any, place: str) -> Iterator[str]:
    """What dataclasses were given that they have no field for: msgspec passes over it."""
    if made is given:
        return
    inner: Iterator[tuple[str, Any, Any]] = iter(())
    if dataclasses.is_dataclass(made) and isinstance(given, Mapping):
        fields = [field.name for field in dataclasses.fields(made) if field.init]
        for name in given:
            if name not in fields:
                where = f"{place} has" if place else "there is"
                yield f"{where} no {name!r}. Known: {', '.join(fields)}"
        inner = ((f"{place}.{name}", getattr(made, name), given[name]) for name in given)
    elif isinstance(made, dict):
        inner = ((f"{place}.{name}", value, given[name]) for name, value in made.items())
    elif isinstance(made, list | tuple):
        parts = enumerate(zip(made, given, strict=True))
        inner = ((f"{place}[{n}]", value, was) for n, (value, was) in parts)
    for inside, value, was in inner:
        yield from _unknown(value, was, inside.removeprefix("."))
