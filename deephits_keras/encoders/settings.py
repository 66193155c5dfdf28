"""An encoder's configuration: a frozen dataclass of settings that round-trips through JSON."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from deephits_keras.errors import SettingError
from deephits_keras.utils.records import from_settings


def setting(
    default: Any,
    help: str,
    *,
    changes_features: bool = False,
    choices: Sequence[str] = (),
    path: bool = False,
    main: bool = False,
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
        main: True for the one setting without which the encoder can't be used. On the command line
            it may be given as `--ENCODER VALUE` too.
    """
    metadata = {
        "help": help,
        "changes_features": changes_features,
        "choices": tuple(choices),
        "path": path,
        "main": main,
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
            SettingError: for an unknown name, a wrong type or a value that isn't allowed.
        """
        # By hand: texts of the command line, and choices, which the annotations don't state.
        hints = typing.get_type_hints(cls)
        spelt = {name: _spelt(value, hints.get(name)) for name, value in values.items()}
        for field in dataclasses.fields(cls):
            choices = field.metadata.get("choices", ())
            if choices and spelt.get(field.name, choices[0]) not in choices:
                raise SettingError(
                    f"{field.name} must be one of {', '.join(choices)}. "
                    f"Received: {spelt[field.name]!r}",
                    cls.__name__,
                )
        return from_settings(spelt, cls, cls.__name__, strict=False)

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
        # By hand: tuples become lists, as these settings are compared with those of a JSON file.
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in dataclasses.asdict(self).items()
        }


def _spelt(value: Any, hint: Any) -> Any:
    """What a text, as of the command line, spells for a setting's type; others as they are."""
    if not isinstance(value, str):
        return value
    options = typing.get_args(hint)
    if typing.get_origin(hint) in (types.UnionType, typing.Union):
        return None if value == "none" else _spelt(value, options[0])
    if typing.get_origin(hint) is tuple:
        return [_spelt(part, options[0]) for part in value.split(",") if part]
    if hint is bool:
        return {"yes": True, "no": False}.get(value.lower(), value)
    if hint in (int, float):
        with contextlib.suppress(ValueError):
            return hint(value)
    return value
