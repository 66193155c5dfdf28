"""Files beside a corpus, such as tables of its artists, compared with it before a training."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from deephits_keras.corpus.table import Corpus
from deephits_keras.encoders.inputs import inputs_of
from deephits_keras.encoders.registry import AnyEncoder
from deephits_keras.tracks import Track

TOGETHER = 16_384
"""Number of tracks in memory at a time."""


def match_files(corpus: Corpus, encoders: Mapping[str, AnyEncoder]) -> tuple[str, ...]:
    """Check the files that the encoders' settings name against the corpus.

    Args:
        corpus: The corpus.
        encoders: Encoders by modality.

    Returns:
        Notes for the user, one sentence each; see `ModalityEncoder.match_files`.

    Raises:
        UserError: if a file can't be used, or nothing in it belongs to a track.
    """
    return tuple(
        f"{modality}: {note}"
        for modality, encoder in encoders.items()
        for note in encoder.match_files(_tracks(corpus, encoder))
    )


def _tracks(corpus: Corpus, encoder: AnyEncoder) -> Iterator[Track]:
    inputs = inputs_of(encoder)
    for start in range(0, len(corpus), TOGETHER):
        yield from corpus.tracks(range(start, min(start + TOGETHER, len(corpus))), inputs)
