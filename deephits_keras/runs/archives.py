"""Check a `.keras` archive before Keras loads it, as a run folder may be untrusted.

Keras' safe mode refuses code (a Lambda layer), but creates every other class that the archive
names, with any size. Here an archive must contain the model of the run's encoders, fusion and task:
the same classes, inputs and number of parameters, determined without allocating memory, and weights
that are in the file.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np

from deephits_keras.errors import UserError
from deephits_keras.model.symbolic import symbolically

MEMBERS = {"metadata.json", "config.json", "model.weights.h5"}
OURS = "deephits>"
FOR_TRAINING = (OURS, "keras.losses.", "keras.metrics.", "keras.optimizers.")
"""Modules of the parts of a compiled model."""

LONGEST_CONFIG = 64 * 2**20
"""Most bytes of `config.json`; the paper's model has 58 thousand."""


def check_archive(path: Path, expected: keras.Model) -> None:
    """Refuse an archive that doesn't contain the expected model.

    Args:
        path: The archive.
        expected: The model that it must contain; it may be built by `symbolically`.

    Raises:
        UserError: if it contains another model, or anything besides a model and its weights.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            _check_members(path, archive)
            config = json.loads(archive.read("config.json"))
            weights = archive.read("model.weights.h5")
    except (zipfile.BadZipFile, OSError, EOFError, ValueError, NotImplementedError) as error:
        raise UserError(f"{path} is damaged, or not a Keras archive: {error}") from error
    if not isinstance(config, dict):
        raise UserError(f"{path} is damaged: its config.json describes no model")
    _check_classes(path, config, expected)
    config = {name: value for name, value in config.items() if name != "compile_config"}
    try:
        found = symbolically(lambda: keras.saving.deserialize_keras_object(config, safe_mode=True))
        same = signature(found) == signature(expected)
    except Exception as error:
        raise UserError(f"{path} can't be loaded: {type(error).__name__}: {error}") from error
    if not same:
        raise UserError(f"{path} is not the model that the run's config.json describes")
    _check_weights(path, weights)


def signature(model: keras.Model) -> tuple[dict[str, Any], int]:
    """Shape of each input by name, and number of weights."""
    inputs = {name: tuple(tensor.shape) for name, tensor in model.input.items()}
    return inputs, sum(int(np.prod(v.shape, dtype=object)) for v in model.weights)


def _check_members(path: Path, archive: zipfile.ZipFile) -> None:
    members = {member.filename: member for member in archive.infolist()}
    if set(members) != MEMBERS or len(archive.infolist()) != len(MEMBERS):
        raise UserError(f"{path} must hold {', '.join(sorted(MEMBERS))}. It holds: {list(members)}")
    if any(member.compress_type != zipfile.ZIP_STORED for member in members.values()):
        raise UserError(f"{path} is compressed, which Keras' archives are not")
    if members["config.json"].file_size > LONGEST_CONFIG:
        raise UserError(f"{path} is damaged: its config.json is too long")


def _check_classes(path: Path, config: dict[str, Any], expected: keras.Model) -> None:
    wanted = set(_classes(json.loads(json.dumps(keras.saving.serialize_keras_object(expected)))))
    compiled = config.get("compile_config")
    model = {name: value for name, value in config.items() if name != "compile_config"}
    foreign = set(_classes(model)) - wanted
    foreign |= {name for name in _classes(compiled) if not name.startswith(FOR_TRAINING)}
    if foreign:
        names = ", ".join(sorted(foreign))
        raise UserError(f"{path} contains layers or weights that the run's model lacks: {names}")


def _classes(value: Any) -> Iterator[str]:
    """The classes that Keras would create from a configuration, by name.

    Registered classes are identified by their registered name: their module may have moved since
    the run was saved, and Keras uses it only for unregistered names.
    """
    if isinstance(value, dict):
        if "class_name" in value:
            registered = str(value.get("registered_name"))
            by_module = f"{value.get('module')}.{value['class_name']}"
            yield registered if registered.startswith(OURS) else by_module
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from _classes(item)


def _check_weights(path: Path, weights: bytes) -> None:
    """Refuse weights outside the archive, or larger than the archive."""
    import h5py

    try:
        with h5py.File(io.BytesIO(weights)) as file:
            claimed = sum(_stored_bytes(file))
    except (OSError, KeyError, ValueError, RuntimeError) as error:
        raise UserError(f"{path} is damaged: its weights can't be read: {error}") from error
    if claimed > len(weights):
        raise UserError(f"{path} declares {claimed} bytes of weights and contains {len(weights)}")


def _stored_bytes(group: Any) -> Iterator[int]:
    import h5py

    for name in group:
        if not isinstance(group.get(name, getlink=True), h5py.HardLink):
            raise ValueError(f"{name} is a link")
        item = group[name]
        if isinstance(item, h5py.Group):
            yield from _stored_bytes(item)
        elif item.external or item.is_virtual:
            raise ValueError(f"{name} lies in another file")
        else:
            yield item.nbytes
