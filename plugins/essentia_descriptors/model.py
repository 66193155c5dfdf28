"""A frozen graph of Essentia with its description."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Model:
    """A model in a folder, according to its description.

    Attributes:
        name: Its name, that of both files.
        folder: Folder of the files.
        input: Name of the input node.
        output: Name of the output node.
        shape: Shape of the input, without the batch axis.
        size: Number of output values per input.
        columns: Indices of the output values that are used; empty for all.
    """

    name: str
    folder: Path
    input: str
    output: str
    shape: tuple[int, ...]
    size: int
    columns: tuple[int, ...] = ()

    @property
    def graph(self) -> Path:
        """The frozen graph."""
        return self.folder / f"{self.name}.pb"
