"""The command that extracts certain features again."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

from deephits_keras.corpus.table import Corpus
from deephits_keras.encoders.registry import AnyEncoder, registry
from deephits_keras.errors import UserError


def extract_options(encoders: Mapping[str, AnyEncoder]) -> str:
    """Options of `deephits extract` for the features of given encoders, by modality."""
    words = ["--modalities", ",".join(f"{m}={e.name}" for m, e in encoders.items())]
    for encoder in encoders.values():
        plain = type(encoder)().get_config()
        for name, value in encoder.fingerprint_config().items():
            given = encoder.get_config().get(name, value)
            if given != plain.get(name):
                words += [_option(encoder.name, name), _shown(given)]
    return shlex.join(words)


def extract_again(corpus: Corpus, encoder: AnyEncoder) -> str:
    """What to do for an encoder's features in a corpus."""
    options = extract_options({encoder.modality: encoder})
    return f"run `deephits extract {corpus.folder} {options}`"


def extract_store_again(corpus: Corpus, name: str, config: Mapping[str, Any] | None) -> str:
    """What to do for a feature store that was found on disk.

    Args:
        corpus: Its corpus.
        name: The encoder's name.
        config: The settings that the store depends on (`StoreLayout.config`); None if unknown.
    """
    command = f"deephits extract {corpus.folder}"
    try:
        encoder_class = registry().load(name)
    except UserError:
        return f"run `{command}` with the encoder {name}, which isn't installed here"
    words = ["--modalities", f"{encoder_class.modality}={name}"]
    if config is None:
        return f"run `{command} {shlex.join(words)}`, with the settings that were used"
    plain = encoder_class().get_config() | dict(corpus.encoder_settings.get(name, {}))
    paths = encoder_class.Config.paths()
    for setting, value in config.items():
        if setting in paths:
            # Of a path the store knows its content alone.
            if value is not None and plain.get(setting) is None:
                words += [_option(name, setting), "PATH"]
        elif value != plain.get(setting):
            words += [_option(name, setting), _shown(value)]
    return f"run `{command} {shlex.join(words)}`"


def _option(encoder: str, setting: str) -> str:
    return f"--{encoder}-{setting}".replace("_", "-")


def _shown(value: Any) -> str:
    match value:
        case None:
            return "none"
        case bool():
            return "yes" if value else "no"
        case list() | tuple():
            return ",".join(map(str, value))
    return str(value)
