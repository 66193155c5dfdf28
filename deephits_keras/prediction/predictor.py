"""Predict tracks with a finished run, with any of their inputs missing."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from typing import Any

import numpy as np

from deephits_keras.encoders.features import ExtractionError, Features
from deephits_keras.encoders.registry import AnyEncoder
from deephits_keras.features.outcomes import Outcome
from deephits_keras.features.words import KnownWords
from deephits_keras.prediction.extraction import ExtractedTrack, Notes, TrackExtractor
from deephits_keras.prediction.measured import FieldOrigin
from deephits_keras.runs.scorer import Score, Scorer, model_inputs
from deephits_keras.tasks import Prediction
from deephits_keras.tracks import Track

BATCH_SIZE = 64

MOST_ROWS = 1024
"""Rows per forward pass: boosted trees take up to 750 kB for each (`model.trees.MOST_TREES`)."""

NOTHING = "nothing to predict from: every input is missing"
"""Warning on a track without any modality."""


@dataclass(frozen=True)
class TrackPrediction:
    """Prediction of a run for one track.

    Attributes:
        track_id: Id of the track.
        popularity: Expected popularity, 0-100; None if every modality of the run is missing.
        tier: Predicted tier, from 0; None if every modality is missing.
        tier_label: Its range of popularity, for example `25-65`.
        scores: Class score of each tier by its label; empty for a regression. They sum to 1 and
            are as well calibrated as `calibration.json` made them (`evaluation.calibration`).
        missing: Modalities that the track lacks.
        missing_parts: Missing parts of present modalities, for example fields.
        warnings: Reasons why the prediction may be unreliable.
        remarks: Remarks of the encoders on the track's features.
        fields: Value and source of each known field, if some were measured.
        tier_set: Labels of the tiers in the prediction set, which contains the true tier with
            probability `coverage`. Empty if the run has no sets, or is a regression.
        interval: Lowest and highest popularity of the prediction interval of a regression, or
            None.
        coverage: Probability that the set or interval contains the true value, 0-1; None if the
            run has no sets.
        title: Title of the track in a table; empty otherwise.
        artist: Artist of the track in a table; empty otherwise.
        unseen: Fields that the track has and no training track had, by modality. They count as
            unknown.
    """

    track_id: str
    popularity: float | None
    tier: int | None
    tier_label: str | None
    scores: dict[str, float]
    missing: tuple[str, ...]
    missing_parts: dict[str, tuple[str, ...]]
    warnings: tuple[str, ...]
    remarks: tuple[str, ...] = ()
    fields: dict[str, FieldOrigin] = field(default_factory=dict)
    tier_set: tuple[str, ...] = ()
    interval: tuple[float, float] | None = None
    coverage: float | None = None
    title: str = ""
    artist: str = ""
    unseen: dict[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass
class _Account:
    """Features, warnings and remarks of one track before prediction."""

    track: Track
    fields: dict[str, FieldOrigin]
    warnings: list[str]
    remarks: list[str]
    features: dict[str, Features] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    parts: dict[str, tuple[str, ...]] = field(default_factory=dict)
    unseen: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def add(self, modality: str, outcome: Outcome, notes: Notes) -> None:
        """Add the result of a modality's encoder for the track, with its notes."""
        if outcome is None or isinstance(outcome, ExtractionError):
            self.missing.append(modality)
        else:
            self.features[modality] = outcome
        if notes.unseen:
            self.unseen[modality] = notes.unseen
        if notes.missing_parts:
            self.parts[modality] = notes.missing_parts
        self.warnings += notes.warnings
        self.remarks += notes.remarks


