"""Outside the graph: the statistics of a recording, measured with Essentia."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from deephits_keras.audio.errors import AudioError
from deephits_keras.types import Array

from ..essentia_descriptors.measure import (
    PITCH_CLASSES,
    SAMPLE_RATE,
    decoded_copy,
    import_essentia,
)
from .groups import NAMES, STATISTICS


def measure(recording: Path) -> Array:
    """Measure a recording.

    Args:
        recording: A file in a format of the package's decoder.

    Returns:
        `(len(NAMES),)` float32 in Essentia's units, NaN where Essentia has no finite value.

    Raises:
        AudioError: if it can't be decoded, or Essentia can't analyse it (for example if silent).
        UserError: if Essentia isn't installed.
    """
    standard = import_essentia()
    wanted = list(STATISTICS)
    extractor = standard.MusicExtractor(lowlevelStats=wanted, rhythmStats=wanted, tonalStats=wanted)
    with decoded_copy(recording, SAMPLE_RATE) as (copy, _):
        try:
            pool, _ = extractor(str(copy))
        except RuntimeError as error:
            reason = str(error).removeprefix("In MusicExtractor.compute: ")
            if "silent" in reason:
                reason = "it is all but silent"
            raise AudioError(f"{recording.name} can't be analysed by Essentia: {reason}") from error
    values = np.array([_value(pool, name) for name in NAMES], np.float64)
    # Larger values don't fit into float32.
    values[~(np.abs(values) < np.finfo(np.float32).max)] = np.nan
    found: Array = values.astype(np.float32)
    return found


def _value(pool: Any, name: str) -> float:
    stem, separator, value = name.partition("=")
    if not separator:
        return float(pool[name])
    # Essentia writes `chords_key`, but `key_temperley.key`.
    given = pool[stem.replace("tonal.chords.", "tonal.chords_")]
    return float((str(PITCH_CLASSES[given]) if stem.endswith(".key") else given) == value)
