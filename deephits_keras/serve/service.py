"""The model behind the server: extraction in processes, forward passes in batches."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from deephits_keras.encoders.inputs import inputs_of
from deephits_keras.encoders.registry import AnyEncoder
from deephits_keras.errors import DeepHitsError
from deephits_keras.prediction.asked import require_read
from deephits_keras.prediction.predictor import Predictor, TrackPrediction
from deephits_keras.prediction.preparation import PreparedTrack
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


Job = PreparedTrack | Rows
Answer = TrackPrediction | np.ndarray[Any, Any]


class Service:
    """Answers tracks and features.

    Args:
        model: The run or bundle.
        settings: Limits.
        encoder_settings: Encoder settings with which it was opened, for the worker processes.
        name: Its name; by default that of its folder.

    Raises:
        UserError: if it can't be loaded.
    """

    def __init__(
        self,
        model: Scorer,
        settings: ServeSettings,
        encoder_settings: Mapping[str, Mapping[str, Any]] | None = None,
        name: str = "",
    ) -> None:
        self.model, self.settings = model, settings
        self.info = ModelInfo.of(model, name)
        self.statistics = Statistics()
        self.predictor = Predictor(model)
        self._warm_up()
        self.workers = Workers(
            model.folder,
            encoder_settings or {},
            count=settings.workers if self.info.files or self.info.texts else 1,
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

    async def predict(self, track: Track) -> TrackPrediction:
        """Predict a track.

        Raises:
            FieldError: for a field that no encoder reads.
            RefusedError: if an input can't be used, or there is none.
        """
        return await self._answer(await self._prepared(track))

    async def infer(self, rows: Rows) -> np.ndarray[Any, Any]:
        """The model's outputs `(rows, outputs)` for features."""
        return cast("np.ndarray[Any, Any]", await self._batcher.answer(rows, rows.count))

    async def explain(self, track: Track) -> Explanation:
        """Explain a track's prediction.

        Raises:
            FieldError: as in `predict`.
            RefusedError: as in `predict`, or if the model is a bundle.
        """
        if not self.info.explains:
            raise RefusedError(
                409, "An exported model can't be explained: serve the run it came from"
            )
        prepared = await self._prepared(track)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._explaining, self._explained, prepared)

    async def close(self) -> None:
        """Answer what was accepted, then end all processes and threads."""
        self.open = False
        await self._batcher.close()
        self._explaining.shutdown()
        await asyncio.to_thread(self.workers.close)

    async def _prepared(self, track: Track) -> PreparedTrack:
        require_read(track, self.predictor.encoders.values())
        prepared = PreparedTrack(track)
        if outside := self._outside(track):
            task = Task(prepared, outside, self.settings.max_minutes)
            loop = asyncio.get_running_loop()
            threads = self.workers.threads
            prepared = await loop.run_in_executor(threads, self.workers.extract, task)
            _require_usable(prepared)
        return prepared

    def _outside(self, track: Track) -> tuple[str, ...]:
        """Modalities to extract in a worker process: those that read a file or text of the track.

        Encoders that use every core themselves stay in this process, in batches.
        """
        given = {*track.files, *track.texts}
        return tuple(
            modality
            for modality, encoder in self.predictor.encoders.items()
            if encoder.parallel and given & _names(encoder, given)
        )

    async def _answer(self, prepared: PreparedTrack) -> TrackPrediction:
        return cast("TrackPrediction", await self._batcher.answer(prepared))

    def _answers(self, jobs: list[Job]) -> Sequence[Answer | Exception]:
        """Answer jobs by one forward pass."""
        tracks = [job for job in jobs if isinstance(job, PreparedTrack)]
        self.predictor.preparer.prepare(tracks)
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
        sent, predicted = iter(rows), iter(self.predictor.describe(tracks, rest))
        return [
            next(sent) if isinstance(job, Rows) else _usable(job, next(predicted)) for job in jobs
        ]

    def _explained(self, prepared: PreparedTrack) -> Explanation:
        from deephits_keras.explanation.track import TrackExplainer

        self.predictor.preparer.prepare([prepared])
        _require_usable(prepared)
        try:
            return TrackExplainer(self.predictor).explain_prepared(prepared)
        except DeepHitsError as error:
            raise RefusedError(422, str(error)) from error


def _names(encoder: AnyEncoder, given: set[str]) -> set[str]:
    """Names of what an encoder reads; all that is given if it doesn't declare it."""
    declared = inputs_of(encoder)
    return given if declared is None else {each.name for each in declared}


def _usable(prepared: PreparedTrack, prediction: TrackPrediction) -> TrackPrediction | Exception:
    try:
        _require_usable(prepared)
    except RefusedError as refusal:
        return refusal
    if prediction.popularity is None:
        return RefusedError(422, "There is nothing to predict from: every input is missing")
    return prediction


def _require_usable(prepared: PreparedTrack) -> None:
    """Refuse an input that was given and can't be used, instead of predicting without it.

    Raises:
        RefusedError: with the modality and the reason.
    """
    for modality, reason in prepared.refused.items():
        raise RefusedError(422, f"{modality} can't be used: {reason}", field=modality)
