"""Essentia's TensorFlow models, from a folder of the user.

They are licensed under CC BY-NC-SA 4.0 and not part of this package: https://essentia.upf.edu/models.html.
MusiCNN, trained on the Million Song Dataset, turns patches of a log-mel spectrogram into vectors
of size 200; small heads predict danceability, voice, acoustic sound, arousal and valence. Each
model is a frozen graph (`.pb`) with a description (`.json`). The PyPI package of Essentia can't run
them, so TensorFlow does, on input computed by Essentia as in its examples.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from deephits_keras.errors import UserError
from deephits_keras.utils.files import hash_of_files, read_json
from deephits_keras.utils.records import from_plain

from .measure import decoded_copy, import_essentia
from .model import Model

WEBSITE = "https://essentia.upf.edu/models.html"
EMBEDDING = "msd-musicnn-1"
"""The model before every head: maps patches of a spectrogram to vectors."""

EMBEDDING_SIZE = 200
HEADS = {
    "danceability-msd-musicnn-1": ("danceable",),
    "mood_acoustic-msd-musicnn-1": ("acoustic",),
    "voice_instrumental-msd-musicnn-1": ("instrumental",),
    "deam-msd-musicnn-2": ("valence", "arousal"),
    "emomusic-msd-musicnn-2": ("valence", "arousal"),
}
"""Heads that are used if present, with the classes that are read."""

MODEL_STATISTICS = tuple(f"{head}.{name}" for head, names in HEADS.items() for name in names)
"""Statistics of the models in addition to `measure.STATISTICS`: means over patches.

Class scores are within 0 and 1; DEAM's and emoMusic's valence and arousal within 1 and 9.
"""

UNIT = (1.0, 0.0)
FROM_1_TO_9 = (1 / 8, -1 / 8)
DESCRIPTORS = {
    "acousticness": (("mood_acoustic-msd-musicnn-1.acoustic",), UNIT),
    "danceability": (("danceability-msd-musicnn-1.danceable",), UNIT),
    "energy": (("deam-msd-musicnn-2.arousal", "emomusic-msd-musicnn-2.arousal"), FROM_1_TO_9),
    "instrumentalness": (("voice_instrumental-msd-musicnn-1.instrumental",), UNIT),
    "valence": (("deam-msd-musicnn-2.valence", "emomusic-msd-musicnn-2.valence"), FROM_1_TO_9),
}
"""Statistics that are used for a descriptor (the first available), with factor and offset."""

SAMPLE_RATE = 16_000
FRAME, HOP, BANDS = 512, 256, 96
PATCH, PATCH_HOP = 187, 93
"""Frames per patch (3 s) and hop between patches, as in TensorflowPredictMusiCNN."""

BATCH = 8
"""Patches per batch; the first layer's output takes 9 MB per patch."""

Statistics = np.ndarray[Any, np.dtype[np.float32]]


@dataclass(frozen=True)
class ModelFolder:
    """The models that were found in a folder.

    Attributes:
        embedding: MusiCNN.
        heads: The available heads, in the order of `HEADS`.
    """

    embedding: Model
    heads: tuple[Model, ...]

    @property
    def statistics(self) -> tuple[str, ...]:
        """The names in `MODEL_STATISTICS` that these models provide."""
        return tuple(f"{head.name}.{name}" for head in self.heads for name in HEADS[head.name])

    def fingerprint(self) -> str:
        """SHA-256 of the used files, independent of their folder, in hexadecimal."""
        models = (self.embedding, *self.heads)
        names = [f"{model.name}{suffix}" for model in models for suffix in (".json", ".pb")]
        return hash_of_files(self.embedding.folder, names)


def find_models(folder: Path) -> ModelFolder:
    """The models in a folder; only their descriptions are read.

    Raises:
        UserError: if MusiCNN or all heads are missing, one of a model's two files is missing, or
            a description doesn't match Essentia's.
    """
    if not folder.is_dir():
        raise UserError(f"There is no folder {folder} of Essentia's models. {_how_to_get()}")
    if not _is_there(folder, EMBEDDING):
        raise UserError(f"{folder} has no {EMBEDDING}, which every model needs. {_how_to_get()}")
    heads = tuple(_read_head(folder, name) for name in HEADS if _is_there(folder, name))
    if not heads:
        raise UserError(f"{folder} has {EMBEDDING} and no model that uses it. {_how_to_get()}")
    return ModelFolder(_read_embedding(folder), heads)


def _how_to_get() -> str:
    names = ", ".join((EMBEDDING, *HEADS))
    return f"Download the .pb and the .json of {names}, or some of them, from {WEBSITE}"


def _is_there(folder: Path, name: str) -> bool:
    files = [folder / f"{name}{suffix}" for suffix in (".pb", ".json")]
    missing = [file.name for file in files if not file.is_file()]
    if len(missing) == 1:
        raise UserError(f"{folder} lacks {missing[0]}, the other half of the model {name}")
    return not missing


