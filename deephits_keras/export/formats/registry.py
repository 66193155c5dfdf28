"""The formats by name."""

from __future__ import annotations

from deephits_keras.errors import UserError
from deephits_keras.export.formats.base import Format
from deephits_keras.export.formats.essentia import Essentia
from deephits_keras.export.formats.litert import LiteRT
from deephits_keras.export.formats.onnx import Onnx
from deephits_keras.export.formats.openvino import OpenVino
from deephits_keras.export.formats.saved_model import SavedModel
from deephits_keras.export.formats.web import Web

FORMATS: dict[str, Format] = {
    each.name: each for each in (Onnx(), SavedModel(), OpenVino(), LiteRT(), Essentia(), Web())
}
"""All formats; the first one is the default."""


def get_format(name: str) -> Format:
    """The format of a name.

    Raises:
        UserError: if there is none; the message lists them.
    """
    if name not in FORMATS:
        raise UserError(f"There is no format {name!r}. Formats: {', '.join(FORMATS)}")
    return FORMATS[name]
