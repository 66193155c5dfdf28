"""`verify`: whether every file of a corpus, a run or a bundle is there and as it was written."""

from __future__ import annotations

from pathlib import Path

from deephits_keras.corpus.table import INFO, TRACKS
from deephits_keras.errors import UserError
from deephits_keras.export.bundle import MANIFEST, is_bundle
from deephits_keras.export.verification import verify_bundle
from deephits_keras.features.verification import verify_corpus
from deephits_keras.runs.files import CHECKSUMS, CONFIG
from deephits_keras.runs.verification import verify_run
from deephits_keras.utils.findings import Verification


def verify(folder: str | Path, *, check_content: bool = False) -> Verification:
    """Read every file of a corpus, a run or a bundle that has a checksum, and compare.

    A bundle is also asked for its example tracks' answers.

    A corpus's features are checked without their encoders, which needn't be installed, and
    compared with what they were extracted from: texts, fields, and the files by their size and
    modification time. Recordings and other such files aren't part of a corpus: one that is gone
    is no fault.

    Args:
        folder: The corpus, the run or the bundle.
        check_content: Read those files, too, and compare their content.

    Raises:
        UserError: if it is none of them.
    """
    folder = Path(folder)
    if any((folder / name).is_file() for name in (INFO, TRACKS)):
        return verify_corpus(folder, check_content=check_content)
    if is_bundle(folder):
        return verify_bundle(folder)
    if any((folder / name).is_file() for name in (CONFIG, CHECKSUMS)):
        return verify_run(folder)
    raise UserError(
        f"{folder} is neither a corpus (it has no {INFO}) nor a run (it has no {CONFIG}) nor a "
        f"bundle (it has no {MANIFEST})"
    )
