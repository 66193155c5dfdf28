"""The encoders of others' systems: each keeps the contract, and has the size that is published."""

from __future__ import annotations

from typing import Any

import pytest
from deephits_plugins.choi_crnn import ChoiCRNN
from deephits_plugins.cqt_cnn import CQTCNN, CQTCNNConfig
from deephits_plugins.essentia_statistics import EssentiaStatistics
from deephits_plugins.hit_cnn import HitCNN, HitCNNConfig
from deephits_plugins.low_level import LowLevel
from deephits_plugins.mel_conv1d import MelConv1D, MelConv1DConfig
from deephits_plugins.mel_fcn import MelFCN
from deephits_plugins.mfcc_covariance import MFCCCovariance
from deephits_plugins.scaled_fields import ScaledFields
from deephits_plugins.sounds import Sounds, SoundsConfig
from deephits_plugins.stylometry import Stylometry
from deephits_plugins.tfidf_text import TfidfText, TfidfTextConfig
from deephits_plugins.topics import Topics, TopicsConfig

from deephits_keras.audio.settings import LogMelConfig
from deephits_keras.encoders.registry import AnyEncoder
from deephits_keras.model.builder import build_model
from deephits_keras.testing import run_checks

SMALL: list[Any] = [
    LowLevel(),
    Stylometry(),
    ScaledFields(),
    MelFCN(LogMelConfig(frames=64)),
    HitCNN(HitCNNConfig(pooling="attention")),
    pytest.param(ChoiCRNN(), marks=pytest.mark.nightly),
    EssentiaStatistics(),
    MFCCCovariance(),
    MelConv1D(MelConv1DConfig(frames=64)),
    CQTCNN(CQTCNNConfig(channels=(4, 4, 4, 4))),
    TfidfText(TfidfTextConfig(buckets=100, hidden=16, units=8)),
    Sounds(SoundsConfig(frames=32, sounds=4)),
    Topics(TopicsConfig(buckets=100, topics=3)),
]


SLOW = ("other_backends",)
"""A process of its own for each backend: `deephits encoders check NAME` has it."""


@pytest.mark.parametrize("encoder", SMALL, ids=lambda encoder: encoder.name)
def test_each_keeps_the_contract(encoder: AnyEncoder) -> None:
    faults = [
        f"{r.check}: {r.message}"
        for r in run_checks(encoder, leave_out=SLOW)
        if r.status == "failed"
    ]
    assert not faults


def test_the_fcn_has_the_published_size() -> None:
    fusion = {"name": "early", "units": ()}
    model = build_model([MelFCN()], fusion=fusion, task="regression")
    assert model.count_params() == 445_573