def _read_embedding(folder: Path) -> Model:
    return _read_model(folder, EMBEDDING, "embeddings", (PATCH, BANDS), EMBEDDING_SIZE)


def _read_head(folder: Path, name: str) -> Model:
    path = folder / f"{name}.json"
    classes = _described(path).classes or []
    if not all(label in classes for label in HEADS[name]):
        wanted = ", ".join(HEADS[name])
        raise UserError(f"{path} must name the class {wanted}. Received: classes={classes!r}")
    columns = tuple(classes.index(label) for label in HEADS[name])
    return _read_model(folder, name, "predictions", (EMBEDDING_SIZE,), len(classes), columns)


def _read_model(
    folder: Path,
    name: str,
    purpose: str,
    shape: tuple[int, ...],
    size: int,
    columns: tuple[int, ...] = (),
) -> Model:
    path = folder / f"{name}.json"
    schema = _described(path).schema
    inputs = [node for node in schema.inputs if node.shape == list(shape)]
    outputs = [node for node in schema.outputs if node.output_purpose == purpose]
    if not inputs:
        raise UserError(f"{path} describes no input of shape {list(shape)}")
    if not outputs or (outputs[0].shape or [])[-1:] != [size]:
        raise UserError(f"{path} describes no output for {purpose} of {size} values")
    return Model(name, folder, inputs[0].name, outputs[0].name, shape, size, columns)


@dataclass(frozen=True)
class _Node:
    """An input or an output of a graph."""

    name: str
    shape: list[Any] | None = None
    output_purpose: str = ""


@dataclass(frozen=True)
class _Schema:
    inputs: list[_Node]
    outputs: list[_Node]


@dataclass(frozen=True)
class _Description:
    """The used part of a model's JSON description."""

    schema: _Schema
    classes: list[str] | None = None


def _described(path: Path) -> _Description:
    values = read_json(path, "a description of one of Essentia's models")
    blame = f"{path} doesn't describe one of Essentia's models"
    return from_plain(values, _Description, blame, closed=False)


class LoadedModels:
    """The models of a folder, loaded.

    Args:
        found: The models.

    Raises:
        UserError: if a graph can't be used; see `graphs.FrozenGraph`.
    """

    def __init__(self, found: ModelFolder) -> None:
        from .graphs import FrozenGraph

        self.statistics = found.statistics
        self.embed = FrozenGraph(found.embedding)
        self.heads = {model: FrozenGraph(model) for model in found.heads}

    def predict(self, recording: Path) -> Statistics:
        """Predictions of the models for a recording.

        Args:
            recording: A file that was decoded by the package.

        Returns:
            `(len(MODEL_STATISTICS),)` float32, NaN for missing models, and all NaN for a
            recording shorter than a patch (3 s).

        Raises:
            UserError: if a graph can't be run.
        """
        values = dict.fromkeys(MODEL_STATISTICS, np.nan)
        patches = input_patches(recording)
        if len(patches):
            starts = range(0, len(patches), BATCH)
            vectors = np.concatenate([self.embed(patches[s : s + BATCH]) for s in starts])
            means = [head(vectors).mean(axis=0)[list(m.columns)] for m, head in self.heads.items()]
            values |= dict(zip(self.statistics, np.concatenate(means), strict=True))
        return np.array([*values.values()], dtype=np.float32)


def load_models(folder: Path) -> LoadedModels:
    """The models in a folder, loaded once per process.

    Raises:
        UserError: if they can't be used; see `find_models` and `graphs.FrozenGraph`.
    """
    found = find_models(folder)
    return _load(found, found.fingerprint())


@lru_cache(maxsize=1)
def _load(found: ModelFolder, content: str) -> LoadedModels:
    del content  # part of the cache key only, so that replaced models are loaded again
    return LoadedModels(found)


def input_patches(recording: Path) -> Statistics:
    """The spectrogram that MusiCNN was trained on, in patches.

    Decoded and resampled as in Essentia's examples; then 96 Slaney mel bands of the power of
    frames of 512 samples at 16 kHz, a hop of 256, and log10(1 + 10000 x).

    Args:
        recording: A file that was decoded by the package.

    Returns:
        `(patches, 187, 96)` float32; the remainder at the end is dropped.
    """
    standard = import_essentia()
    with decoded_copy(recording) as (copy, _):
        audio = standard.MonoLoader(filename=str(copy), sampleRate=SAMPLE_RATE, resampleQuality=4)()
    bands = standard.TensorflowInputMusiCNN()
    frames = [bands(f) for f in standard.FrameGenerator(audio, frameSize=FRAME, hopSize=HOP)]
    starts = range(0, len(frames) - PATCH + 1, PATCH_HOP)
    patches = [np.stack(frames[start : start + PATCH]) for start in starts]
    return np.array(patches, dtype=np.float32).reshape(-1, PATCH, BANDS)
