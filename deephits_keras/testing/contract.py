"""Checks of an encoder's class and configuration."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from typing import Any

from deephits_keras.encoders.contract import (
    CONTRACT_VERSION,
    SUPPORTED_VERSIONS,
    EncoderConfig,
    ModalityEncoder,
)
from deephits_keras.encoders.registry import AnyEncoder
from deephits_keras.errors import UserError
from deephits_keras.testing.subject import CheckSkipped, Subject, outcome, require


def check_names(subject: Subject) -> None:
    """Name, modality and version can be used in names of stores, inputs and options."""
    encoder = subject.encoder
    for attribute in ("name", "modality"):
        value = getattr(encoder, attribute, None)
        require(
            isinstance(value, str) and value.isidentifier() and value == value.lower(),
            f"{attribute} must be a lower-case identifier, such as 'chroma_mean'. Received: "
            f"{value!r}",
        )
    require(
        isinstance(encoder.version, str) and encoder.version,
        f"version must be a text that isn't empty, such as '1'. Received: {encoder.version!r}",
    )


def check_contract_version(subject: Subject) -> None:
    """The encoder's contract version is supported by this package."""
    stated = subject.encoder.contract_version
    require(
        stated in SUPPORTED_VERSIONS,
        f"contract_version is {stated!r}, this deephits-keras has {CONTRACT_VERSION}. Read what "
        "changed in CHANGELOG.md, then state the version that the encoder keeps to",
    )


def check_documented(subject: Subject) -> None:
    """The summary and the docstring describe the encoder."""
    encoder_class = type(subject.encoder)
    summary = encoder_class.summary
    require(
        summary.strip() and len(summary.splitlines()) == 1,
        f"summary must be one line for `deephits encoders list`. Received: {summary!r}",
    )
    require(
        (encoder_class.__doc__ or "").strip() not in ("", (ModalityEncoder.__doc__ or "").strip()),
        f"{encoder_class.__name__} has no docstring: say what it extracts, in which units, and "
        "what the embedding is made of",
    )
    silent = [
        f.name for f in dataclasses.fields(subject.encoder.config) if not f.metadata.get("help")
    ]
    require(
        not silent,
        f"the settings {', '.join(silent)} say nothing of themselves: declare them with "
        'setting(default, "what it is, with units")',
    )


def check_config_round_trip(subject: Subject) -> None:
    """The configuration survives `config.json`."""
    config = subject.encoder.config
    require(
        isinstance(config, EncoderConfig) and type(config).__dataclass_params__.frozen,  # type: ignore[attr-defined]
        "Config must be a frozen dataclass derived from EncoderConfig: write "
        f"@dataclass(frozen=True) above {type(config).__name__}",
    )
    try:
        text = json.dumps(subject.encoder.get_config(), allow_nan=False)
    except (TypeError, ValueError) as error:
        require(
            False,
            f"get_config gives something that JSON can't hold ({error}): make every setting a "
            "str, int, float, bool, None or a tuple of one of those",
        )
    again = type(subject.encoder).from_config(json.loads(text)).config
    require(
        again == config,
        f"the configuration comes back from JSON as {again}, not as {config}: make the settings' "
        "types str, int, float, bool, an optional one of those, or a tuple of one of those",
    )


def check_settings_as_text(subject: Subject) -> None:
    """Every setting can be given on the command line."""
    config = subject.encoder.config
    for name in config.__dataclass_fields__:
        value = getattr(config, name)
        text = ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
        text = "none" if value is None else text
        try:
            read = getattr(type(config).from_json({name: text}), name)
        except UserError as error:
            read = error
        require(
            read == value,
            f"--{subject.encoder.name}-{name} {text} is read as {read!r}, not as {value!r}: give "
            f"the setting {name!r} a type such as int, str | None or tuple[float, ...]",
        )


def check_fingerprint_follows_settings(subject: Subject) -> None:
    """The fingerprint changes if and only if the features change."""
    before = subject.encoder.fingerprint()
    for field, other in other_encoders(subject):
        changed = other.fingerprint() != before
        value = getattr(other.config, field.name)
        if field.metadata.get("changes_features"):
            require(
                changed,
                f"{field.name}={value!r} changes the features and not the fingerprint: two "
                "settings would share a store. Let fingerprint_config hold every setting "
                "declared with changes_features=True",
            )
        else:
            require(
                not changed,
                f"{field.name}={value!r} changes the fingerprint, and isn't declared with "
                "changes_features=True: declare it so, or leave it out of fingerprint_config",
            )


def check_fingerprint_same_everywhere(subject: Subject) -> None:
    """The fingerprint is equal in another process."""
    environment = {"PYTHONHASHSEED": "4711", "HOME": str(subject.new_folder())}
    elsewhere = subject.ask_worker("fingerprint", environment)
    require(
        elsewhere == subject.encoder.fingerprint(),
        "the fingerprint is another one in a process with another home, working directory and "
        "PYTHONHASHSEED. Keep paths, hash(), sets and the time out of fingerprint_config; put a "
        "file's content in the place of its path, and give paths as absolute ones",
    )


def check_settings_declared(subject: Subject) -> None:
    """A setting that changes the features is declared with `changes_features=True`."""
    import numpy as np

    track, features = subject.usable[0]
    for field, other in other_encoders(subject):
        if field.metadata.get("changes_features"):
            continue
        try:
            changed = outcome(other, track)
        except UserError:
            continue
        value = getattr(other.config, field.name)
        same = isinstance(changed, dict) and all(
            changed[name].shape == array.shape
            # Rounding may depend on the order of sums, for example between batch sizes.
            and np.allclose(changed[name], array, rtol=1e-3, atol=1e-5, equal_nan=True)
            for name, array in features.items()
        )
        require(
            same,
            f"extract gives other features with {field.name}={value!r}: declare that setting with "
            "changes_features=True, or the store would mix the two",
        )


def check_imports_nothing_heavy(subject: Subject) -> None:
    """Importing the encoder's module is fast and imports no heavy package."""
    heavy = subject.ask_worker("imports", {})
    require(
        not heavy,
        f"importing {type(subject.encoder).__module__} imports {', '.join(heavy)}: import them "
        "inside the methods that use them, so that listing encoders stays quick",
    )


def other_encoders(subject: Subject) -> Iterator[tuple[dataclasses.Field[Any], AnyEncoder]]:
    """For each setting, an encoder with another value, if there is a valid one."""
    encoder = subject.encoder
    if not encoder.config.__dataclass_fields__:
        raise CheckSkipped("the encoder has no settings")
    for field in dataclasses.fields(encoder.config):
        for value in _other_values(field, getattr(encoder.config, field.name)):
            try:
                other = type(encoder).from_config({**encoder.get_config(), field.name: value})
                other.fingerprint()
            except UserError:
                continue
            if other.config != encoder.config:
                yield field, other
                break


def _other_values(field: dataclasses.Field[Any], value: Any) -> list[Any]:
    choices = field.metadata.get("choices", ())
    if choices:
        return [choice for choice in choices if choice != value]
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, int):
        return [value + 1, value - 1, value * 2]
    if isinstance(value, float):
        return [value * 1.5 + 0.25, value / 2, value * 2]
    if isinstance(value, tuple):
        return [value[:-1], (*value, "other"), (*value, 1)]
    return ["other"] if isinstance(value, str) else ["other", 1, 1.5, True]


CHECKS = (
    check_names,
    check_contract_version,
    check_documented,
    check_config_round_trip,
    check_settings_as_text,
    check_fingerprint_follows_settings,
    check_fingerprint_same_everywhere,
    check_settings_declared,
    check_imports_nothing_heavy,
)
