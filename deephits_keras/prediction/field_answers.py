"""Predictions of tables of fields alone, thousands of rows at a time."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from deephits_keras.encoders.features import PRESENT, FieldFeatures, input_dtype, input_name
from deephits_keras.encoders.inputs import inputs_of
from deephits_keras.prediction.answers import shown_missing
from deephits_keras.prediction.predictor import Predictor, TrackPrediction
from deephits_keras.prediction.tables import TableChunk
from deephits_keras.tasks import Prediction
from deephits_keras.types import BoolArray

Columns = list[list[Any]]


def field_features(predictor: Predictor, chunk: TableChunk) -> dict[str, FieldFeatures] | None:
    """Features of the rows that can be used, by modality; None if they are extracted one by one."""
    found: dict[str, FieldFeatures] = {}
    for modality, encoder in predictor.encoders.items():
        hidden = predictor.extractor.unseen.get(modality, ())
        names = [each.name for each in inputs_of(encoder) or () if each.name not in hidden]
        columns = {name: chunk.field(name) for name in names}
        known = {name: values for name, values in columns.items() if values is not None}
        features = encoder.extract_fields(known, len(chunk.kept))
        if features is None:
            return None
        found[modality] = features
    return found


@dataclasses.dataclass(frozen=True)
class FieldAnswers:
    """Predictions of a chunk of a table.

    Attributes:
        predictor: The model.
        chunk: The rows.
        features: Features of the rows that can be used, by modality.
        prediction: Their predictions.
    """

    predictor: Predictor
    chunk: TableChunk
    features: Mapping[str, FieldFeatures]
    prediction: Prediction

    @classmethod
    def from_chunk(cls, predictor: Predictor, chunk: TableChunk) -> FieldAnswers | None:
        """Predict a chunk at once; None if its rows must be extracted one by one."""
        if not len(chunk.kept) or (features := field_features(predictor, chunk)) is None:
            return None
        inputs: dict[str, np.ndarray[Any, Any]] = {}
        for modality, encoder in predictor.encoders.items():
            found = features[modality]
            inputs[input_name(modality, PRESENT)] = found.present[:, None].astype(np.float32)
            for spec in encoder.feature_specs:
                values = found.features[spec.name]
                values = np.where(_like(found.present, values), values, 0)
                inputs[input_name(modality, spec.name)] = values.astype(input_dtype(spec))
        outputs = predictor.outputs(inputs)
        return cls(predictor, chunk, features, predictor.task.decode(outputs))

    def __len__(self) -> int:
        return len(self.chunk)

    def columns(self, labels: Sequence[str]) -> Columns:
        """See `Answers`."""
        predicted = self._predicted(labels)
        if not self.chunk.rejected:
            return predicted
        columns = [self._spread(values) for values in predicted]
        texts = (1, 2, *(6 + len(labels) + place for place in (0, 4, 6, 7)))
        for number, row in self.chunk.rejected.items():
            place = number - self.chunk.numbers.start
            columns[0][place] = row.track_id
            columns[6 + len(labels) + 5][place] = f"rejected: {row.reason}"
            for column in texts:
                columns[column][place] = ""
        return columns

    def _predicted(self, labels: Sequence[str]) -> Columns:
        """The columns of the rows that can be used."""
        tiers, anything = self.predictor.task.tiers, self._anything
        count = len(self.chunk.kept)
        coverage = self.predictor.calibration.coverage or None
        numbers = self.prediction.tiers(tiers)
        popularity = np.round(self.prediction.popularity, 3)
        scores = () if self.prediction.scores is None else np.round(self.prediction.scores, 6).T
        names = np.array([*tiers.labels, ""], dtype=object)
        low, high = self._intervals(count)
        columns = [
            self.chunk.kept["track_id"].astype(object).tolist(),
            self.chunk.texts("title"),
            self.chunk.texts("artist_name"),
            popularity.tolist(),
            numbers.tolist(),
            names[numbers].tolist(),
            *(column.tolist() for column in scores[: len(labels)]),
            self._tier_sets(count),
            low,
            high,
            [coverage] * count,
            *self._lacking(),
            [""] * count,
            [""] * count,
        ]
        if not anything.all():
            blank = [3, 4, 5, *range(6, 6 + len(labels)), *(6 + len(labels) + k for k in (1, 2, 3))]
            for row in np.flatnonzero(~anything).tolist():
                for place in blank:
                    columns[place][row] = None
                columns[6 + len(labels)][row] = ""
        return columns

    @property
    def _anything(self) -> BoolArray:
        """`(kept,)` which rows have any modality."""
        there = np.stack([f.present for f in self.features.values()])
        return np.asarray(there.any(axis=0))

    def _intervals(self, count: int) -> tuple[list[Any], list[Any]]:
        calibration = self.predictor.calibration
        if calibration.threshold is None or self.prediction.scores is not None:
            return [None] * count, [None] * count
        ends = np.round(calibration.intervals(self.prediction.popularity), 3)
        return ends[:, 0].tolist(), ends[:, 1].tolist()

    def _tier_sets(self, count: int) -> list[str]:
        calibration = self.predictor.calibration
        if calibration.threshold is None or self.prediction.scores is None:
            return [""] * count
        labels = self.predictor.task.tiers.labels
        inside = np.asarray(calibration.tier_sets(self.prediction.scores), dtype=bool)
        return _by_pattern(inside, lambda row: " ".join(_where(labels, row)))

    def _lacking(self) -> tuple[list[str], list[str]]:
        """The columns `missing` and `warnings`."""
        missing = _by_pattern(self._patterns, lambda row: shown_missing(*self._missing(row)))
        return missing, ["; ".join(told) for told in self._warnings]

    @cached_property
    def _patterns(self) -> BoolArray:
        """`(kept, modalities + parts)`: which modalities are there, which parts are missing."""
        flags = [f.present for f in self.features.values()]
        parts = [mask for f in self.features.values() for mask in f.missing.values()]
        patterns: BoolArray = np.stack([*flags, *parts], axis=1)
        return patterns

    @cached_property
    def _warnings(self) -> list[tuple[str, ...]]:
        """Warnings of each row: on what is missing, and on words that no training track has."""
        told = _by_pattern(self._patterns[:, : len(self.features)], self._warnings_of)
        words = self.predictor.words
        for name, new in reversed(self.chunk.new_words(words).items()):
            for row, word in new.items():
                told[row] = (words.note(name, word), *told[row])
        return told

    def _missing(self, row: BoolArray) -> tuple[tuple[str, ...], dict[str, tuple[str, ...]]]:
        """Missing modalities and parts, of a pattern of `_lacking`."""
        missing = tuple(m for m, there in zip(self.features, row, strict=False) if not there)
        parts: dict[str, tuple[str, ...]] = {}
        at = len(self.features)
        for modality, found in self.features.items():
            inner = _where(tuple(found.missing), row[at : at + len(found.missing)])
            at += len(found.missing)
            if modality not in missing and inner:
                parts[modality] = inner
        return missing, parts

    def _warnings_of(self, present: BoolArray) -> tuple[str, ...]:
        there = _where(tuple(self.features), present)
        return self.predictor.warnings_of([m for m in self.features if m not in there], there)

    def predictions(self) -> Iterator[TrackPrediction]:
        """See `Answers`."""
        task = self.predictor.run.task
        labels = task.tiers.labels if self.prediction.scores is not None else ()
        columns = self.columns(labels)
        scores = list(zip(*columns[6 : 6 + len(labels)], strict=True)) or [()] * len(self)
        told = self._spread(list(zip(*self._told(), strict=True)))
        sets = dict.fromkeys(columns[6 + len(labels)])
        split = {text: tuple(text.split()) for text in sets}
        for place, number in enumerate(self.chunk.numbers):
            if (rejected := self.chunk.rejected.get(number)) is not None:
                why = (f"rejected: {rejected.reason}",)
                yield TrackPrediction(rejected.track_id, None, None, None, {}, (), {}, why)
                continue
            track_id, title, artist, popularity, tier, label = (c[place] for c in columns[:6])
            tier_set, low, high, coverage = (
                c[place] for c in columns[6 + len(labels) : 10 + len(labels)]
            )
            (missing, parts), warnings, unseen = told[place]
            yield TrackPrediction(
                track_id=track_id,
                popularity=popularity,
                tier=tier,
                tier_label=label,
                scores={} if tier is None else dict(zip(labels, scores[place], strict=True)),
                missing=missing,
                missing_parts=parts,
                warnings=warnings,
                tier_set=split[tier_set],
                interval=None if low is None else (low, high),
                coverage=coverage,
                title=title,
                artist=artist,
                unseen=unseen,
            )

    def _told(self) -> tuple[list[Any], list[Any], list[Any]]:
        """What is missing, the warnings and the fields that count as unknown, row by row."""
        hidden = self.predictor.extractor.unseen
        pairs = [(m, name) for m, names in hidden.items() for name in names]
        known = [self.chunk.known(name) for _, name in pairs]

        def unseen(row: BoolArray) -> dict[str, tuple[str, ...]]:
            found: dict[str, tuple[str, ...]] = {}
            for (modality, name), there in zip(pairs, row, strict=True):
                if there:
                    found[modality] = (*found.get(modality, ()), name)
            return found

        nothing = np.zeros((len(self.chunk.kept), 1), bool)
        flags = np.stack(known, axis=1) if known else nothing[:, :0]
        none = [unseen(flags[0])] * len(flags) if not flags.any() else _by_pattern(flags, unseen)
        return _by_pattern(self._patterns, self._missing), self._warnings, none

    def _spread(self, values: list[Any]) -> list[Any]:
        """Values of the rows that can be used, in the places of all rows."""
        if not self.chunk.rejected:
            return values
        spread: list[Any] = [None] * len(self)
        for place, value in zip(self.chunk.places().tolist(), values, strict=True):
            spread[place] = value
        return spread


def _like(flags: BoolArray, values: np.ndarray[Any, Any]) -> BoolArray:
    shaped: BoolArray = flags.reshape(-1, *[1] * (values.ndim - 1))
    return shaped


def _where(names: Sequence[str], flags: BoolArray) -> tuple[str, ...]:
    return tuple(name for name, there in zip(names, flags, strict=True) if there)


def _by_pattern(flags: BoolArray, make: Callable[[BoolArray], Any]) -> list[Any]:
    """What is made of each row of flags, once for each different row."""
    packed = np.packbits(flags, axis=1)
    keys = np.ascontiguousarray(packed).view(np.dtype((np.void, packed.shape[1]))).ravel()
    _, first, inverse = np.unique(keys, return_index=True, return_inverse=True)
    made = [make(flags[row]) for row in first]
    return [made[place] for place in inverse.tolist()]
