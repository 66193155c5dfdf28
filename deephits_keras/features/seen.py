"""Features as a model sees them: fields of which training saw no value count as unknown."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

import numpy as np

from deephits_keras.corpus.table import Corpus
from deephits_keras.encoders.features import ExtractionError, Features
from deephits_keras.encoders.inputs import inputs_of, single_fields, without_fields
from deephits_keras.encoders.registry import AnyEncoder
from deephits_keras.features.outcomes import Outcome, outcomes
from deephits_keras.features.store import FeatureStore
from deephits_keras.types import BoolArray, IntArray

ROWS_AT_A_TIME = 1024


def unseen_columns(
    encoders: Mapping[str, AnyEncoder], corpus: Corpus, rows: IntArray
) -> dict[str, list[str]]:
    """Fields that none of some tracks has a value of, by modality; modalities without any left out.

    Args:
        encoders: By modality.
        corpus: The corpus.
        rows: The training tracks.
    """
    wanted = {modality: single_fields(encoder) for modality, encoder in encoders.items()}
    return _chosen(wanted, lambda name: not _has_values(corpus, name, rows))


def unseen_values(
    unseen: Mapping[str, Sequence[str]], corpus: Corpus, rows: IntArray
) -> dict[str, list[str]]:
    """The unseen fields that some tracks have a value of, by modality.

    Args:
        unseen: Result of `unseen_columns`.
        corpus: The corpus.
        rows: The tracks to score.
    """
    return _chosen(unseen, lambda name: _has_values(corpus, name, rows))


def unseen_notes(unseen: Mapping[str, Collection[str]]) -> list[str]:
    """One sentence per field that counts as unknown because training never saw a value of it.

    Args:
        unseen: Fields by modality.
    """
    names = dict.fromkeys(name for fields in unseen.values() for name in fields)
    return [f"{name} counts as unknown: training never saw it" for name in names]


def seen_stores(
    corpus: Corpus, encoders: Mapping[str, AnyEncoder], unseen: Mapping[str, Sequence[str]]
) -> dict[str, FeatureStore]:
    """The feature store of each modality, as a model sees it that never saw some fields.

    Args:
        corpus: The corpus.
        encoders: By modality.
        unseen: Result of `unseen_columns` for the training tracks.

    Raises:
        UserError: if features are missing.
        DeepHitsError: if a file is damaged.
    """
    return {
        modality: _seen(corpus, encoder, unseen.get(modality, ()))
        for modality, encoder in encoders.items()
    }


def _chosen(
    fields: Mapping[str, Sequence[str]], which: Callable[[str], bool]
) -> dict[str, list[str]]:
    chosen = {name for name in {n for names in fields.values() for n in names} if which(name)}
    found = {m: [name for name in names if name in chosen] for m, names in fields.items()}
    return {modality: names for modality, names in found.items() if names}


def _has_values(corpus: Corpus, name: str, rows: IntArray) -> bool:
    return name in corpus.columns and bool(corpus.column(name).iloc[rows].notna().any())


def _seen(corpus: Corpus, encoder: AnyEncoder, unseen: Sequence[str]) -> FeatureStore:
    store = FeatureStore.open(corpus, encoder)
    filled = [corpus.column(name).notna().to_numpy() for name in unseen if name in corpus.columns]
    rows = np.flatnonzero(np.any(filled, axis=0)) if filled else np.empty(0, np.int64)
    return _SeenStore(store, rows, _again(corpus, encoder, unseen, rows)) if len(rows) else store


def _again(
    corpus: Corpus, encoder: AnyEncoder, unseen: Sequence[str], rows: IntArray
) -> Iterator[Outcome]:
    """What an encoder extracts from tracks without some fields."""
    inputs = inputs_of(encoder)
    for start in range(0, len(rows), ROWS_AT_A_TIME):
        tracks = corpus.tracks(rows[start : start + ROWS_AT_A_TIME], inputs)
        yield from outcomes(encoder, [without_fields(track, unseen) for track in tracks])


class _SeenStore(FeatureStore):
    """A feature store in which some rows have other features.

    Args:
        store: The store.
        rows: `(replaced,)` the rows.
        found: What was extracted for each.
    """

    def __init__(self, store: FeatureStore, rows: IntArray, found: Iterable[Outcome]) -> None:
        present = store.present.copy()
        self._replaced: Features = {
            spec.name: np.zeros((len(rows), *spec.shape), spec.dtype) for spec in store.specs
        }
        self._places = np.full(len(store), -1, np.int64)
        self._places[rows] = np.arange(len(rows))
        for place, (row, outcome) in enumerate(zip(rows, found, strict=True)):
            present[row] = outcome is not None and not isinstance(outcome, ExtractionError)
            if outcome is not None and not isinstance(outcome, ExtractionError):
                for name, array in self._replaced.items():
                    array[place] = outcome[name]
        super().__init__(store.folder, store.layout, store.specs, present)

    def gather(
        self, rows: Sequence[int] | IntArray, *, where: BoolArray | None = None
    ) -> tuple[Features, BoolArray]:
        """See `FeatureStore.gather`."""
        features, present = super().gather(rows, where=where)
        places = np.where(present, self._places[np.asarray(rows, dtype=np.int64)], -1)
        again = np.flatnonzero(places >= 0)
        for name, array in features.items():
            array[again] = self._replaced[name][places[again]]
        return features, present
