"""Sizes that a checkpoint's configuration states."""

from __future__ import annotations

from .checkpoint import PRESET_PREFIX, find, read_config

DEFAULT_HIDDEN_SIZE = 768
"""Of BERT base, and so of a checkpoint that isn't there yet."""


def hidden_size(checkpoint: str) -> int:
    """Size of the pooled vector; 768 for a folder that isn't there.

    Raises:
        UserError: if the checkpoint is there and isn't a BERT, or a preset's configuration is
            neither cached nor to be had.
    """
    if checkpoint.startswith(PRESET_PREFIX):
        from .bert import preset_hidden_size

        return preset_hidden_size(checkpoint)
    folder = find(checkpoint)
    return DEFAULT_HIDDEN_SIZE if folder is None else int(read_config(folder)["hidden_size"])
