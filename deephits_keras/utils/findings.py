"""Findings of a verification."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

State = Literal["damaged", "missing", "unfinished"]


@dataclass(frozen=True)
class Finding:
    """One problem.

    Attributes:
        file: The file or folder.
        state: `damaged`, `missing` or `unfinished`.
        problem: Description of the problem.
        remedy: How to repair it.
    """

    file: str
    state: State
    problem: str
    remedy: str


@dataclass(frozen=True)
class Verification:
    """Result of the verification of a folder.

    Attributes:
        folder: The folder.
        kind: `corpus`, `run` or `bundle`.
        checked: Number of files that were compared.
        findings: All problems; empty if the folder is whole.
    """

    folder: Path
    kind: Literal["corpus", "run", "bundle"]
    checked: int
    findings: tuple[Finding, ...]

    @property
    def whole(self) -> bool:
        """Whether there are no problems."""
        return not self.findings
