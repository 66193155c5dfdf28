"""`verify`: check that every file of a corpus, a run or a bundle exists and is undamaged."""

from __future__ import annotations

from pathlib import Path

from deephits_keras.corpus.files import INFO, TRACKS
from deephits_keras.errors import UserError
from deephits_keras.export.files import EXAMPLES, MANIFEST
from deephits_keras.runs.files import CHECKSUMS, CONFIG
from deephits_keras.utils.findings import Verification


def verify(folder: str | Path, *, check_content: bool = False) -> Verification:
    """Compare every file of a corpus, a run or a bundle with its checksum.

    The outputs of a bundle for its example tracks are compared as well.

    The features of a corpus are checked without their encoders, which needn't be installed, and
    compared with their inputs: texts, fields, and files by size and modification time. Input files
    such as recordings aren't part of a corpus, so a missing one isn't a finding.

    Args:
        folder: The corpus, the run or the bundle.
        check_content: Also compare the content of the input files.

    Raises:
        UserError: if the folder is none of them.
    """
    folder = Path(folder)
    if any((folder / name).is_file() for name in (INFO, TRACKS)):
        from deephits_keras.features.verification import verify_corpus

        return verify_corpus(folder, check_content=check_content)
    if any((folder / name).is_file() for name in (MANIFEST, EXAMPLES)):
        from deephits_keras.export.verification import verify_bundle

        return verify_bundle(folder)
    if any((folder / name).is_file() for name in (CONFIG, CHECKSUMS)):
        from deephits_keras.runs.verification import verify_run

        return verify_run(folder)
    if not folder.exists():
        raise UserError(f"There is no folder {folder}")
    raise UserError(
        f"{folder} is neither a corpus (it has no {INFO}) nor a run (it has no {CONFIG}) nor a "
        f"bundle (it has no {MANIFEST})"
    )
