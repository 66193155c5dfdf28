"""Decoding and log-mel spectrograms: a toolbox for encoders of sound."""
