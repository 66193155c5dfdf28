"""A bundle: an exported model with all data that prediction needs. Read without Keras.

bundle.json      description of the model (`Manifest`)
model.onnx       the graph, of float32 and int32 inputs; other formats have other files
encoders/        files that encoders need without Keras, by modality
examples.npz     inputs of two example tracks, and the model's outputs for them
README.md        the model card
checksums.json   SHA-256 of all of these

A bundle may be untrusted: every file is compared with its checksum, and the graph is inspected
by its format before anything is loaded.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from deephits_keras.encoders.registry import AnyEncoder
from deephits_keras.errors import UserError
from deephits_keras.evaluation.calibration import Calibration
from deephits_keras.export.files import CARD, CHECKSUMS, ENCODERS, EXAMPLES, MANIFEST
from deephits_keras.export.formats.base import Format
from deephits_keras.export.formats.registry import FORMATS
from deephits_keras.export.manifest import Manifest
from deephits_keras.export.tensors import tensors
from deephits_keras.runs.scorer import Score
from deephits_keras.tasks import Task
from deephits_keras.utils.files import read_json, read_record, sha256

WHAT = "a deephits bundle"

OF_ENCODER = re.compile(rf"{ENCODERS}/\w+/\w[\w.-]*", re.ASCII)
"""Names of the files that encoders need: none leads out of the bundle."""

LARGEST_FILE = 2**31
"""Largest size of a file, in bytes."""


class Bundle:
    """A bundle, open for prediction; a `Predictor` uses it like a run.

    Args:
        folder: The folder.
        settings: Encoder settings that override the bundle's, by encoder or modality.

    Raises:
        UserError: if the folder isn't a bundle, a file differs from its checksum, or an encoder
            isn't installed in the version that the model was trained with.

    Example:
        >>> bundle = Bundle(Path("bundle"))  # doctest: +SKIP
        >>> Predictor(bundle).predict([Track("song", audio=Path("song.mp3"))])[0].popularity
        ... # doctest: +SKIP
        41.3
    """

    def __init__(
        self, folder: Path, settings: Mapping[str, Mapping[str, Any]] | None = None
    ) -> None:
        self.folder = folder
        self.format = check_files(folder)
        manifest = folder / MANIFEST
        self.manifest = Manifest.from_json(read_json(manifest, WHAT), manifest)
        if (self.manifest.kind, self.manifest.graph) != (self.format.name, self.format.graph):
            raise UserError(
                f"{manifest} is damaged: the graph must be {self.format.graph} of "
                f"{self.format.name}. Received: {self.manifest.graph!r} of {self.manifest.kind!r}"
            )
        self.config = self.manifest.run
        self.settings = settings or {}

    @property
    def calibration(self) -> Calibration:
        """The prediction sets; the temperature is already in the graph."""
        return self.manifest.calibration

    @property
    def task(self) -> Task:
        """The task of the model, whose scores are decoded as by the run."""
        return self.calibration.task(self.config.task)

    @property
    def unseen_columns(self) -> Mapping[str, tuple[str, ...]]:
        """Fields without a value in any training track, by modality."""
        return self.manifest.unseen_columns

    @property
    def synthetic(self) -> bool:
        """Whether it was trained on a corpus made up by `deephits sample`."""
        return bool(self.config.corpus["synthetic"])

    @cached_property
    def encoders(self) -> dict[str, AnyEncoder]:
        """The encoders; they extract the graph's inputs from a track."""
        own = {
            modality: dict.fromkeys(names, str(self.folder / ENCODERS / modality))
            for modality, names in self.manifest.portable.items()
        }
        given = {**self.settings}
        for modality, values in own.items():
            given[modality] = {**values, **given.get(modality, {})}
        return self.config.load_encoders(given, f"{self.folder / MANIFEST}: run")

    @cached_property
    def scorer(self) -> Score:
        """The graph, after inspection, as a function of arrays `(batch, *shape)` by input name.

        Raises:
            UserError: if what runs its format isn't installed, or the graph doesn't match the
                manifest.
        """
        wanted = tensors(self.encoders)
        if {(t.name, t.shape, t.dtype) for t in wanted} != {
            (t.name, t.shape, t.dtype) for t in self.manifest.inputs
        }:
            how = " with these settings" if self.settings else ""
            raise UserError(
                f"{self.folder / MANIFEST} has other inputs than its encoders give{how}"
            )
        return self.format.open(self.folder, self.manifest.inputs, self.task.outputs)


def check_files(folder: Path) -> Format:
    """Compare every file of a bundle with its checksum.

    Returns:
        The format of its graph.

    Raises:
        UserError: if one is missing, differs, is a link, or doesn't belong to a bundle.
    """
    recorded = read_record(folder / CHECKSUMS, dict[str, str], WHAT)
    wanted = {MANIFEST, EXAMPLES, CARD}
    found = {name for name in recorded if not OF_ENCODER.fullmatch(name)}
    made = [kind for kind in FORMATS.values() if wanted | {*kind.files} == found]
    if not made:
        raise UserError(
            f"{folder / CHECKSUMS} must name {', '.join(sorted(wanted))} and a graph. "
            f"Received: {', '.join(sorted(map(repr, recorded)))}"
        )
    for name in sorted(recorded):
        path = folder / name
        above = [folder / parent for parent in Path(name).parents[:-1]]
        if any(each.is_symlink() for each in (path, *above)) or not path.is_file():
            raise UserError(f"{path} is missing, or is a link")
        if path.stat().st_size > LARGEST_FILE:
            raise UserError(f"{path} is larger than any file of a bundle")
        if sha256(path) != recorded[name]:
            raise UserError(f"{path} has changed since the bundle was made: copy it again")
    return made[0]


def is_bundle(folder: Path) -> bool:
    """Whether a folder contains the manifest of a bundle."""
    return (folder / MANIFEST).is_file()
