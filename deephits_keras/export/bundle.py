"""A bundle: an exported model with all data that prediction needs. Read without Keras.

bundle.json      description of the model (`Manifest`); docs/export.md describes each field
model.onnx       the graph, of float32 and int32 inputs with a dynamic batch
examples.npz     inputs of two example tracks, and the model's outputs for them
README.md        the model card
checksums.json   SHA-256 of all of these

A bundle may be untrusted: every file is compared with its checksum, and the graph is inspected
(`inspection`) before anything is loaded.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np

from deephits_keras.encoders.registry import AnyEncoder, registry
from deephits_keras.errors import UserError
from deephits_keras.evaluation.calibration import Calibration
from deephits_keras.export.files import CARD, CHECKSUMS, EXAMPLES, MANIFEST
from deephits_keras.export.inspection import check_graph
from deephits_keras.export.tensors import TensorInfo, tensors
from deephits_keras.runs.config import EncoderRecord, RunConfig
from deephits_keras.runs.scorer import Score
from deephits_keras.tasks import Task, get_task
from deephits_keras.utils.files import read_json, read_record, sha256
from deephits_keras.utils.records import from_plain

WHAT = "a deephits bundle"
GRAPHS = {"onnx": "model.onnx"}
"""File name of the graph by format."""

FORMAT = 1
LARGEST_GRAPH = 2**31
"""Largest size of an ONNX file, in bytes."""


@dataclass(frozen=True)
class Manifest:
    """Content of `bundle.json`.

    Attributes:
        format: Version of this layout.
        kind: Format of the graph: `onnx`.
        graph: Name of its file.
        inputs: Its inputs.
        output: Name, shape and description of its output.
        run: The run's `config.json`: task, encoders with version and settings, training, split,
            versions, and whether the corpus is synthetic.
        calibration: The run's `calibration.json`; the temperature is already in the graph.
        licences: Licences of the code and of the weights.
        unseen_columns: Fields without a value in any training track, by modality.
    """

    format: int
    kind: str
    graph: str
    inputs: tuple[TensorInfo, ...]
    output: dict[str, Any]
    run: RunConfig
    calibration: Calibration
    licences: dict[str, str]
    unseen_columns: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @classmethod
    def from_run(
        cls,
        config: RunConfig,
        calibration: Calibration,
        encoders: Mapping[str, AnyEncoder],
        *,
        kind: str,
        weights_licence: str,
        unseen_columns: Mapping[str, tuple[str, ...]],
    ) -> Self:
        """Create the manifest of a run's model.

        Args:
            config: The run's configuration.
            calibration: Its calibration.
            encoders: Its encoders.
            kind: Format of the graph.
            weights_licence: Licence of the weights.
            unseen_columns: Those of the run.
        """
        task = get_task(config.task)
        return cls(
            format=FORMAT,
            kind=kind,
            graph=GRAPHS[kind],
            inputs=tuple(tensors(encoders)),
            output={
                "name": "outputs",
                "shape": [task.outputs],
                "meaning": "popularity / 100"
                if task.kind == "regression"
                else "logits of the tiers, over the temperature",
                "tiers": list(task.tiers.labels),
            },
            # Paths and commands of the training machine are removed.
            run=dataclasses.replace(config, command="", corpus={**config.corpus, "folder": ""}),
            calibration=calibration,
            licences={"code": "Apache-2.0 (deephits-keras)", "weights": weights_licence},
            unseen_columns=unseen_columns,
        )

    @classmethod
    def from_json(cls, values: Any, where: str | Path = MANIFEST) -> Self:
        """Create a manifest from the values of its JSON file.

        Args:
            values: The content of the file.
            where: The file's name in messages.

        Raises:
            UserError: if something is missing, of the wrong type or of another version.
        """
        blame = f"{where} is damaged"
        if not isinstance(values, dict) or values.get("format") != FORMAT:
            raise UserError(f"{blame}: another version of deephits-keras wrote it")
        if values.get("kind") not in GRAPHS or values.get("graph") != GRAPHS[values["kind"]]:
            known = ", ".join(f"{graph} of {kind}" for kind, graph in GRAPHS.items())
            raise UserError(f"{blame}: the graph must be {known}")
        config = RunConfig.from_json(values.get("run", {}), f"{where}: run")
        return from_plain({**values, "run": config}, cls, blame)


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
        check_files(folder)
        manifest = folder / MANIFEST
        self.manifest = Manifest.from_json(read_json(manifest, WHAT), manifest)
        self.config = self.manifest.run
        self.settings = settings or {}

    @property
    def calibration(self) -> Calibration:
        """The prediction sets; the temperature is already in the graph."""
        return self.manifest.calibration

    @property
    def task(self) -> Task:
        """The task of the model."""
        return get_task(self.config.task)

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
        return load_encoders(self.config.modalities, self.settings)

    @cached_property
    def session(self) -> Any:
        """The graph in onnxruntime, after inspection.

        Raises:
            UserError: if onnxruntime isn't installed, or the graph doesn't match the manifest.
        """
        try:
            import onnxruntime
        except ImportError:
            raise UserError(
                "A bundle is run by onnxruntime: pip install 'deephits-keras[runtime]'"
            ) from None
        path = self.folder / self.manifest.graph
        check_graph(path, self.manifest.inputs, self.task.outputs)
        wanted = tensors(self.encoders)
        if {(t.name, t.shape, t.dtype) for t in wanted} != {
            (t.name, t.shape, t.dtype) for t in self.manifest.inputs
        }:
            raise UserError(f"{path} has other inputs than its encoders give")
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        try:
            return onnxruntime.InferenceSession(
                str(path), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:
            raise UserError(f"{path} can't be loaded: {error}") from error

    @property
    def scorer(self) -> Score:
        """The graph as a function of arrays `(batch, *shape)` by input name."""
        session = self.session
        return lambda inputs: np.asarray(session.run(["outputs"], dict(inputs))[0])


def load_encoders(
    records: Mapping[str, EncoderRecord], settings: Mapping[str, Mapping[str, Any]]
) -> dict[str, AnyEncoder]:
    """The encoders of an exported model, by modality.

    Raises:
        UserError: if one isn't installed in the version that was used, or serves another modality.
    """
    encoders = {
        modality: record.load(
            {**settings.get(modality, {}), **settings.get(record.encoder, {})}, registry()
        )
        for modality, record in records.items()
    }
    for modality, encoder in encoders.items():
        if encoder.modality != modality:
            raise UserError(f"{encoder.name} does not serve the modality {modality!r}")
    return encoders


def check_files(folder: Path) -> int:
    """Compare every file of a bundle with its checksum.

    Returns:
        The number of files.

    Raises:
        UserError: if one is missing, differs, is a link, or doesn't belong to a bundle.
    """
    recorded = read_record(folder / CHECKSUMS, dict[str, str], WHAT)
    wanted, names = {MANIFEST, EXAMPLES, CARD}, set(recorded)
    if not (wanted < names and len(names - wanted) == 1 and names - wanted <= {*GRAPHS.values()}):
        raise UserError(
            f"{folder / CHECKSUMS} must name {', '.join(sorted(wanted))} and a graph. "
            f"Received: {', '.join(sorted(map(repr, names)))}"
        )
    for name in sorted(names):
        path = folder / name
        if path.is_symlink() or not path.is_file():
            raise UserError(f"{path} is missing, or is a link")
        if path.stat().st_size > LARGEST_GRAPH:
            raise UserError(f"{path} is larger than any file of a bundle")
        if sha256(path) != recorded[name]:
            raise UserError(f"{path} has changed since the bundle was made: copy it again")
    return len(names)


def is_bundle(folder: Path) -> bool:
    """Whether a folder contains the manifest of a bundle."""
    return (folder / MANIFEST).is_file()
