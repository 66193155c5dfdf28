"""An encoder that breaks wherever a track's `mood` says, and a distribution that registers it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from deephits_keras.encoders.contract import EncoderConfig, ModalityEncoder, setting
from deephits_keras.encoders.explainable import ExplainableFeatures
from deephits_keras.encoders.features import FeatureSpec
from deephits_keras.encoders.inputs import Input


@dataclass(frozen=True)
class BrittleConfig(EncoderConfig):
    units: int = setting(4, "size of the embedding")


class ExplainableBrittle(ExplainableFeatures):
    def __init__(self, mood, features, branch):
        zeros = {name: np.zeros_like(array) for name, array in features.items()}
        super().__init__(features, branch, zeros, "zeros")
        self.mood = mood

    def embed(self, values):
        if self.mood == "embed":
            raise IndexError("no such embedding")
        return super().embed(values)

    def parts(self, attribution):
        return super().parts(attribution) if self.mood != "parts" else 1 / 0

    def draw(self, attribution):
        from matplotlib.figure import Figure

        if self.mood == "draw":
            raise LookupError("no paper")
        figure = Figure()
        figure.subplots().plot([0, 1])
        return figure


class Brittle(ModalityEncoder[BrittleConfig]):
    name = "brittle"
    modality = "mood"
    version = "1"
    Config = BrittleConfig
    inputs = (Input("mood"), Input("level"))

    @property
    def feature_specs(self):
        return (FeatureSpec("level", (2,)), FeatureSpec("steps", (3,), "int16"))

    def extract(self, track):
        level = track.number("level")
        if np.isnan(level):
            return None
        self._break(track, "extract")
        shape = (1,) if track.fields.get("mood") == "shape" else (2,)
        return {"level": np.full(shape, level, "float32"), "steps": np.arange(3, dtype="int16")}

    def _break(self, track, where):
        if track.fields.get("mood") == where:
            raise KeyError(f"broken in {where}")

    def missing_parts(self, track, features):
        self._break(track, "missing_parts")
        return ()

    def remarks(self, track, features):
        self._break(track, "remarks")
        return ("sound",)

    def describe(self, track, features):
        self._break(track, "describe")
        return {"tempo": 100.0}

    def explainable(self, track, features, branch):
        self._break(track, "explainable")
        return ExplainableBrittle(track.fields.get("mood"), features, branch)

    def build(self, inputs):
        from keras import layers, ops

        steps = ops.cast(inputs["steps"], inputs["level"].dtype)
        return layers.Dense(self.config.units)(ops.concatenate([inputs["level"], steps], -1))


def register(site: Path) -> None:
    """Write the distribution's metadata into a folder of the import path."""
    info = site / "brittle-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: brittle\nVersion: 1.0\n")
    points = "[deephits_keras.encoders]\nbrittle = brittle:Brittle\n"
    (info / "entry_points.txt").write_text(points)
