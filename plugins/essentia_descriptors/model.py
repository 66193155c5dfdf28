"""One frozen graph of Essentia with what its description says of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Model:
    """One model of a folder, as its description has it.

    Attributes:
        name: Its name, that of both files.
        folder: Where they are.
        input: The graph's input node.
        output: The node whose values are wanted.
        shape: Shape of the input, without the batch.
        size: How many values the output has for each input.
        columns: Which of them are the classes that are read; empty for all.
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
