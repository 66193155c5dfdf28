"""DeepHits-Keras: predict the popularity of songs, and explain the predictions.

A Keras 3 implementation of *DeepHits: A Multimodal CNN Approach to Hit Song Prediction* (Nofer,
Nimani and Hinz, Mach. Learn. Knowl. Extr. 2026, 8(3), 58) around a plug-in registry of modalities.

Importing this package imports neither Keras nor TensorFlow: the names below load on first use.

Example:
    >>> import deephits_keras as dh
    >>> model = dh.build_model("mel,lyrics,meta", fusion="early", task="tiers-10")
    >>> sum(w.shape.num_elements() for w in model.trainable_variables)  # doctest: +SKIP
    476938
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from deephits_keras.utils.lazy import load_on_use
from deephits_keras.version import __version__

if TYPE_CHECKING:
    from deephits_keras.comparison.workflow import compare
    from deephits_keras.corpus.importers import import_dataset
    from deephits_keras.corpus.importing import import_table
    from deephits_keras.corpus.spotgentrack import import_spotgentrack
    from deephits_keras.corpus.table import Corpus
    from deephits_keras.drift_detection.workflow import drift
    from deephits_keras.encoders.contract import EncoderConfig, ModalityEncoder, setting
    from deephits_keras.encoders.explainable import Explainable, ExplainableFeatures, Part
    from deephits_keras.encoders.features import ExtractionError, FeatureSpec
    from deephits_keras.encoders.inputs import AUDIO, LYRICS, Input
    from deephits_keras.errors import DeepHitsError, UserError
    from deephits_keras.explanation.workflow import explain
    from deephits_keras.export.exporter import export_run
    from deephits_keras.model.builder import build_model
    from deephits_keras.prediction.embedding import embed
    from deephits_keras.prediction.workflow import predict
    from deephits_keras.recipes.extraction import extract
    from deephits_keras.reproduction.workflow import reproduce
    from deephits_keras.runs.run import Run
    from deephits_keras.runs.training_config import TrainingConfig
    from deephits_keras.sample import make_sample
    from deephits_keras.serve.workflow import serve_app
    from deephits_keras.tasks import get_task
    from deephits_keras.tracks import Track
    from deephits_keras.training.rolling import rolling_origins
    from deephits_keras.training.workflow import evaluate, train
    from deephits_keras.tuning.workflow import tune
    from deephits_keras.verification import verify

_HOMES = {
    "make_sample": "deephits_keras.sample",
    "import_dataset": "deephits_keras.corpus.importers",
    "import_spotgentrack": "deephits_keras.corpus.spotgentrack",
    "import_table": "deephits_keras.corpus.importing",
    "Corpus": "deephits_keras.corpus.table",
    "verify": "deephits_keras.verification",
    "train": "deephits_keras.training.workflow",
    "tune": "deephits_keras.tuning.workflow",
    "rolling_origins": "deephits_keras.training.rolling",
    "evaluate": "deephits_keras.training.workflow",
    "drift": "deephits_keras.drift_detection.workflow",
    "extract": "deephits_keras.recipes.extraction",
    "predict": "deephits_keras.prediction.workflow",
    "embed": "deephits_keras.prediction.embedding",
    "explain": "deephits_keras.explanation.workflow",
    "export_run": "deephits_keras.export.exporter",
    "reproduce": "deephits_keras.reproduction.workflow",
    "serve_app": "deephits_keras.serve.workflow",
    "compare": "deephits_keras.comparison.workflow",
    "TrainingConfig": "deephits_keras.runs.training_config",
    "Run": "deephits_keras.runs.run",
    "AUDIO": "deephits_keras.encoders.inputs",
    "DeepHitsError": "deephits_keras.errors",
    "EncoderConfig": "deephits_keras.encoders.contract",
    "Explainable": "deephits_keras.encoders.explainable",
    "ExplainableFeatures": "deephits_keras.encoders.explainable",
    "ExtractionError": "deephits_keras.encoders.contract",
    "FeatureSpec": "deephits_keras.encoders.contract",
    "Input": "deephits_keras.encoders.inputs",
    "LYRICS": "deephits_keras.encoders.inputs",
    "ModalityEncoder": "deephits_keras.encoders.contract",
    "Part": "deephits_keras.encoders.explainable",
    "Track": "deephits_keras.tracks",
    "UserError": "deephits_keras.errors",
    "build_model": "deephits_keras.model.builder",
    "get_task": "deephits_keras.tasks",
    "setting": "deephits_keras.encoders.contract",
}

__all__ = [
    "AUDIO",
    "LYRICS",
    "Corpus",
    "DeepHitsError",
    "EncoderConfig",
    "Explainable",
    "ExplainableFeatures",
    "ExtractionError",
    "FeatureSpec",
    "Input",
    "ModalityEncoder",
    "Part",
    "Run",
    "Track",
    "TrainingConfig",
    "UserError",
    "__version__",
    "build_model",
    "compare",
    "drift",
    "embed",
    "evaluate",
    "explain",
    "export_run",
    "extract",
    "get_task",
    "import_dataset",
    "import_spotgentrack",
    "import_table",
    "make_sample",
    "predict",
    "reproduce",
    "rolling_origins",
    "serve_app",
    "setting",
    "train",
    "tune",
    "verify",
]


__getattr__ = load_on_use(__name__, _HOMES)
