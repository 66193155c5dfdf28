"""Open a folder as a run or a bundle."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deephits_keras.export.bundle import Bundle, is_bundle

if TYPE_CHECKING:
    from deephits_keras.runs.run import Run


def open_model(
    folder: Path, settings: Mapping[str, Mapping[str, Any]] | None = None
) -> Run | Bundle:
    """Open a run or a bundle for prediction; a bundle doesn't need Keras.

    Args:
        folder: Folder of a run or a bundle.
        settings: Encoder settings that override its own, by encoder or modality.

    Raises:
        UserError: if it is neither, or is damaged.
    """
    if is_bundle(folder):
        return Bundle(folder, settings)
    from deephits_keras.runs.run import Run

    return Run(folder, settings)
