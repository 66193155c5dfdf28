"""What a file of answers depends on, so that parts of other answers are never mixed with it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from deephits_keras.corpus.table import Corpus
from deephits_keras.prediction.extraction import TrackExtractor
from deephits_keras.runs.files import CHECKSUMS
from deephits_keras.runs.scorer import Scorer
from deephits_keras.utils.files import hash_of_path
from deephits_keras.version import __version__


def identity_of(
    model: Scorer,
    extractor: TrackExtractor,
    source: Path | Corpus | None,
    folders: Mapping[str, Path],
) -> dict[str, Any]:
    """The model's files, the settings of its encoders, the songs and where their files are.

    Args:
        model: The run, the bundle or the encoder.
        extractor: What extracts the songs.
        source: The table or the corpus.
        folders: Folders of the files that the table names.
    """
    encoders = dict(extractor.encoders)
    if extractor.descriptors is not None:
        encoders["descriptors"] = extractor.descriptors
    songs = source.fingerprint if isinstance(source, Corpus) else None
    return {
        "version": __version__,
        "model": _content(model.folder),
        "encoders": {m: [e.name, e.fingerprint(), e.get_config()] for m, e in encoders.items()},
        "songs": hash_of_path(source) if isinstance(source, Path) else songs,
        "folder": str((source if isinstance(source, Path) else Path()).resolve()),
        "folders": {name: str(folder.resolve()) for name, folder in folders.items()},
    }


def _content(folder: Path) -> str | None:
    """Hash of the checksums of a run or bundle, which name all of its files; None for no folder."""
    path = folder / CHECKSUMS
    return hash_of_path(path) if path.is_file() else None
