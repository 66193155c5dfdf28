"""Sizes from a checkpoint's configuration."""

from __future__ import annotations

from deephits_keras.errors import UserError

from .checkpoint import PRESET_PREFIX, Sizes, find, read_config

NAMES = {
    "hidden": "hidden_size",
    "layers": "num_hidden_layers",
    "heads": "num_attention_heads",
    "intermediate": "intermediate_size",
}
"""Keys of a `config.json`."""


def sizes_of(checkpoint: str) -> Sizes:
    """The sizes of a checkpoint; BERT base's for a missing folder.

    Raises:
        UserError: if the checkpoint exists and isn't a BERT, or a preset's configuration is
            neither cached nor available.
    """
    if checkpoint.startswith(PRESET_PREFIX):
        from .bert import preset_sizes

        return preset_sizes(checkpoint)
    folder = find(checkpoint)
    if folder is None:
        return Sizes()
    config = read_config(folder)
    given = {size: config[name] for size, name in NAMES.items() if name in config}
    for size, value in given.items():
        if not isinstance(value, int) or value < 1:
            raise UserError(
                f"{folder}/config.json: {NAMES[size]} must be positive. Received: {value!r}"
            )
    return Sizes(**given)
