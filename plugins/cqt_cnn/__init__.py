"""Convolutions over time of a constant-Q spectrogram."""

from .encoder import CQTCNN, CQTCNNConfig

__all__ = ["CQTCNN", "CQTCNNConfig"]
