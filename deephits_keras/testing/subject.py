"""The encoder under test, its tracks, and intermediate results that checks share."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import zlib
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from deephits_keras.encoders.features import POPULARITY, ExtractionError, Features
from deephits_keras.encoders.inputs import as_declared, inputs_of
from deephits_keras.encoders.registry import AnyEncoder
from deephits_keras.errors import UserError
from deephits_keras.features.outcomes import fault
from deephits_keras.tracks import Track
from deephits_keras.utils.global_state import seeded

if TYPE_CHECKING:
    import keras


WORKER_SECONDS = 300
VARIED_ROWS = 8


class CheckError(AssertionError):
    """An encoder breaks the contract; the message says how, and what to change."""


class CheckSkipped(Exception):  # noqa: N818
    """A check can't be run or doesn't apply; the message states the reason."""


def require(condition: object, message: str) -> None:
    """Fail the check with `message` unless `condition` holds."""
    if not condition:
        raise CheckError(message)


class Subject:
    """An encoder under test.

    Args:
        encoder: The encoder.
        tracks: Different tracks with the modality; the encoder's `example_tracks` by default.
        bad_tracks: Tracks with unusable input, in addition to the encoder's `bad_tracks`.
    """

    def __init__(
        self,
        encoder: AnyEncoder,
        tracks: Sequence[Track] | None = None,
        bad_tracks: Sequence[Track] = (),
    ) -> None:
        self.encoder = encoder
        self._bad_tracks = tuple(bad_tracks)
        self._tracks = tracks
        self._folder = tempfile.TemporaryDirectory(prefix="deephits-check-")
        self.folder = Path(self._folder.name)

    def fresh(self) -> AnyEncoder:
        """A new encoder with the same configuration, not adapted."""
        return type(self.encoder)(self.encoder.config)

    def new_folder(self) -> Path:
        """An empty folder that is removed with the subject."""
        return Path(tempfile.mkdtemp(dir=self.folder))

    # === Tracks and features ===

    @cached_property
    def tracks(self) -> tuple[Track, ...]:
        """The tracks of the checks."""
        if self._tracks is not None:
            return tuple(self._tracks)
        return tuple(self.encoder.example_tracks(self.new_folder()))

    @cached_property
    def bad_tracks(self) -> tuple[Track, ...]:
        """The tracks that `extract` must refuse."""
        return (*self._bad_tracks, *self.encoder.bad_tracks(self.new_folder()))

    @cached_property
    def usable(self) -> list[tuple[Track, Features]]:
        """The tracks with valid features, at least two, with their features.

        Raises:
            CheckSkipped: if there are fewer.
        """
        found = []
        for track in self.tracks:
            try:
                features = self.encoder.extract(track)
            except Exception as error:
                raise CheckSkipped("needs features: see the checks of extract") from error
            if features is not None and not fault(self.encoder, features):
                found.append((track, features))
        if len(found) < 2:
            raise CheckSkipped("needs the features of two tracks: see the checks of extract")
        return found

    @property
    def features(self) -> list[Features]:
        """The features of the usable tracks."""
        return [features for _, features in self.usable]

    def stored(self) -> Features:
        """The features of all usable tracks as one batch, in their stored dtypes."""
        return stack(self.features)

    def training_batch(self, features: Sequence[Features] | None = None) -> Features:
        """A batch for `adapt`, by default of the usable tracks; with popularity if required."""
        chosen = self.features if features is None else features
        batch = stack(chosen)
        if self.encoder.needs_popularity:
            sums = [zlib.crc32(b"".join(f[name].tobytes() for name in sorted(f))) for f in chosen]
            batch[POPULARITY] = np.array([s % 101 for s in sums], np.float32)
        return batch

    def inputs(self, features: Sequence[Features] | None = None) -> Features:
        """A batch of inputs of the branch, by default of the usable tracks."""
        from deephits_keras.encoders.features import input_dtype

        batch = stack(self.features if features is None else features)
        return {
            spec.name: batch[spec.name].astype(input_dtype(spec))
            for spec in self.encoder.feature_specs
        }

    def varied_inputs(self) -> Features:
        """Random rows; each value is that of a random track.

        Every value keeps its place, so that categories stay valid.
        """
        rng = np.random.default_rng(0)
        varied = {}
        for name, values in self.inputs().items():
            drawn = rng.integers(len(values), size=(VARIED_ROWS, *values.shape[1:]))
            varied[name] = np.take_along_axis(values, drawn, axis=0)
        return varied

    # === The branch ===

    def adapted(self) -> AnyEncoder:
        """A new encoder, adapted to the usable tracks.

        Raises:
            CheckSkipped: if `adapt` fails.
        """
        encoder = self.fresh()
        try:
            encoder.adapt([self.training_batch()])
        except Exception as error:
            raise CheckSkipped("needs a working adapt: see the checks of adapt") from error
        return encoder

    def branch(self, seed: int = 0) -> keras.Model:
        """The branch of an adapted encoder as a model.

        Raises:
            CheckSkipped: if it can't be built.
        """
        encoder = self.adapted()
        try:
            with seeded(seed):
                model = branch_of(encoder)
            if len(model.outputs[0].shape) != 2 or model.outputs[0].shape[-1] is None:
                raise ValueError("not an embedding")
        except Exception as error:
            raise CheckSkipped("needs the branch: see the check embedding_shape") from error
        return model

    @cached_property
    def shared_branch(self) -> keras.Model:
        """A branch for the checks that don't change it."""
        return self.branch()

    # === Other processes ===

    def ask_worker(self, question: str, environment: Mapping[str, str], **job: Any) -> Any:
        """Run `testing.worker` in its own Python process.

        Args:
            question: Name of the task in `worker`.
            environment: Environment variables to set.
            **job: Arguments of the task, as JSON types.

        Returns:
            The answer, as JSON types.

        Raises:
            CheckError: if the process fails, with its last output.
        """
        encoder_class = type(self.encoder)
        described = {
            "question": question,
            "module": encoder_class.__module__,
            "class": encoder_class.__qualname__,
            "config": self.encoder.get_config(),
            **job,
        }
        path = os.pathsep.join(str(Path(entry).resolve()) for entry in sys.path)
        done = subprocess.run(
            [sys.executable, "-m", "deephits_keras.testing.worker"],
            input=json.dumps(described),
            capture_output=True,
            text=True,
            cwd=self.new_folder(),
            env={**os.environ, "PYTHONPATH": path, "TF_CPP_MIN_LOG_LEVEL": "3", **environment},
            timeout=WORKER_SECONDS,
        )
        words = done.stderr.strip().splitlines() or ["it said nothing"]
        require(
            done.returncode == 0,
            f"a Python process of its own failed with: {words[-1]}. Define the class at the top "
            f"level of an importable module; it is {encoder_class.__module__}."
            f"{encoder_class.__qualname__}",
        )
        return json.loads(done.stdout.splitlines()[-1])


