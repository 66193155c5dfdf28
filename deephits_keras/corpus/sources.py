"""Metadata of a source folder, shared by importers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from deephits_keras.errors import UserError
from deephits_keras.utils.files import read_record


def source_info(source: Path) -> dict[str, Any]:
    """Whether a source folder is synthetic, and its encoder settings.

    Settings are in `encoder-settings.json`, `{"encoder": {"setting": value}}`; a value
    `{"path": "relative/path"}` is a path below the source.

    Raises:
        UserError: if that file is damaged, or a path leaves the source.
    """
    settings: dict[str, dict[str, Any]] = {}
    path = source / "encoder-settings.json"
    if path.exists():
        given = read_record(path, dict[str, dict[str, Any]], "encoder settings")
        for encoder, values in given.items():
            settings[encoder] = {k: _resolved(source, v) for k, v in values.items()}
    return {
        "synthetic": (source / "synthetic.json").exists(),
        "encoder_settings": settings,
    }


def _resolved(source: Path, value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    path = (source / str(value.get("path"))).resolve()
    if not path.is_relative_to(source.resolve()):
        raise UserError(f"{source / 'encoder-settings.json'} names a path outside of it: {value}")
    return str(path)
