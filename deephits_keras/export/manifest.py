"""Content of `bundle.json`; docs/export.md describes each field."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from deephits_keras.encoders.registry import AnyEncoder
from deephits_keras.errors import UserError
from deephits_keras.evaluation.calibration import Calibration
from deephits_keras.export.files import MANIFEST
from deephits_keras.export.quantized import Quantization
from deephits_keras.export.tensors import TensorInfo, tensors
from deephits_keras.runs.config import RunConfig
from deephits_keras.tasks import Task, get_task
from deephits_keras.utils.records import from_plain

FORMAT = 1


def output_of(task: Task) -> dict[str, Any]:
    """Name, shape and description of a graph's output, with the labels of the tiers."""
    logits = "logits of the tiers, over the temperature"
    return {
        "name": "outputs",
        "shape": [task.outputs],
        "meaning": "popularity / 100" if task.kind == "regression" else logits,
        "tiers": list(task.tiers.labels),
    }


@dataclass(frozen=True)
class Manifest:
    """Content of `bundle.json`.

    Attributes:
        format: Version of this layout.
        kind: Format of the graph (`export.formats`).
        graph: Name of its file.
        inputs: Its inputs.
        output: Name, shape and description of its output.
        run: The run's `config.json`: task, encoders with version and settings, training, split,
            versions, and whether the corpus is synthetic.
        calibration: The run's `calibration.json`; the temperature is already in the graph.
        licences: Licences of the code and of the weights, and of published weights among them.
        unseen_columns: Fields without a value in any training track, by modality.
        batch: The only batch size that the graph accepts; None if it accepts any.
        portable: By modality, the settings of its encoder whose value is its folder in the bundle.
        quantized: Effect of 8-bit weights; None if the weights are float32.
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
    batch: int | None = None
    portable: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    quantized: Quantization | None = None

    def __post_init__(self) -> None:
        if self.batch is not None and self.batch < 1:
            raise ValueError(f"batch must be null or a number of tracks. Received: {self.batch}")
        # Other programs take the names of the tiers from here.
        if self.output != (wanted := output_of(get_task(self.run.task))):
            raise ValueError(f"output must be {wanted}. Received: {self.output!r:.200}")

    @classmethod
    def from_run(
        cls,
        config: RunConfig,
        calibration: Calibration,
        encoders: Mapping[str, AnyEncoder],
        *,
        kind: str,
        graph: str,
        weights_licence: str,
        unseen_columns: Mapping[str, tuple[str, ...]],
    ) -> Self:
        """Create the manifest of a run's model.

        Args:
            config: The run's configuration.
            calibration: Its calibration.
            encoders: Its encoders.
            kind: Format of the graph.
            graph: Name of its file.
            weights_licence: Licence of the weights.
            unseen_columns: Those of the run.
        """
        licences = {"code": "Apache-2.0 (deephits-keras)", "weights": weights_licence}
        if published := sorted({own.weights for own in config.modalities.values() if own.weights}):
            licences["published_weights"] = "; ".join(published)
        return cls(
            format=FORMAT,
            kind=kind,
            graph=graph,
            inputs=tuple(tensors(encoders)),
            output=output_of(get_task(config.task)),
            run=_without_paths(config),
            calibration=calibration,
            licences=licences,
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
        # By hand: a newer format is told before its fields, those of the run's configuration too.
        if not isinstance(values, dict):
            raise UserError(f"{blame}: it must hold an object")
        if (found := values.get("format")) != FORMAT:
            raise UserError(
                f"{where} was written by another version of deephits-keras: its format is "
                f"{found!r:.20}, and this version reads {FORMAT}"
            )
        config = RunConfig.from_json(values.get("run", {}), f"{where}: run")
        return from_plain({**values, "run": config}, cls, blame)


def _without_paths(config: RunConfig) -> RunConfig:
    """A run's configuration without the command and the folders of the training machine."""
    modalities = {
        name: dataclasses.replace(record, source="")
        if record.source.startswith("file:")
        else record
        for name, record in config.modalities.items()
    }
    return dataclasses.replace(
        config,
        command="",
        corpus={**config.corpus, "folder": ""},
        modalities=modalities,
        start=config.start and dataclasses.replace(config.start, run=""),
    )
