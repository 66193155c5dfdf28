"""What is checked before an export, without Keras."""

from __future__ import annotations

from pathlib import Path

from deephits_keras.choices import QUANTIZATIONS
from deephits_keras.errors import UserError


def check_export(out: Path, *, kind: str, quantize: str | None) -> None:
    """Check the arguments of an export.

    Args:
        out: The bundle's folder.
        kind: Name of the format.
        quantize: Type of smaller weights, or None.

    Raises:
        UserError: if the folder isn't empty, or the format has no such weights.
    """
    if quantize is not None and (quantize not in QUANTIZATIONS or kind != "onnx"):
        raise UserError(
            f"Only onnx has smaller weights, of {', '.join(QUANTIZATIONS)}. Received: "
            f"quantize={quantize!r}, format {kind!r}"
        )
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UserError(f"{out} is not empty: choose another folder")
