"""Features of the tracks that are to be predicted, extracted in this or another process."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from deephits_keras import cpu
from deephits_keras.corpus.values import is_unknown
from deephits_keras.encoders.features import ExtractionError, Features
from deephits_keras.encoders.inputs import (
    Input,
    as_declared,
    inputs_of,
    may_read,
    without_fields,
)
from deephits_keras.encoders.registry import AnyEncoder
from deephits_keras.features.outcomes import Outcome, blamed, outcomes
from deephits_keras.prediction.measured import MeasuredTrack, measure_fields
from deephits_keras.tracks import Track


@dataclass(frozen=True)
class Notes:
    """What an encoder says of a track, and what was kept from it.

    Attributes:
        unseen: Fields that the track has and training never saw: they count as unknown.
        missing_parts: Missing parts of the features, for example fields.
        remarks: Remarks on the features.
        warnings: Why the prediction may be unreliable.
    """

    unseen: tuple[str, ...] = ()
    missing_parts: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @classmethod
    def from_outcome(
        cls, encoder: AnyEncoder, track: Track, outcome: Outcome, unseen: Sequence[str]
    ) -> Notes:
        """The notes on an encoder's result for a track; the encoder may look at its files.

        Args:
            encoder: The encoder.
            track: The track.
            outcome: The encoder's result.
            unseen: Fields that count as unknown.
        """
        modality, hidden = encoder.modality, hidden_fields(track, unseen)
        if outcome is None:
            return cls(hidden)
        if isinstance(outcome, ExtractionError):
            return cls(hidden, warnings=(f"{modality} can't be used: {outcome.reason}",))
        seen = as_declared(without_fields(track, hidden), inputs_of(encoder))
        try:
            with blamed(encoder, track):
                lacking = tuple(encoder.missing_parts(seen, outcome))
                remarks = tuple(f"{modality}: {said}" for said in encoder.remarks(seen, outcome))
        except ExtractionError as error:
            return cls(hidden, warnings=(f"{modality} can't say what it lacks: {error.reason}",))
        return cls(hidden, lacking, remarks)


@dataclass(frozen=True)
class ExtractedTrack:
    """A track with the results of its encoders.

    Attributes:
        measured: The track, with fields that were measured.
        outcomes: By modality: the features, None if the track lacks the input, or the error.
        notes: By modality, where they are known.
    """

    measured: MeasuredTrack
    outcomes: Mapping[str, Outcome] = field(default_factory=dict)
    notes: Mapping[str, Notes] = field(default_factory=dict)

    @property
    def features(self) -> dict[str, Features]:
        """The features of the modalities that the track has."""
        return {
            modality: outcome
            for modality, outcome in self.outcomes.items()
            if outcome is not None and not isinstance(outcome, ExtractionError)
        }


@dataclass(frozen=True)
class TrackExtractor:
    """Extracts tracks; is sent to worker processes.

    Attributes:
        encoders: The model's encoders, by modality.
        descriptors: An encoder that measures missing fields first, or None.
        unseen: Fields by modality that count as unknown, because training never saw one.
    """

    encoders: Mapping[str, AnyEncoder]
    descriptors: AnyEncoder | None = None
    unseen: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def _all(self) -> list[AnyEncoder]:
        """The encoders and the one that measures fields."""
        return [*self.encoders.values(), *([self.descriptors] if self.descriptors else [])]

    @property
    def inputs(self) -> tuple[Input, ...]:
        """The inputs of the encoders and of the one that measures fields, each once."""
        found = (each for encoder in self._all for each in inputs_of(encoder) or ())
        return tuple(dict.fromkeys(found))

    @property
    def light(self) -> bool:
        """Whether fields are all that is read."""
        return self.descriptors is None and all(map(reads_fields_only, self.encoders.values()))

    @property
    def for_workers(self) -> TrackExtractor | None:
        """The part of the work that is worth sending to another process; None if there is none.

        Fields alone are extracted faster than sent, and an encoder that isn't `parallel` uses
        every core by itself.
        """
        if self.descriptors and not self.descriptors.parallel:
            return None
        heavy = {m: e for m, e in self.encoders.items() if e.parallel and not reads_fields_only(e)}
        if not (heavy or self.descriptors):
            return None
        return dataclasses.replace(self, encoders=heavy)

    def __call__(self, tracks: Sequence[Track]) -> list[ExtractedTrack]:
        """Extract tracks; an unusable input is an outcome."""
        absent = [self._absent(track) for track in tracks]
        found = [_without_files(t, names) for t, names in zip(tracks, absent, strict=True)]
        measured = [MeasuredTrack(track, {}) for track in found]
        if self.descriptors is not None:
            measured = list(measure_fields(found, self.descriptors))
        for k, (track, names) in enumerate(zip(tracks, absent, strict=True)):
            said = (f"its {name} {track.files[name].name} isn't there" for name in names)
            if names:
                warnings = (*said, *measured[k].warnings)
                measured[k] = dataclasses.replace(measured[k], warnings=warnings)
        return self.completed([ExtractedTrack(each) for each in measured])

    def _absent(self, track: Track) -> list[str]:
        """Files of a track that an encoder reads and that aren't there."""
        read = [name for name in track.files if any(may_read(e, (name,)) for e in self._all)]
        # `Path.exists` raises for a name that is too long for a file.
        return [name for name in read if not os.path.exists(track.files[name])]  # noqa: PTH110

    def in_worker(self, tracks: Sequence[Track]) -> list[ExtractedTrack]:
        """Extract tracks in a worker process, which keeps freed memory (docs/performance.md)."""
        cpu.keep_freed_memory()
        return self(tracks)

    def completed(self, extracted: Sequence[ExtractedTrack]) -> list[ExtractedTrack]:
        """The tracks with the results of the encoders that weren't applied yet."""
        tracks = [each.measured.track for each in extracted]
        found = [dict(each.outcomes) for each in extracted]
        notes = [dict(each.notes) for each in extracted]
        for modality, encoder in self.encoders.items():
            todo = [k for k, have in enumerate(found) if modality not in have]
            hidden = self.unseen.get(modality, ())
            results = outcomes(encoder, [without_fields(tracks[k], hidden) for k in todo])
            for k, outcome in zip(todo, results, strict=True):
                found[k][modality] = outcome
                notes[k][modality] = Notes.from_outcome(encoder, tracks[k], outcome, hidden)
        results_of = zip(extracted, found, notes, strict=True)
        return [ExtractedTrack(each.measured, have, said) for each, have, said in results_of]

    def lost(self, track: Track, reason: str) -> ExtractedTrack:
        """The result for a track whose worker process died."""
        error = ExtractionError(track.id, reason)
        warnings: tuple[str, ...] = ()
        if self.descriptors is not None:
            warnings = (f"{self.descriptors.name} could measure no field: {reason}",)
        measured = MeasuredTrack(track, {}, warnings=warnings)
        return ExtractedTrack(measured, dict.fromkeys(self.encoders, error))


def reads_fields_only(encoder: AnyEncoder) -> bool:
    """Whether an encoder declares fields and nothing else."""
    inputs = inputs_of(encoder)
    return inputs is not None and all(each.kind == "field" for each in inputs)


def _without_files(track: Track, names: Collection[str]) -> Track:
    if not names:
        return track
    files = {name: path for name, path in track.files.items() if name not in names}
    return dataclasses.replace(track, files=files)


def hidden_fields(track: Track, names: Sequence[str]) -> tuple[str, ...]:
    """Those of some fields that a track has a value of."""
    return tuple(name for name in names if not is_unknown(track.fields.get(name)))
