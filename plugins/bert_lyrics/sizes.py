"""Sizes from a checkpoint's configuration."""

from __future__ import annotations

from .checkpoint import PRESET_PREFIX, find, read_config

DEFAULT_HIDDEN_SIZE = 768
"""Hidden size of BERT base, assumed for a missing checkpoint."""


def hidden_size(checkpoint: str) -> int:
    """Size of the pooled vector; 768 for a missing folder.

    Raises:
        UserError: if the checkpoint exists and isn't a BERT, or a preset's configuration is
            neither cached nor available.
    """
    if checkpoint.startswith(PRESET_PREFIX):
        from .bert import preset_hidden_size

        return preset_hidden_size(checkpoint)
    folder = find(checkpoint)
    return DEFAULT_HIDDEN_SIZE if folder is None else int(read_config(folder)["hidden_size"])
