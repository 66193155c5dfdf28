"""A toy encoder whose every failure is asked for by a field of the track, and a tiny corpus."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from deephits_keras.corpus.table import Corpus, write_corpus
from deephits_keras.encoders.contract import EncoderConfig, ModalityEncoder, setting
from deephits_keras.encoders.features import ExtractionError, FeatureSpec
from deephits_keras.encoders.inputs import AUDIO, Input
from deephits_keras.errors import UserError
from deephits_keras.features.extraction import extract_features
from deephits_keras.features.store import FeatureStore


@dataclass(frozen=True)
class ToyConfig(EncoderConfig):
    scale: float = setting(1.0, "factor", changes_features=True)
    seconds: float = setting(0.0, "how long a track takes")


class Toy(ModalityEncoder[ToyConfig]):
    """`wave` is the row's `level` and its multiples; `count` tells of the row number."""

    name = "toy"
    modality = "sound"
    version = "1"
    Config = ToyConfig

    @property
    def feature_specs(self):
        return (FeatureSpec("wave", (4, 3), "float16"), FeatureSpec("count", (2,), "int16"))

    def extract(self, track):
        time.sleep(self.config.seconds)
        level = track.number("level")
        wave = np.full((4, 3), level * self.config.scale, "float16")
        good = {"wave": wave, "count": np.array([level, -level], "int16")}
        match track.fields.get("behaviour"):
            case "lacking":
                return None
            case "bad":
                raise ExtractionError(track.id, "its recording is only noise")
            case "crash":
                raise RuntimeError("the toy broke")
            case "settings":
                raise UserError("the toy needs batteries")
            case "killed":
                os.kill(os.getpid(), signal.SIGKILL)
            case "memory":
                np.ones(2**50)
            case "shape":
                return good | {"wave": wave[:2]}
            case "dtype":
                return good | {"wave": wave.astype("float64")}
            case "list":
                return good | {"wave": wave.tolist()}
            case "names":
                return {"wave": wave}
        return good

    def build(self, inputs):
        from keras import layers, ops

        wave = layers.Flatten()(inputs["wave"])
        return layers.Dense(4)(ops.concatenate([wave, ops.cast(inputs["count"], "float32")], -1))


class Declared(Toy):
    """The same, saying what it reads; the level of a track with a recording is its first byte."""

    name = "declared"
    inputs = (AUDIO, Input("level"), Input("behaviour"))

    def extract(self, track):
        if track.audio is None:
            return super().extract(track)
        level = float(track.audio.read_bytes()[0])
        return super().extract(replace(track, fields={**track.fields, "level": level}))


class Whole(Toy):
    """The same in this process, a shard at a time; one bad track spoils its shard's batch."""

    name = "whole"
    parallel = False

    def extract_many(self, tracks):
        if len(tracks) > 1 and any(t.fields.get("behaviour") for t in tracks):
            raise RuntimeError("the batch broke")
        for track in tracks:
            yield {k: v * np.asarray(2, v.dtype) for k, v in self.extract(track).items()}


class Other(Toy):
    """A second modality, missing where `other` says so."""

    name = "other"
    modality = "text"

    @property
    def feature_specs(self):
        return (FeatureSpec("code", (5,)),)

    def extract(self, track):
        if track.fields.get("other") == "lacking":
            return None
        return {"code": np.full(5, -track.number("level"), "float32")}

    def build(self, inputs):
        from keras import layers

        return layers.Dense(4)(inputs["code"])


def make_corpus(
    folder: Path,
    tracks: int,
    behaviour: Mapping[int, str] | None = None,
    *,
    other_missing: Sequence[int] = (),
    audio: Mapping[int, str] | None = None,
    settings: Mapping[str, Mapping[str, Any]] | None = None,
    reverse: bool = False,
    more: Mapping[str, Any] | None = None,
) -> Corpus:
    """A corpus of tracks `t0`, `t1`, ... whose `level` is their row number plus one."""
    behaviour, audio = behaviour or {}, audio or {}
    rows = range(tracks)
    table = pd.DataFrame(
        {
            "track_id": [f"t{row}" for row in rows],
            "popularity": [float(row % 101) for row in rows],
            "audio": [audio.get(row) for row in rows],
            "lyrics": [None] * tracks,
            "level": [row + 1.0 for row in rows],
            "behaviour": [behaviour.get(row) for row in rows],
            "other": ["lacking" if row in other_missing else None for row in rows],
            **(more or {}),
        }
    )
    return write_corpus(
        folder,
        table.iloc[::-1] if reverse else table,
        {"synthetic": True, "encoder_settings": settings or {}},
        rejected=pd.DataFrame(),
    )


def toy_stores(folder: Path, tracks: int) -> dict[str, FeatureStore]:
    """The features of both encoders: rows 0 and 5 lack one, row 7 the other, row 6 both."""
    corpus = make_corpus(folder, tracks, dict.fromkeys([0, 5, 6], "lacking"), other_missing=[6, 7])
    for encoder in (Toy(), Other()):
        extract_features(corpus, encoder, jobs=1, shard_size=7)
    return {e.modality: FeatureStore.open(corpus, e) for e in (Toy(), Other())}
