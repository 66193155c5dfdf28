"""Results in parts beside their file, so that work that was interrupted goes on.

    scores.parquet.partial/
        state.json         what the parts are of: model, table, settings
        part-00000.parquet the first rows

The folder is removed when the file is whole.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar

from deephits_keras.errors import UserError
from deephits_keras.utils.files import read_json, remove_leftovers, replacing, write_json

A = TypeVar("A", contravariant=True)


class Format(Protocol[A]):
    """How results are written."""

    def write_part(self, answers: Iterable[A], path: Path) -> None:
        """Write some rows."""

    def join(self, parts: Sequence[Path], path: Path) -> None:
        """Write all rows, part after part."""


class Parts:
    """The parts of a file that is being written.

    Args:
        path: The file.
        of: What the results depend on, as JSON types; parts of anything else are not continued.
        form: How results are written.
        anew: Whether to begin at the first part, whatever is there.

    Attributes:
        restarted: Whether there were parts of something else, which were removed.

    Raises:
        UserError: if the folder can't be written to.
    """

    def __init__(
        self, path: Path, of: Mapping[str, Any], form: Format[Any], *, anew: bool = False
    ) -> None:
        self.path = path
        self.folder = path.with_name(f"{path.name}.partial")
        self._form = form
        text = json.dumps(of, sort_keys=True, default=str)
        state = {**of, "digest": hashlib.sha256(text.encode()).hexdigest()}
        before = self._state()
        self.restarted = before is not None and before.get("digest") != state["digest"]
        if before is None or self.restarted or anew:
            self.remove()
            write_json(self.folder / "state.json", state)
        for folder in (self.folder, path.parent):
            remove_leftovers(folder)

    def _state(self) -> dict[str, Any] | None:
        if not self.folder.exists():
            return None
        if not self.folder.is_dir():
            raise UserError(f"{self.folder} is where results are kept until all are there: move it")
        with contextlib.suppress(UserError):
            found = read_json(self.folder / "state.json", "a folder of parts")
            return found if isinstance(found, dict) else {}
        return {}

    def part(self, number: int) -> Path:
        """Path of a part."""
        return self.folder / f"part-{number:06d}{self.path.suffix}"

    def has(self, number: int) -> bool:
        """Whether a part is there, whole."""
        return self.part(number).exists()

    def write(self, number: int, answers: Iterable[Any]) -> None:
        """Write a part."""
        with replacing(self.part(number)) as temporary:
            self._form.write_part(answers, temporary)

    def join(self, numbers: Iterable[int]) -> None:
        """Put the parts together, and remove them.

        Args:
            numbers: Numbers of all parts, in order.

        Raises:
            UserError: if one is gone, as after another process that wrote the same file.
        """
        parts = [self.part(number) for number in numbers]
        if gone := next((part for part in parts if not part.exists()), None):
            raise UserError(
                f"{gone} is gone, as if another process had written {self.path} at the same time: "
                f"see whether {self.path} is there, or run the same command again"
            )
        with replacing(self.path) as temporary:
            self._form.join(parts, temporary)
        self.remove()

    def remove_if_none(self) -> None:
        """Remove the folder if no part is in it."""
        if not any(self.folder.glob("part-*")):
            self.remove()

    def remove(self) -> None:
        """Remove the folder, if it is one of parts."""
        if not self.folder.exists():
            return
        others = [p.name for p in self.folder.iterdir() if not p.name.startswith((".", "part-"))]
        if set(others) - {"state.json"}:
            raise UserError(f"{self.folder} has files in it that are no parts of results: move it")
        shutil.rmtree(self.folder)
