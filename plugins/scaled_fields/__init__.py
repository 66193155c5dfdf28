"""Named columns as they are, on one scale."""

from .encoder import ScaledFields, ScaledFieldsConfig

__all__ = ["ScaledFields", "ScaledFieldsConfig"]
