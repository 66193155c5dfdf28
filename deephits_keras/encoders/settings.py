"""An encoder's configuration: a frozen dataclass of settings that round-trips through JSON."""

from __future__ import annotations

import dataclasses
import os
import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from deephits_keras.errors import UserError


def setting(
    default: Any,
    help: str,
    *,
    changes_features: bool = False,
    choices: Sequence[str] = (),
    path: bool = False,
) -> Any:
    """Declare one field of an `EncoderConfig`.

    Args:
        default: The default value; a str, int, float, bool, None or a tuple of one of those.
        help: One line for `deephits encoders show`, with units.
        changes_features: True if the result of `extract` depends on the setting. Such settings
            are part of the fingerprint; others can change without a new extraction.
        choices: The allowed values, if there are only a few.
        path: True for a `str` or `str | None` that is the path of a file or folder. It is made
            absolute, so that a run can be used from another working directory; a hash of its
            content is part of the fingerprint; and a missing file or folder is reported.
    """
    metadata = {
        "help": help,
        "changes_features": changes_features,
        "choices": tuple(choices),
        "path": path,
    }
    return dataclasses.field(default=default, metadata=metadata)


@dataclass(frozen=True)
class EncoderConfig:
    """Base of an encoder's configuration: a frozen dataclass made of `setting`s.

    Fields are str, int, float, bool, an optional one of those, or a tuple of one of those
    (`tuple[str, ...]`), so that each round-trips through JSON and can be given on the command
    line as `--ENCODER-FIELD VALUE`.
    """

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Check and convert values as read from JSON or from the command line (strings).

        Raises:
            UserError: for an unknown name, a wrong type or a value that isn't allowed.
        """
        hints = typing.get_type_hints(cls)
        fields = {f.name: f for f in dataclasses.fields(cls)}
        converted: dict[str, Any] = {}
        for name, value in values.items():
            if name not in fields:
                known = ", ".join(fields) or "none"
                raise UserError(f"{cls.__name__} has no setting {name!r}. It has: {known}")
            try:
                converted[name] = _convert(value, hints[name])
            except (TypeError, ValueError) as error:
                wanted = str(hints[name]).replace("<class '", "").replace("'>", "")
                raise UserError(
                    f"{cls.__name__}.{name} must be {wanted}. Received: {value!r}"
                ) from error
            choices = fields[name].metadata.get("choices", ())
            if choices and converted[name] not in choices:
                raise UserError(
                    f"{cls.__name__}.{name} must be one of {', '.join(choices)}. "
                    f"Received: {value!r}"
                )
        try:
            return cls(**converted)
        except ValueError as error:
            raise UserError(f"{cls.__name__}: {error}") from error

    @classmethod
    def paths(cls) -> tuple[str, ...]:
        """Names of the settings that are paths."""
        return tuple(f.name for f in dataclasses.fields(cls) if f.metadata.get("path"))

    def with_absolute_paths(self) -> Self:
        """A copy of the settings in which existing paths are absolute.

        A value that isn't an existing path is kept: some encoders accept a name.
        """
        given = {name: getattr(self, name) for name in self.paths()}
        found = {
            name: os.path.abspath(path)  # noqa: PTH100 - a link stays the link that was named
            for name, value in given.items()
            if isinstance(value, str) and (path := Path(value).expanduser()).exists()
        }
        changed = {name: path for name, path in found.items() if path != given[name]}
        return dataclasses.replace(self, **changed) if changed else self

    def to_json(self) -> dict[str, Any]:
        """The settings as JSON types; `from_json` is the inverse."""
        return {
            f.name: list(v) if isinstance(v := getattr(self, f.name), tuple) else v
            for f in dataclasses.fields(self)
        }


def _convert(value: Any, hint: Any) -> Any:
    if isinstance(hint, types.UnionType) or typing.get_origin(hint) is typing.Union:
        options = [o for o in typing.get_args(hint) if o is not type(None)]
        return None if value in (None, "none") else _convert(value, options[0])
    if typing.get_origin(hint) is tuple:
        items = [v for v in value.split(",") if v] if isinstance(value, str) else value
        return tuple(_convert(item, typing.get_args(hint)[0]) for item in items)
    if hint is bool:
        named = {"true": True, "false": False, "yes": True, "no": False, "1": True, "0": False}
        if isinstance(value, str):
            value = named.get(value.lower())
        if not isinstance(value, bool):
            raise TypeError
        return value
    if isinstance(value, bool) or (hint is str and not isinstance(value, str)):
        raise TypeError
    if hint is int and isinstance(value, float) and not value.is_integer():
        raise ValueError
    return hint(value)
