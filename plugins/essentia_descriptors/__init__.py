"""Audio descriptors measured in recordings with Essentia (AGPL-3.0, the extra `essentia`)."""

from .encoder import EssentiaDescriptors, EssentiaDescriptorsConfig

__all__ = ["EssentiaDescriptors", "EssentiaDescriptorsConfig"]
