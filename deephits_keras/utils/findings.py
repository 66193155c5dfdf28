"""What a verification finds."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

State = Literal["damaged", "missing", "unfinished"]


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong.

    Attributes:
        file: The file or folder.
        state: `damaged`, `missing` or `unfinished`.
        problem: What is wrong with it.
        remedy: What to do.
    """

    file: str
    state: State
    problem: str
    remedy: str


@dataclass(frozen=True)
class Verification:
    """What came of checking a folder.

    Attributes:
        folder: The folder.
        kind: `corpus`, `run` or `bundle`.
        checked: Files whose content was read and compared.
        findings: Everything that is wrong; empty if it is whole.
    """

    folder: Path
    kind: Literal["corpus", "run", "bundle"]
    checked: int
    findings: tuple[Finding, ...]

    @property
    def whole(self) -> bool:
        """Whether nothing is wrong."""
        return not self.findings
