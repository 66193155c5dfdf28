"""The contract of a format: how a model is written in it, and how its files are run."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from deephits_keras.errors import UserError
from deephits_keras.export.files import ENCODERS

if TYPE_CHECKING:
    from deephits_keras.encoders.registry import AnyEncoder
    from deephits_keras.export.manifest import Manifest
    from deephits_keras.export.tensors import TensorInfo
    from deephits_keras.runs.scorer import Score

OUTPUT = "outputs"
"""Name of a graph's output."""

Described = tuple[str, str, tuple[int, ...]]
"""Name, dtype and shape per track of a tensor."""

LARGEST_TENSOR = 2**28
"""Most values of a tensor per track, and of a weight."""


class MissingPackageError(UserError):
    """A package that a format needs isn't installed."""


class Format(ABC):
    """A file format of exported models.

    A format's module imports nothing heavy, as `deephits export --help` lists them.

    Attributes:
        name: Name on the command line and in `bundle.json`.
        summary: What it is for, in a few words.
        files: Names of its files in a bundle, by POSIX paths; the first one is the graph.
        extra: The extra of this distribution that installs what runs it; empty if none does.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    files: ClassVar[tuple[str, ...]]
    extra: ClassVar[str]

    @property
    def graph(self) -> str:
        """Name of the graph's file."""
        return self.files[0]

    @abstractmethod
    def write(self, model: Any, folder: Path, manifest: Manifest) -> int | None:
        """Write a model's files.

        Args:
            model: A `keras.Model` with inputs `{modality}_{feature}`; Keras runs on TensorFlow.
            folder: The bundle's folder, in which every file of `files` is written.
            manifest: Description of the model.

        Returns:
            The only batch size that the graph accepts, or None for any.

        Raises:
            UserError: if a package is missing, or the model has a part that the format lacks.
        """

    @abstractmethod
    def open(self, folder: Path, inputs: Sequence[TensorInfo], outputs: int) -> Score:
        """Inspect and load the files of an untrusted bundle.

        Args:
            folder: The bundle's folder.
            inputs: Inputs that the graph must have.
            outputs: Number of values per track of its output.

        Returns:
            A function of arrays `(batch, *shape)` by name, for any batch.

        Raises:
            UserError: if a package is missing, or a file is damaged, or is more than a function of
                these inputs.
        """

    def write_encoders(
        self, encoders: Mapping[str, AnyEncoder], folder: Path, manifest: Manifest
    ) -> dict[str, tuple[str, ...]]:
        """Write what the encoders need to extract features where the graph is used.

        The default: what they need without Keras.

        Args:
            encoders: The model's encoders, by modality.
            folder: The bundle's folder; the files of a modality are in `encoders/MODALITY`.
            manifest: Description of the model.

        Returns:
            See `Manifest.portable`.
        """
        del manifest
        portable = {}
        for modality, encoder in encoders.items():
            own = folder / ENCODERS / modality
            own.mkdir(parents=True)
            if names := tuple(encoder.write_portable(own)):
                portable[modality] = names
        for own in (*(folder / ENCODERS).iterdir(), folder / ENCODERS):
            if not any(own.iterdir()):
                own.rmdir()
        return portable

    @staticmethod
    def check_ends(
        path: Path,
        found: set[Described],
        given: Sequence[Described],
        inputs: Sequence[TensorInfo],
        outputs: int,
    ) -> None:
        """Refuse a graph with other inputs or outputs than the bundle says.

        Args:
            path: The graph's file.
            found: Its inputs.
            given: Its outputs.
            inputs: The inputs that it must have.
            outputs: Number of values per track of its output.

        Raises:
            UserError: if they differ.
        """
        wanted = {(tensor.name, tensor.dtype, tensor.shape) for tensor in inputs}
        if found != wanted or list(given) != [(OUTPUT, "float32", (outputs,))]:
            raise UserError(f"{path} is refused: it takes {sorted(found)} and gives {given}")

    def lacking(self, package: str) -> MissingPackageError:
        """The error for a package that isn't installed."""
        return MissingPackageError(
            f"The format {self.name} needs {package}: pip install 'deephits-keras[{self.extra}]'"
        )


def is_too_large(shape: Sequence[int | None]) -> bool:
    """Whether a tensor is too large for one track; sizes that are None, 0 or less count as 1."""
    return math.prod(max(size or 1, 1) for size in shape) > LARGEST_TENSOR


def check_size(name: str, shape: Sequence[int | None], where: Path) -> None:
    """Refuse a tensor that is too large for one track.

    Args:
        name: The tensor's name.
        shape: Its sizes; None or -1 where they aren't known.
        where: Its file, for the message.

    Raises:
        UserError: if it is too large.
    """
    if is_too_large(shape):
        raise UserError(f"{where} is refused: its tensor {name!r} of shape {shape} is too large")
