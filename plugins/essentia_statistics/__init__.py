"""Statistics of Essentia's MusicExtractor, in 31 groups."""

from .encoder import EssentiaStatistics, EssentiaStatisticsConfig

__all__ = ["EssentiaStatistics", "EssentiaStatisticsConfig"]
