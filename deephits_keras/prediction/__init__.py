"""Prediction of tracks with a finished run."""