class Predictor:
    """A run or a bundle that predicts tracks.

    Args:
        run: A finished run, or a bundle that was exported from one.
        descriptors: An encoder that measures the fields that a track lacks
            (`deephits_keras.prediction.measured.descriptor_source`).
        prepare: Called before the model is loaded.

    Raises:
        UserError: if the run isn't finished.

    Example:
        >>> predictor = Predictor(Run(Path("run")))  # doctest: +SKIP
        >>> predictor.predict([Track("song", audio=Path("song.mp3"))])[0].popularity
        ... # doctest: +SKIP
        41.3
    """

    def __init__(
        self,
        run: Scorer,
        descriptors: AnyEncoder | None = None,
        prepare: Callable[[], None] = lambda: None,
    ) -> None:
        self.run, self._prepare = run, prepare
        self.task = run.task
        self.descriptors = descriptors
        self.calibration = run.calibration
        self.encoders = run.encoders

    @cached_property
    def score(self) -> Score:
        """The model, loaded when it is first needed: worker processes are at work before.

        Raises:
            UserError: if it can't be loaded.
        """
        self._prepare()
        return self.run.scorer

    def predict(self, tracks: Sequence[Track]) -> list[TrackPrediction]:
        """Predict tracks; see `stream`."""
        return list(self.stream(tracks))

    def stream(self, tracks: Iterable[Track]) -> Iterator[TrackPrediction]:
        """Predict tracks, one batch in memory at a time.

        An unusable input counts as missing, with a warning that states the reason.
        """
        iterator = iter(tracks)
        while batch := list(islice(iterator, BATCH_SIZE)):
            yield from self.predict_extracted(self.extractor(batch))

    def predict_extracted(self, extracted: Sequence[ExtractedTrack]) -> list[TrackPrediction]:
        """Predict tracks whose features were extracted before."""
        return self.describe(extracted, self.outputs(self.model_inputs(extracted)))

    def outputs(self, inputs: Mapping[str, np.ndarray[Any, Any]]) -> np.ndarray[Any, Any]:
        """The model's outputs `(batch, outputs)`, `MOST_ROWS` at a time, as trees need memory.

        Args:
            inputs: Arrays `(batch, *shape)` by input name, of at least one row.
        """
        count = len(next(iter(inputs.values())))
        parts = [
            self.score({name: rows[at : at + MOST_ROWS] for name, rows in inputs.items()})
            for at in range(0, count, MOST_ROWS)
        ]
        return np.concatenate(parts)

    def model_inputs(self, extracted: Sequence[ExtractedTrack]) -> dict[str, np.ndarray[Any, Any]]:
        """The model's inputs `(batch, *shape)` by name for tracks whose features were extracted."""
        features = [each.features for each in extracted]
        inputs: dict[str, np.ndarray[Any, Any]] = {}
        for modality, encoder in self.encoders.items():
            inputs |= model_inputs(encoder, [each.get(modality) for each in features])
        return inputs

    def describe(
        self, extracted: Sequence[ExtractedTrack], outputs: np.ndarray[Any, Any]
    ) -> list[TrackPrediction]:
        """The predictions of tracks, from the model's outputs `(batch, outputs)`."""
        pairs = zip(map(self._account, extracted), outputs, strict=True)
        return [self._describe(account, output) for account, output in pairs]

    @cached_property
    def extractor(self) -> TrackExtractor:
        """What extracts the model's features of a track, in this or another process."""
        return TrackExtractor(self.encoders, self.descriptors, dict(self.run.unseen_columns))

    @cached_property
    def words(self) -> KnownWords:
        """Words that the model's training tracks have."""
        return KnownWords(self.run.config.words)

    @cached_property
    def _made_otherwise(self) -> frozenset[str]:
        """Modalities whose features are made otherwise than in training."""
        records = self.run.config.modalities
        return frozenset(
            modality
            for modality, encoder in self.encoders.items()
            if not encoder.made_as(records[modality].config, records[modality].fingerprint)
        )

    def _account(self, extracted: ExtractedTrack) -> _Account:
        measured = extracted.measured
        new = self.words.new_of(measured.track.fields)
        words = (self.words.note(name, word) for name, word in new.items())
        account = _Account(
            measured.track, measured.fields, [*measured.warnings, *words], [*measured.remarks]
        )
        for modality, encoder in self.encoders.items():
            outcome, notes = extracted.outcomes[modality], extracted.notes.get(modality)
            if notes is None:
                unseen = self.extractor.unseen.get(modality, ())
                notes = Notes.from_outcome(encoder, measured.track, outcome, unseen)
            account.add(modality, outcome, notes)
            if modality in account.features:
                account.warnings += self._otherwise(modality)
        return account

    def _describe(self, account: _Account, output: np.ndarray[Any, Any]) -> TrackPrediction:
        known = TrackPrediction(
            track_id=account.track.id,
            popularity=None,
            tier=None,
            tier_label=None,
            scores={},
            missing=tuple(account.missing),
            missing_parts=account.parts,
            warnings=(*account.warnings, *self._unlearned(account.missing)),
            remarks=tuple(account.remarks),
            fields=account.fields,
            unseen=account.unseen,
        )
        if not account.features:
            return dataclasses.replace(known, warnings=(*known.warnings, NOTHING))
        tiers = self.task.tiers
        prediction = self.task.decode(output[None])
        tier = int(prediction.tiers(tiers)[0])
        scores: dict[str, float] = {}
        if prediction.scores is not None:
            pairs = zip(tiers.labels, prediction.scores[0], strict=True)
            scores = {label: round(float(score), 6) for label, score in pairs}
        tier_set, interval = self._region(prediction)
        return dataclasses.replace(
            known,
            popularity=round(float(prediction.popularity[0]), 3),
            tier=tier,
            tier_label=tiers.labels[tier],
            scores=scores,
            tier_set=tier_set,
            interval=interval,
            coverage=self.calibration.coverage or None,
        )

    def warnings_of(self, missing: Sequence[str], present: Sequence[str]) -> tuple[str, ...]:
        """Warnings on a track of which nothing else is known than its modalities."""
        told = [warning for modality in present for warning in self._otherwise(modality)]
        nothing = () if present else (NOTHING,)
        return (*told, *self._unlearned(missing), *nothing)

    def _otherwise(self, modality: str) -> tuple[str, ...]:
        if modality not in self._made_otherwise:
            return ()
        return (
            f"{modality} is measured differently here than for the tracks that the model "
            "was trained on: with other settings, files or versions of a library",
        )

    def _unlearned(self, missing: Iterable[str]) -> list[str]:
        return [
            f"{modality} is missing, and the model was never trained without it"
            for modality in missing
            if not self.run.config.modalities[modality].learned_missing
        ]

    def _region(self, prediction: Prediction) -> tuple[tuple[str, ...], tuple[float, float] | None]:
        """The set of tiers, or the interval, of a prediction for one track."""
        if self.calibration.threshold is None:
            return (), None
        if prediction.scores is None:
            ((low, high),) = self.calibration.intervals(prediction.popularity).tolist()
            return (), (round(low, 3), round(high, 3))
        (inside,) = self.calibration.tier_sets(prediction.scores)
        labels = self.task.tiers.labels
        return tuple(label for label, held in zip(labels, inside, strict=True) if held), None
