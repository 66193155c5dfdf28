"""The model behind the server: extraction in processes, forward passes in batches."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from deephits_keras.encoders.features import ExtractionError
from deephits_keras.encoders.inputs import inputs_of
from deephits_keras.encoders.picture import Picture
from deephits_keras.encoders.registry import AnyEncoder
from deephits_keras.errors import DeepHitsError
from deephits_keras.features.outcomes import blamed
from deephits_keras.prediction.asked import cleaning_of, ignored, require_read
from deephits_keras.prediction.extraction import ExtractedTrack, TrackExtractor
from deephits_keras.prediction.measured import MeasuredTrack
from deephits_keras.prediction.predictor import Predictor, TrackPrediction
from deephits_keras.runs.scorer import Scorer
from deephits_keras.serve.batching import Batcher
from deephits_keras.serve.refusal import RefusedError
from deephits_keras.serve.schema import ModelInfo
from deephits_keras.serve.settings import ServeSettings
from deephits_keras.serve.statistics import Statistics
from deephits_keras.serve.worker import Task
from deephits_keras.serve.workers import Workers
from deephits_keras.tracks import Track

if TYPE_CHECKING:
    from deephits_keras.explanation.track import Explanation

Tensors = dict[str, "np.ndarray[Any, Any]"]


@dataclass(frozen=True)
class Rows:
    """Inputs of the model as they were sent.

    Attributes:
        inputs: Arrays `(rows, *shape)` by input name.
        count: Number of rows.
    """

    inputs: Tensors
    count: int


Job = ExtractedTrack | Rows
Predicted = tuple[TrackPrediction, ExtractedTrack]
Answer = Predicted | np.ndarray[Any, Any]


class Service:
    """Answers tracks and features.

    Args:
        model: The run or bundle.
        settings: Limits.
        name: Its name; by default that of its folder.

    Raises:
        UserError: if it can't be loaded.
    """

    def __init__(
        self,
        model: Scorer,
        settings: ServeSettings,
        name: str = "",
    ) -> None:
        self.model, self.settings = model, settings
        self.info = ModelInfo.from_model(model, name)
        self.cleaning = cleaning_of(model)
        self.statistics = Statistics()
        self.predictor = Predictor(model)
        self._warm_up()
        self._extractor = self.predictor.extractor
        outside = self._extractor.for_workers or TrackExtractor({})
        self._outside = outside.encoders
        self.workers = Workers(
            outside,
            count=settings.workers if outside.encoders else 1,
            seconds=settings.max_seconds,
            restarted=self.statistics.restarts.inc,
        )
        self._batcher: Batcher[Job, Answer] = Batcher(
            self._answers,
            size=settings.batch_size,
            seconds=settings.batch_milliseconds / 1000,
            computed=self.statistics.batch.observe,
        )
        self._explaining = ThreadPoolExecutor(1, thread_name_prefix="deephits-explain")
        self.open = True

    def _warm_up(self) -> None:
        """Compile the graph for one row and for several."""
        for rows in (1, 2, 3):
            zeros = {t.name: np.zeros((rows, *t.shape), t.dtype) for t in self.info.inputs}
            self.predictor.score(zeros)

    @property
    def ready(self) -> bool:
        """Whether requests are answered."""
        return self.open and bool(self.workers.pids)

    async def predict(self, track: Track) -> Predicted:
        """Predict a track.

        Returns:
            Its prediction, and its features.

        Raises:
            FieldError: for a field that no encoder reads.
            RefusedError: if an input can't be used, or there is none.
        """
        extracted = await self._extracted(track)
        return cast("Predicted", await self._batcher.answer(extracted))

    def pictures(self, extracted: ExtractedTrack) -> dict[str, Picture]:
        """What encoders can draw of a track, by modality.

        Raises:
            RefusedError: if an encoder fails to.
        """
        found: dict[str, Picture] = {}
        for modality, features in extracted.features.items():
            encoder = self.predictor.encoders[modality]
            try:
                with blamed(encoder, extracted.measured.track):
                    picture = encoder.picture(features)
            except ExtractionError as error:
                reason = f"{modality} can't be drawn: {error.reason}"
                raise RefusedError(422, reason, field=modality) from error
            found |= {} if picture is None else {modality: picture}
        return found

    async def infer(self, rows: Rows) -> np.ndarray[Any, Any]:
        """The model's outputs `(rows, outputs)` for features."""
        return cast("np.ndarray[Any, Any]", await self._batcher.answer(rows, rows.count))

    async def explain(self, track: Track) -> tuple[Explanation, ExtractedTrack]:
        """Explain a track's prediction.

        Returns:
            The explanation, and the track's features.

        Raises:
            FieldError: as in `predict`.
            RefusedError: as in `predict`, or if the model is a bundle.
        """
        if not self.info.explains:
            raise RefusedError(
                409, "An exported model can't be explained: serve the run it came from"
            )
        extracted = await self._extracted(track)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._explaining, self._explained, extracted)

    async def close(self) -> None:
        """Answer what was accepted, then end all processes and threads."""
        self.open = False
        await self._batcher.close()
        self._explaining.shutdown()
        await asyncio.to_thread(self.workers.close)

    async def _extracted(self, track: Track) -> ExtractedTrack:
        unread = require_read(track, self.predictor.encoders.values(), self.cleaning)
        extracted = await self._extracted_outside(track)
        measured = extracted.measured
        warnings = (*measured.warnings, *ignored(unread))
        return dataclasses.replace(
            extracted, measured=dataclasses.replace(measured, warnings=warnings)
        )

    async def _extracted_outside(self, track: Track) -> ExtractedTrack:
        if not (wanted := self._needed(track)):
            return ExtractedTrack(MeasuredTrack(track, {}))
        task = Task(track, wanted, self.settings.max_minutes)
        loop = asyncio.get_running_loop()
        threads = self.workers.threads
        extracted = await loop.run_in_executor(threads, self.workers.extract, task)
        _require_usable(extracted)
        return extracted

    def _needed(self, track: Track) -> tuple[str, ...]:
        """Modalities to extract in a worker process, of which the track has a file or text."""
        given = {*track.files, *track.texts}
        return tuple(m for m, encoder in self._outside.items() if given & _names(encoder, given))

    def _answers(self, jobs: list[Job]) -> Sequence[Answer | Exception]:
        """Answer jobs by one forward pass."""
        sent_tracks = [job for job in jobs if isinstance(job, ExtractedTrack)]
        tracks = self._extractor.completed(sent_tracks)
        parts = [job.inputs for job in jobs if isinstance(job, Rows)]
        if tracks:
            parts.append(self.predictor.model_inputs(tracks))
        inputs = {
            tensor.name: np.concatenate([part[tensor.name] for part in parts])
            for tensor in self.info.inputs
        }
        outputs = self.predictor.score(inputs)
        sizes = [job.count for job in jobs if isinstance(job, Rows)]
        *rows, rest = np.split(outputs, np.cumsum(sizes))
        sent = iter(rows)
        predicted = map(_usable, tracks, self.predictor.describe(tracks, rest))
        return [next(sent) if isinstance(job, Rows) else next(predicted) for job in jobs]

    def _explained(self, given: ExtractedTrack) -> tuple[Explanation, ExtractedTrack]:
        from deephits_keras.explanation.track import TrackExplainer

        (extracted,) = self._extractor.completed([given])
        _require_usable(extracted)
        try:
            return TrackExplainer(self.predictor).explain_extracted(extracted), extracted
        except DeepHitsError as error:
            raise RefusedError(422, str(error)) from error


def _names(encoder: AnyEncoder, given: set[str]) -> set[str]:
    """Names of what an encoder reads; all that is given if it doesn't declare it."""
    declared = inputs_of(encoder)
    return given if declared is None else {each.name for each in declared}


def _usable(extracted: ExtractedTrack, prediction: TrackPrediction) -> Predicted | Exception:
    try:
        _require_usable(extracted)
    except RefusedError as refusal:
        return refusal
    if prediction.popularity is None:
        return RefusedError(422, "There is nothing to predict from: every input is missing")
    return prediction, extracted


def _require_usable(extracted: ExtractedTrack) -> None:
    """Refuse an input that was given and can't be used, instead of predicting without it.

    Raises:
        RefusedError: with the modality and the reason.
    """
    for modality, outcome in extracted.outcomes.items():
        if isinstance(outcome, ExtractionError):
            raise RefusedError(422, f"{modality} can't be used: {outcome.reason}", field=modality)
