"""A synthetic dataset with known causes of popularity, in SpotGenTrack's file format."""

from deephits_keras.sample.make import SampleSummary, make_sample

__all__ = ["SampleSummary", "make_sample"]
