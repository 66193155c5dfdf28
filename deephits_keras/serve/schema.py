"""What a run or a bundle can be asked, as data: for the page, the reference and OpenAPI."""

from __future__ import annotations

import re
from dataclasses import dataclass

from deephits_keras.encoders.inputs import LYRICS
from deephits_keras.export.bundle import Bundle
from deephits_keras.export.form import FieldInfo, fields_of, read_by
from deephits_keras.export.tensors import TensorInfo, tensors
from deephits_keras.prediction.asked import cleaning_of
from deephits_keras.runs.scorer import Scorer
from deephits_keras.tasks import LARGEST_SCORE, Decoding


@dataclass(frozen=True)
class ModelInfo:
    """A model as the server shows it: `GET /v1/model`.

    Attributes:
        name: Name in the paths of the KServe protocol.
        kind: `run` or `bundle`.
        task: Its task.
        tiers: Labels of the tiers.
        modalities: Encoder by modality.
        features: Names of the features of each modality.
        fields: Fields that its encoders read.
        texts: Names of the texts.
        files: Names of the files.
        coverage: Probability that a prediction set contains the truth, or None without sets.
        synthetic: Whether it was trained on a synthetic corpus.
        explains: Whether it can explain its predictions.
        inputs: Inputs of the graph, for features.
        outputs: Number of the graph's outputs.
        scores: Whether it gives scores of the tiers.
        decoding: How the tier is chosen from the scores.
    """

    name: str
    kind: str
    task: str
    tiers: tuple[str, ...]
    modalities: dict[str, str]
    features: dict[str, tuple[str, ...]]
    fields: tuple[FieldInfo, ...]
    texts: tuple[str, ...]
    files: tuple[str, ...]
    coverage: float | None
    synthetic: bool
    explains: bool
    inputs: tuple[TensorInfo, ...]
    outputs: int
    scores: bool
    decoding: Decoding = LARGEST_SCORE

    @classmethod
    def from_model(cls, model: Scorer, name: str = "") -> ModelInfo:
        """Describe a run or a bundle.

        Args:
            model: The run or bundle.
            name: Its name; by default that of its folder.
        """
        read = read_by(model.encoders.values())
        task = model.task
        texts = dict.fromkeys(each.name for each in read if each.kind == "text")
        if cleaning_of(model).detect_language:
            # Their language is detected, though nothing else of them may be read.
            texts |= {LYRICS.name: None}
        bundle = isinstance(model, Bundle)
        return cls(
            name=re.sub(r"[^\w.-]+", "-", name or model.folder.resolve().name),
            kind="bundle" if bundle else "run",
            task=task.name,
            tiers=tuple(task.tiers.labels),
            modalities={m: encoder.name for m, encoder in model.encoders.items()},
            features={m: tuple(s.name for s in e.feature_specs) for m, e in model.encoders.items()},
            fields=fields_of(model.encoders, model.config.words, model.unseen_columns),
            texts=tuple(texts),
            files=tuple(each.name for each in read if each.kind == "file"),
            coverage=model.calibration.coverage or None,
            synthetic=model.synthetic,
            explains=not bundle,
            inputs=tuple(tensors(model.encoders)),
            outputs=task.outputs,
            scores=task.kind == "classification",
            decoding=task.decoding,
        )
