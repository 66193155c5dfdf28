"""What is checked before an export, without Keras."""

from __future__ import annotations

from pathlib import Path

from deephits_keras.choices import QUANTIZATIONS
from deephits_keras.errors import UserError
from deephits_keras.export.formats.web import Web
from deephits_keras.export.web.runtime import check_source


def check_export(
    out: Path,
    *,
    kind: str,
    quantize: str | None,
    allow_drop: float | None,
    onnxruntime_web: str | Path | None = None,
) -> None:
    """Check the arguments of an export.

    Args:
        out: The bundle's folder.
        kind: Name of the format.
        quantize: Type of smaller weights, or None.
        allow_drop: Largest acceptable loss of macro-F1 by them, or None.
        onnxruntime_web: Where a page's runtime comes from, or None.

    Raises:
        UserError: if the folder isn't empty, the format has no such weights, or there is a limit
            for the loss by smaller weights without them; if a page has no runtime, or another
            format has one.
    """
    if allow_drop is not None and quantize is None:
        raise UserError("--allow-drop has no effect without --quantize: add it, or leave this out")
    if quantize is not None and (quantize not in QUANTIZATIONS or kind != "onnx"):
        raise UserError(
            f"Only onnx has smaller weights, of {', '.join(QUANTIZATIONS)}. Received: "
            f"quantize={quantize!r}, format {kind!r}"
        )
    if kind == Web.name:
        check_source(onnxruntime_web)
    elif onnxruntime_web is not None:
        raise UserError(f"--onnxruntime-web is for --format {Web.name}. Received: {kind}")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UserError(f"{out} is not empty: choose another folder")
