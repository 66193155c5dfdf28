"""A sound encoder, and for each check of `deephits_keras.testing` one that breaks exactly it."""

from __future__ import annotations

import threading
from dataclasses import dataclass

import numpy as np

from deephits_keras.encoders.contract import EncoderConfig, ModalityEncoder, setting
from deephits_keras.encoders.features import ExtractionError, FeatureSpec

SEGMENTS = 8


@dataclass(frozen=True)
class LevelConfig(EncoderConfig):
    gain: float = setting(1.0, "factor on the waveform", changes_features=True)
    units: int = setting(16, "size of the embedding")


class Level(ModalityEncoder[LevelConfig]):
    """How loud each eighth of a recording is: RMS, full scale at 1."""

    name = "level"
    modality = "sound"
    version = "1"
    summary = "loudness of eight parts -> 16-D"
    Config = LevelConfig

    def __init__(self, config=None):
        super().__init__(config)
        self.mean = 0.0

    @property
    def feature_specs(self):
        return (FeatureSpec("level", (SEGMENTS,), "float32", "RMS of each part, 0 to 1"),)

    def extract(self, track):
        if track.audio is None:
            return None
        from deephits_keras.audio.decoding import load_audio
        from deephits_keras.audio.errors import AudioError

        try:
            waveform = load_audio(track.audio, 22_050) * np.float32(self.config.gain)
        except AudioError as error:
            raise ExtractionError(track.id, str(error)) from error
        parts = np.array_split(waveform, SEGMENTS)
        return {"level": np.array([np.sqrt(np.mean(p**2)) for p in parts], dtype="float32")}

    def adapt(self, batches):
        total, count = 0.0, 0
        for batch in batches:
            total += float(batch["level"].sum())
            count += batch["level"].size
        self.mean = total / count

    def prepare(self, level):
        """What the faulty encoders change between the normalisation and the dense layer."""
        return level

    def build(self, inputs):
        from keras import layers

        level = layers.Normalization(axis=None, mean=self.mean, variance=0.01)(inputs["level"])
        return layers.Dense(self.config.units, activation="tanh")(self.prepare(level))


# === The class and the configuration ===


class Names(Level):
    """Its name can't be an option's."""

    name = "LoudLevel"


class ContractVersion(Level):
    """Written for a contract of the future."""

    contract_version = 99


class Documented(Level):
    summary = ""


class ConfigRoundTrip(Level):
    """Forgets a setting."""

    def __init__(self, config=None):
        super().__init__(config or LevelConfig(units=7))

    def get_config(self):
        return {"gain": self.config.gain}


@dataclass(frozen=True)
class RangesConfig(LevelConfig):
    ranges: tuple[tuple[int, int], ...] = setting(((0, 4), (4, 8)), "pairs of parts")
    units: int = setting(16, "size of the embedding")
    gain: float = setting(1.0, "factor on the waveform", changes_features=True)


class SettingsAsText(Level):
    """Has a setting that nobody can type."""

    Config = RangesConfig


class FingerprintFollowsSettings(Level):
    """Stores every gain's features in one place."""

    def fingerprint_config(self):
        return {}


class FingerprintSameEverywhere(Level):
    """Its store's name depends on PYTHONHASHSEED."""

    def fingerprint_config(self):
        return {**super().fingerprint_config(), "seed": hash("level")}


@dataclass(frozen=True)
class UndeclaredConfig(LevelConfig):
    gain: float = setting(1.0, "factor on the waveform")
    units: int = setting(16, "size of the embedding")


class SettingsDeclared(Level):
    """Keeps it to itself that the gain changes the features."""

    Config = UndeclaredConfig


# === Outside the graph ===


class FeatureSpecs(Level):
    """Doesn't say what its numbers are."""

    @property
    def feature_specs(self):
        return (FeatureSpec("level", (SEGMENTS,)),)


class ExtractGivesWhatSpecsSay(Level):
    """Gives another dtype than it says."""

    def extract(self, track):
        features = super().extract(track)
        return features and {"level": features["level"].astype("float64")}


