"""A synthetic corpus with known causes, in SpotGenTrack's own file format."""

from deephits_keras.sample.make import SampleSummary, make_sample

__all__ = ["SampleSummary", "make_sample"]
