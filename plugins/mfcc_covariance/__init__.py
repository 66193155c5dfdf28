"""Covariance matrices of MFCCs as images."""

from .encoder import MFCCCovariance, MFCCCovarianceConfig

__all__ = ["MFCCCovariance", "MFCCCovarianceConfig"]
