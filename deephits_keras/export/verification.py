"""Verify a bundle: its files, and its outputs for the example tracks."""

from __future__ import annotations

from pathlib import Path

from deephits_keras.errors import UserError
from deephits_keras.export.bundle import WHAT, Bundle, check_files
from deephits_keras.export.examples import wrong_answers
from deephits_keras.export.files import CHECKSUMS
from deephits_keras.export.formats.base import MissingPackageError
from deephits_keras.utils.files import read_record
from deephits_keras.utils.findings import Finding, Verification


def verify_bundle(folder: Path) -> Verification:
    """Check a bundle: every checksum, the graph, and the outputs for the example tracks.

    Args:
        folder: The bundle.

    Raises:
        MissingPackageError: if what runs its format isn't installed.
    """
    remedy = "copy the bundle again from where it is whole, or export the run again"
    checked = 0
    try:
        check_files(folder)
        checked = len(read_record(folder / CHECKSUMS, dict[str, str], WHAT))
        problem = wrong_answers(Bundle(folder))
        if not problem:
            return Verification(folder, "bundle", checked, ())
        where = folder
    except MissingPackageError:
        raise
    except UserError as error:
        problem, where = str(error), folder / ("" if checked else CHECKSUMS)
    finding = Finding(str(where), "damaged", problem, remedy)
    return Verification(folder, "bundle", checked, (finding,))