class ExtractIsDeterministic(Level):
    """Adds a little noise."""

    def extract(self, track):
        features = super().extract(track)
        noise = np.random.default_rng().uniform(1e-7, 1e-6, SEGMENTS).astype("float32")
        return features and {"level": features["level"] + noise}


class MissingIsNone(Level):
    """Makes silence of a recording that isn't there."""

    def extract(self, track):
        return super().extract(track) or {"level": np.zeros(SEGMENTS, "float32")}


class BadInputIsExtractionError(Level):
    """Takes a damaged recording for a missing one."""

    def extract(self, track):
        try:
            return super().extract(track)
        except ExtractionError:
            return None


class ExtractManyEqualsExtract(Level):
    """Leaves out the tracks that it can't use."""

    def extract_many(self, tracks):
        return (r for r in super().extract_many(tracks) if not isinstance(r, ExtractionError))


class WorksInWorkerProcesses(Level):
    """Holds a lock, which no other process can have."""

    def __init__(self, config=None):
        super().__init__(config)
        self.lock = threading.Lock()


# === Inside the graph ===


class AdaptTakesOnePass(Level):
    """Counts in one pass and adds up in another."""

    def adapt(self, batches):
        count = sum(batch["level"].size for batch in batches)
        self.mean = sum(float(batch["level"].sum()) for batch in batches) / count


class AdaptIgnoresBatchBoundaries(Level):
    """Remembers the last batch only."""

    def adapt(self, batches):
        for batch in batches:
            self.mean = float(batch["level"].mean())


class EmbeddingShape(Level):
    """An embedding of every part, not of the track."""

    def prepare(self, level):
        from keras import ops

        return ops.expand_dims(level, -1)


class EmbeddingIsFinite(Level):
    """Takes the logarithm of negative numbers."""

    def prepare(self, level):
        from keras import ops

        return ops.log(level - 10)


class RowsAreIndependent(Level):
    """Subtracts the batch's mean at inference."""

    def prepare(self, level):
        from keras import ops

        return level - ops.mean(level, axis=0, keepdims=True)


class BatchOfOne(Level):
    """Squeezes every axis of size one, the batch's included."""

    def build(self, inputs):
        from keras import layers, ops

        column = ops.expand_dims(super().build(inputs), 1)
        return ops.squeeze(layers.Dense(self.config.units)(column))


class EmptyBatch(Level):
    """Needs a first row."""

    def prepare(self, level):
        from keras import ops

        return level + 0 * ops.slice(level, (0, 0), (1, SEGMENTS))


class GradientsReachEveryWeight(Level):
    """Has a layer that can't learn."""

    def build(self, inputs):
        from keras import layers, ops

        frozen = layers.Dense(self.config.units)(inputs["level"])
        return super().build(inputs) + ops.stop_gradient(frozen)


class PresenceMask(Level):
    """Divides by a norm that is zero for the zeros of a missing track."""

    def build(self, inputs):
        from keras import layers, ops

        level = inputs["level"]
        unit = level / ops.sqrt(ops.sum(level**2, axis=1, keepdims=True))
        return layers.Dense(self.config.units)(unit)


class MixedPrecision(Level):
    """Gives values to a layer that float16 can't hold."""

    def build(self, inputs):
        from keras import layers

        return layers.Dense(self.config.units)(inputs["level"] * 1e7)


def halve(tensor):
    from keras import layers

    # Made here, so that importing this module doesn't import Keras. Never registered.
    class Halve(layers.Layer):
        def call(self, value):
            return value / 2

    return Halve()(tensor)


class SavesAndLoads(Level):
    """Has a layer that Keras doesn't know."""

    def prepare(self, level):
        return halve(level)


def halve_in_tensorflow(tensor):
    import keras

    @keras.saving.register_keras_serializable("deephits_tests")
    class HalveInTensorFlow(keras.layers.Layer):
        def call(self, value):
            import tensorflow as tf

            return tf.math.scalar_mul(0.5, value)

    return HalveInTensorFlow()(tensor)


class OtherBackends(Level):
    """Calls TensorFlow by name."""

    def prepare(self, level):
        return halve_in_tensorflow(level)