def branch_of(encoder: AnyEncoder) -> keras.Model:
    """An encoder's branch as a model that maps features to the embedding."""
    import keras

    from deephits_keras.encoders.features import input_dtype

    inputs = {
        spec.name: keras.Input(spec.shape, dtype=input_dtype(spec), name=spec.name)
        for spec in encoder.feature_specs
    }
    return keras.Model(inputs, encoder.build(inputs))


def stack(features: Sequence[Features]) -> Features:
    """Tracks' features as one batch."""
    return {name: np.stack([f[name] for f in features]) for name in features[0]}


def same_bytes(first: Features, second: Features) -> bool:
    """Whether two tracks' features are identical."""
    return first.keys() == second.keys() and all(
        np.asarray(first[name]).tobytes() == np.asarray(second[name]).tobytes() for name in first
    )


def outcome(encoder: AnyEncoder, track: Track) -> Features | ExtractionError | None:
    """The result of `extract`; an `ExtractionError` is returned, not raised."""
    try:
        return encoder.extract(track)
    except ExtractionError as error:
        return error


def declared(encoder: Any, track: Track) -> Track:
    """The track with the declared inputs only, as the core passes it to an encoder."""
    try:
        return as_declared(track, inputs_of(encoder))
    except UserError as error:
        raise CheckSkipped("needs its inputs: see inputs_are_all_that_is_read") from error


def raised(method: str, error: Exception) -> str:
    """Message for an unexpected exception of a method."""
    return f"{method} raised {type(error).__name__}: {error}"
