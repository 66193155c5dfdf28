"""onnxruntime-web, the npm package that runs a graph in a page: one pinned release of it."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

from deephits_keras.errors import UserError
from deephits_keras.utils.files import replacing, write_text

VERSION = "1.30.0"
PACKAGE = f"onnxruntime-web@{VERSION}"

NPM = "npm"
"""Instead of a path: fetch the package with npm."""

SCRIPT, BINARY, LICENCE = (
    "onnxruntime-web.js",
    "onnxruntime-web.wasm",
    "onnxruntime-web-LICENSE.txt",
)
"""Names in an export."""

PINNED = {
    SCRIPT: (
        "dist/ort.wasm.bundle.min.mjs",
        "11e64bd8ffe11bd1a2a2f0d6275fdfbbba7262f0b76b99b53d228a8a22ef3d90",
    ),
    BINARY: (
        "dist/ort-wasm-simd-threaded.wasm",
        "3398c10d07d229bd91b364548e130e0e51a8e5704b88c7c083ebbeb78842dee2",
    ),
}
"""Files of the package that a page needs, with their SHA-256."""

MIT = """MIT License

Copyright (c) Microsoft Corporation

Permission is hereby granted, free of charge, to any person obtaining a copy
of this software and associated documentation files (the "Software"), to deal
in the Software without restriction, including without limitation the rights
to use, copy, modify, merge, publish, distribute, sublicense, and/or sell
copies of the Software, and to permit persons to whom the Software is
furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all
copies or substantial portions of the Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR
IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY,
FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE
AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER
LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM,
OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE
SOFTWARE.
"""
"""Its licence; the npm package has only the name of it."""

ADVICE = (
    f"Give --onnxruntime-web the package {PACKAGE}: its .tgz (`npm pack {PACKAGE}`), the folder "
    f"node_modules/onnxruntime-web, or `{NPM}` to fetch it with npm"
)


def check_source(source: str | Path | None) -> None:
    """Check where the package is to come from; nothing is fetched.

    Args:
        source: Its `.tgz`, its folder, or `NPM`.

    Raises:
        UserError: if nothing is given, there is nothing, or npm isn't installed.
    """
    if source is None:
        raise UserError(f"A page needs onnxruntime-web to run the model. {ADVICE}")
    if str(source) == NPM:
        if shutil.which(NPM) is None:
            raise UserError(f"npm isn't installed. {ADVICE}")
    elif not Path(source).exists():
        raise UserError(f"There is no {source}. {ADVICE}")


def write_runtime(source: str | Path | None, folder: Path) -> None:
    """Copy the package's files into a page's folder.

    Args:
        source: As in `check_source`; npm is called only if `NPM` is given.
        folder: The folder.

    Raises:
        UserError: if the files aren't those of the pinned release.
    """
    check_source(source)
    if str(source) != NPM:
        _copy(Path(str(source)), folder)
        return
    with tempfile.TemporaryDirectory() as temporary:
        command = [NPM, "pack", "--prefer-offline", "--ignore-scripts", PACKAGE]
        done = subprocess.run(command, cwd=temporary, capture_output=True, text=True, check=False)
        fetched = sorted(Path(temporary).glob("*.tgz"))
        if done.returncode or len(fetched) != 1:
            raise UserError(f"npm could not fetch {PACKAGE}: {done.stderr.strip()[-500:]}")
        _copy(fetched[0], folder)


def _copy(source: Path, folder: Path) -> None:
    for name, (inside, wanted) in PINNED.items():
        content = _content(source, inside)
        if hashlib.sha256(content).hexdigest() != wanted:
            raise UserError(f"{inside} of {source} isn't that of {PACKAGE}. {ADVICE}")
        with replacing(folder / name) as temporary:
            temporary.write_bytes(content)
    write_text(folder / LICENCE, MIT)


def _content(source: Path, inside: str) -> bytes:
    """A file of the package, from its folder or its archive; nothing is unpacked."""
    try:
        if source.is_dir():
            return (source / inside).read_bytes()
        with tarfile.open(source) as archive:
            member = archive.extractfile(f"package/{inside}")
            if member is None:
                raise KeyError(inside)
            return member.read()
    except (OSError, KeyError, tarfile.TarError) as error:
        raise UserError(f"{source} has no {inside}: {error}. {ADVICE}") from error
