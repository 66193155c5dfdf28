"""Named columns, scaled."""

from .encoder import ScaledFields, ScaledFieldsConfig

__all__ = ["ScaledFields", "ScaledFieldsConfig"]
