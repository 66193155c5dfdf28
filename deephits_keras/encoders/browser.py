"""The part of an encoder that extracts features in a web page, in JavaScript."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class BrowserHalf:
    """JavaScript that extracts what `ModalityEncoder.extract` does.

    The first module exports `extract(track, settings)`, which may be asynchronous. `track` has
    `files` (`File` by input name), `texts` and `fields`, without what is missing. It returns null
    if the track lacks the modality; else an object with `features` (a Float32Array or Int32Array by
    feature, in C order) and, if some are missing, `missingParts` (a list of names). An input that
    can't be used is an `Error`, whose message is shown.

    It may export `picture(features, settings)` as well: what `ModalityEncoder.picture` returns, as
    `{ width, height, values, caption }` with `values` a Uint8Array, row by row.

    Attributes:
        modules: The JavaScript files, in one folder; the first one is imported.
        settings: Second argument of these functions, of JSON types.
    """

    modules: tuple[Path, ...]
    settings: Mapping[str, Any] = field(default_factory=dict)
