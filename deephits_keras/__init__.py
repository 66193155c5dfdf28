"""DeepHits-Keras: how popular a song will be, and why.

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
    from deephits_keras.encoders.contract import EncoderConfig, ModalityEncoder, setting
    from deephits_keras.encoders.features import ExtractionError, FeatureSpec
    from deephits_keras.model.builder import build_model
    from deephits_keras.tasks import get_task
    from deephits_keras.tracks import Track

_HOMES = {
    "EncoderConfig": "deephits_keras.encoders.contract",
    "ExtractionError": "deephits_keras.encoders.contract",
    "FeatureSpec": "deephits_keras.encoders.contract",
    "ModalityEncoder": "deephits_keras.encoders.contract",
    "Track": "deephits_keras.tracks",
    "build_model": "deephits_keras.model.builder",
    "get_task": "deephits_keras.tasks",
    "setting": "deephits_keras.encoders.contract",
}

__all__ = [
    "EncoderConfig",
    "ExtractionError",
    "FeatureSpec",
    "ModalityEncoder",
    "Track",
    "__version__",
    "build_model",
    "get_task",
    "setting",
]


__getattr__ = load_on_use(__name__, _HOMES)
