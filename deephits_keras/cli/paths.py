"""Paths as arguments and options, checked before anything heavy is imported."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from deephits_keras.corpus.files import INFO
from deephits_keras.errors import UserError
from deephits_keras.export.files import MANIFEST
from deephits_keras.runs.files import CONFIG

PATH = click.Path(path_type=Path)

KINDS = {INFO: "a corpus", CONFIG: "a run", MANIFEST: "a bundle"}
"""What a folder is, by the file that tells it."""


class FolderOf(click.Path):
    """A folder that a command reads, told by its files before anything heavy is imported.

    Args:
        what: What it must be.
        files: Names of files of which it has one.
        advice: How such a folder is made.
    """

    def __init__(self, what: str, *files: str, advice: str) -> None:
        super().__init__(path_type=Path)
        self.what, self.files, self.advice = what, files, advice

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        """The path.

        Raises:
            UserError: if the folder doesn't exist or is something else.
        """
        folder: Any = super().convert(value, param, ctx)
        if any((folder / name).exists() for name in self.files):
            return folder
        if not folder.exists():
            raise UserError(f"There is no folder {folder}. {self.advice}")
        lacking = f"{folder} is not {self.what}: it has no {' or '.join(self.files)}"
        for name, other in KINDS.items():
            if (folder / name).exists():
                raise UserError(f"{lacking}. It is {other}")
        raise UserError(f"{lacking}. {self.advice}")


class ExistingPath(click.Path):
    """What a command reads, missed before anything heavy is imported.

    Args:
        what: What else than a folder is needed; empty if a folder will do.
        kind: What a missing one is called.
    """

    def __init__(self, what: str = "", *, kind: str = "file") -> None:
        super().__init__(path_type=Path)
        self.what, self.kind = what, kind

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        """The path.

        Raises:
            UserError: if there is nothing, or a folder.
        """
        path: Any = super().convert(value, param, ctx)
        if not path.exists():
            raise UserError(f"There is no {self.kind} {path}")
        if self.what and path.is_dir():
            raise UserError(f"{path} is a folder, where {self.what} is needed")
        return path


MAKE_CORPUS = "`deephits import` makes a corpus of a table or a dataset"
MAKE_RUN = "`deephits train` makes a run of a corpus"

CORPUS = FolderOf("a corpus", INFO, advice=MAKE_CORPUS)
RUN = FolderOf("a deephits run", CONFIG, advice=MAKE_RUN)
RUN_OR_BUNDLE = FolderOf("a deephits run or bundle", CONFIG, MANIFEST, advice=MAKE_RUN)

SONG_FILE = ExistingPath("the file of one song")
TABLE = ExistingPath()
"""A file, or a folder of Parquet files."""
