"""Atomic writing of files: under a temporary name, renamed when complete."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import secrets
import stat
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from deephits_keras.errors import DeepHitsError, UserError
from deephits_keras.utils.records import from_plain, to_plain

T = TypeVar("T")

PARTIAL = ".partial-"
"""Prefix of the names of incomplete files."""

NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, None)
"""Error numbers of a full disk; None, as NumPy and HDF5 give no number for a short write."""


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path in the folder of `path`, and rename it when the block ends.

    If the block raises, the temporary file is removed and `path` is unchanged. Data is flushed to
    disk before renaming. The permissions are those that `open` would leave: an existing file's
    own, or those of the process's umask.

    Raises:
        UserError: if the folder can't be written to.
        DeepHitsError: if the disk is full.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = _temporary_beside(path)
    except (PermissionError, NotADirectoryError, FileExistsError) as error:
        raise UserError(f"Can't write to {path.parent}: {error.strerror}") from error
    except OSError as error:
        raise _no_room(path, error) or UserError(f"Can't write {path}: {error.strerror}") from error
    try:
        yield temporary
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        if path.is_file():
            temporary.chmod(stat.S_IMODE(path.stat().st_mode))
        temporary.replace(path)
    except OSError as error:
        raise _no_room(path, error) or error from error
    finally:
        temporary.unlink(missing_ok=True)
        os.close(handle)


def _no_room(path: Path, error: OSError) -> DeepHitsError | None:
    if error.errno not in NO_ROOM:
        return None
    return DeepHitsError(
        f"Can't write to {path.parent}: {error.strerror or error}. Complete results are kept: free "
        "some space and run the same command to go on"
    )


def _temporary_beside(path: Path) -> tuple[int, Path]:
    """A new file, locked while it is open, so that it isn't removed as a leftover."""
    while True:
        temporary = path.parent / f"{PARTIAL}{secrets.token_hex(8)}{path.suffix}"
        # Not `tempfile`, whose files are the owner's alone: here the umask decides.
        handle = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        with contextlib.suppress(OSError):  # some network file systems have no locks
            fcntl.flock(handle, fcntl.LOCK_EX)
        # Between its creation and the lock another process may have removed it.
        if os.fstat(handle).st_nlink:
            return handle, temporary
        os.close(handle)


def remove_leftovers(folder: Path) -> None:
    """Remove temporary files in `folder` whose writers were killed."""
    for path in folder.glob(f"{PARTIAL}*"):
        with contextlib.suppress(OSError), path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink()


def write_text(path: Path, text: str) -> None:
    """Write `text` as UTF-8, atomically."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any) -> None:
    """Write `value` as indented JSON, atomically; dataclasses by their fields."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, default=to_plain) + "\n")


def read_json(path: Path, what: str) -> Any:
    """Read a JSON file.

    Args:
        path: The file.
        what: What the file should be, for the message.

    Raises:
        UserError: if it is missing or isn't JSON, or an object has a key twice.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=keys_once)
    except FileNotFoundError:
        raise UserError(f"{path.parent} is not {what}: it has no {path.name}") from None
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"{path} can't be read as {what}: {error}") from error


class RepeatedKeyError(ValueError):
    """An object of JSON has a key twice.

    Attributes:
        key: The key.
    """

    def __init__(self, key: str) -> None:
        super().__init__(f"the key {key!r:.80} is there twice")
        self.key = key


def keys_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of JSON, as `object_pairs_hook`: of a key that is there twice one would be lost.

    Raises:
        RepeatedKeyError: if a key is there twice.
    """
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in found if keys.count(key) > 1)
        raise RepeatedKeyError(twice)
    return found


def read_record(path: Path, kind: type[T], what: str, *, closed: bool = True) -> T:
    """An object from a JSON file.

    Args:
        path: The file.
        kind: The object's type, as in `utils.records.from_plain`.
        what: What the file should be, for the message.
        closed: Whether a dataclass may have no other keys than its fields.

    Raises:
        UserError: if it isn't there, isn't JSON, or holds something else: the message names the
            file and the key.
    """
    return from_plain(read_json(path, what), kind, f"{path} is damaged", closed=closed)


def sha256(path: Path) -> str:
    """The file's SHA-256 in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def hash_of_files(folder: Path, names: Iterable[str]) -> str:
    """One SHA-256 of several files' names and contents, in hexadecimal; missing files are ignored.

    A file is read again only if its size or time changes.

    Args:
        folder: Folder of the files; it is not part of the hash.
        names: Their names, in any order.
    """
    whole = hashlib.sha256()
    for name in sorted(names):
        path = folder / name
        if path.is_file():
            whole.update(f"{name} {remembered_sha256(path)}\n".encode())
    return whole.hexdigest()


def hash_of_path(path: Path) -> str:
    """SHA-256 of a file, or one of all files below a folder and their names, in hexadecimal.

    A file is read again only if its size or time changes.
    """
    if path.is_dir():
        inside = (file for file in path.rglob("*") if file.is_file())
        return hash_of_files(path, (file.relative_to(path).as_posix() for file in inside))
    return remembered_sha256(path)


def remembered_sha256(path: Path) -> str:
    """`sha256`, read again in this process only if the file's size or time changes."""
    stat = path.stat()
    return _remembered(path, stat.st_mtime_ns, stat.st_size)


@cache
def _remembered(path: Path, modified: int, size: int) -> str:
    del modified, size  # parts of the cache key only
    return sha256(path)
