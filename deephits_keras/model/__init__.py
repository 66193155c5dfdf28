"""Encoders, fusion and head as one Keras functional model."""
