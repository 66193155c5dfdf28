"""Where the weights are, which they are, and how they are read.

They are those of the package `musicnn` on PyPI, of which nothing else is used or imported: its code
needs Keras 2, and its requirements a NumPy that no supported Python has.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from deephits_keras.encoders.published import read_checkpoint
from deephits_keras.errors import UserError
from deephits_keras.types import Array
from deephits_keras.utils.files import read_record, remembered_sha256

from .shapes import weight_shapes

PACKAGE = "musicnn"
FOLDERS = {"msd": "MSD_musicnn", "mtt": "MTT_musicnn"}
"""Folder of each model in the package."""

DATA = ".data-00000-of-00001"
"""The checkpoint's data; like its index, it has no name before the dot."""

OWN = "musicnn.safetensors"
"""Weights of this package's own, by the checkpoint's names of variables."""

ONNX, RECORD = "musicnn.onnx", "portable.json"
"""The network itself, in an exported model, and the record of its weights."""

PUBLISHED = {
    "msd": "sha256:8579734ee6388f799ed0def4bbd0d1fdcbeaf213ef2a9dc860917bd76a303de6",
    "mtt": "sha256:041f3935e981a65cea739842d30c188d3a7d2adf4410955c8668eb3de4a5acab",
}
"""Identity of the weights of musicnn 0.1.0, of which a machine without them knows the features."""

GET = "pip install --no-deps musicnn"


@dataclass(frozen=True)
class Portable:
    """What the record of an exported network holds.

    Attributes:
        content: Identity of its weights in fingerprints.
    """

    content: str


def folder_of(model: str, weights: str | None) -> Path | None:
    """The folder of a model's weights; None if the package isn't installed.

    Args:
        model: `msd` or `mtt`.
        weights: The setting: the model's folder, or the one that contains it; None for the
            installed package.
    """
    if weights is None:
        spec = importlib.util.find_spec(PACKAGE)
        places = list(spec.submodule_search_locations or ()) if spec else []
        return Path(places[0], FOLDERS[model]) if places else None
    given = Path(weights).expanduser()
    inside = given / FOLDERS[model]
    return inside if inside.is_dir() else given


def identity(model: str, weights: str | None) -> str:
    """Hash of a model's weights; that of the published ones if the package isn't installed.

    Raises:
        UserError: if a named folder has no weights, or a damaged record.
    """
    folder = folder_of(model, weights)
    if folder is None or (weights is None and not (folder / DATA).is_file()):
        return PUBLISHED[model]
    if (folder / RECORD).is_file():
        return read_record(folder / RECORD, Portable, "an exported musicnn").content
    return f"sha256:{remembered_sha256(_file(folder))}"


def _file(folder: Path) -> Path:
    for name in (DATA, OWN):
        if (folder / name).is_file():
            return folder / name
    raise UserError(f"{folder} has no weights of musicnn ({DATA}): get them by {GET}")


def read_weights(model: str, weights: str | None) -> Mapping[str, Array]:
    """Every weight by its name in the checkpoint.

    Raises:
        UserError: if they are missing or aren't musicnn's; the message says how to get them.
    """
    folder = folder_of(model, weights)
    if folder is None:
        raise UserError(f"The encoder musicnn needs the weights of the package musicnn: {GET}")
    path = _file(folder)
    # The checkpoint's prefix is the folder with its slash. Reading the folder itself would follow
    # its file `checkpoint`, which names a folder of its author's.
    read = _read_own(path) if path.name == OWN else read_checkpoint(f"{folder}/")
    for name, shape in weight_shapes().items():
        found = read[name].shape if name in read else None
        if found != shape:
            raise UserError(
                f"{path} has not the weights of musicnn: {name} should be {shape}. "
                f"Received: {found}"
            )
    return read


def _read_own(path: Path) -> Mapping[str, Array]:
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        read: dict[str, Array] = load_file(path)
    except (OSError, SafetensorError) as error:
        raise UserError(f"{path} can't be read as safetensors: {error}") from error
    return read


def write_untrained(folder: Path) -> None:
    """Write random weights, for checks and samples on machines without the published ones."""
    from safetensors.numpy import save_file

    rng = np.random.default_rng(0)
    drawn = {}
    for name, shape in weight_shapes().items():
        kind = name.rpartition("/")[2]
        inputs = np.prod(shape[:-1]) if kind == "kernel" else 1
        if kind in ("gamma", "moving_variance"):
            values = np.ones(shape)
        elif kind == "kernel":
            values = rng.normal(0, np.sqrt(2 / inputs), shape)
        else:
            values = np.zeros(shape)
        drawn[name] = values.astype(np.float32)
    save_file(drawn, folder / OWN)
