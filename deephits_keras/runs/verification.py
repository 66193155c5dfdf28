"""Verify a run."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path

from deephits_keras.errors import UserError
from deephits_keras.runs.files import CHECKSUMS, COMPILED, LATER, RECORDED, REPORT, STATE
from deephits_keras.utils.files import read_record, sha256
from deephits_keras.utils.findings import Finding, Verification


def verify_run(folder: Path) -> Verification:
    """Check every file of a run that has a checksum; see `verification.verify`."""
    from deephits_keras.runs.run import Run

    remedy = "copy the run again from where it is whole, or train it again into another folder"
    if not (folder / CHECKSUMS).exists():
        findings = [_unfinished(folder), *_damaged_checkpoints(folder, remedy)]
        return Verification(folder, "run", 0, tuple(findings))
    try:
        recorded = read_record(folder / CHECKSUMS, dict[str, str], "a finished run")
    except UserError as error:
        damaged = Finding(str(folder / CHECKSUMS), "damaged", str(error), remedy)
        return Verification(folder, "run", 1, (damaged,))
    try:
        config = Run(folder).config
        names, members = config.recorded, list(config.members)
    except UserError:
        # Its own checksum shows it.
        names, members = tuple(recorded) or RECORDED, []
    # A run of an earlier version lacks them; an existing file without checksum was added later.
    wanted = [n for n in names if n not in LATER or n in recorded or (folder / n).exists()]
    if set(recorded) != set(wanted):
        problem = f"it doesn't hold a checksum for each of {', '.join(wanted)}"
        damaged = Finding(str(folder / CHECKSUMS), "damaged", problem, remedy)
        return Verification(folder, "run", 1, (damaged,))
    findings = []
    for name in wanted:
        path = folder / name
        try:
            if sha256(path) != recorded[name]:
                problem = f"its content doesn't match its checksum in {CHECKSUMS}"
                findings.append(Finding(str(path), "damaged", problem, remedy))
        except FileNotFoundError:
            findings.append(Finding(str(path), "missing", "there is no such file", remedy))
        except OSError as error:
            problem = f"it can't be read: {error.strerror}"
            findings.append(Finding(str(path), "damaged", problem, remedy))
    within = [verify_run(folder / member) for member in members]
    findings += [finding for member in within for finding in member.findings]
    if not (folder / REPORT).exists():
        again = f"run `deephits train {_corpus_of(folder)} {folder} --resume`"
        findings.append(Finding(str(folder / REPORT), "missing", "no report", again))
    checked = len(wanted) + sum(member.checked for member in within)
    return Verification(folder, "run", checked, tuple(findings))


def _unfinished(folder: Path) -> Finding:
    return Finding(
        str(folder),
        "unfinished",
        f"training hasn't finished: there is no {CHECKSUMS}",
        f"run `deephits train {_corpus_of(folder)} {folder} --resume`",
    )


def _corpus_of(folder: Path) -> str:
    """The corpus in a run's configuration, for messages; `CORPUS` if it can't be read."""
    from deephits_keras.runs.run import Run

    try:
        return str(Run(folder).config.corpus["folder"])
    except UserError:
        return "CORPUS"


def _damaged_checkpoints(folder: Path, remedy: str) -> Iterator[Finding]:
    """Checkpoints of an unfinished run whose archive fails its own checksums (CRC-32)."""
    kinds = (COMPILED, "epoch-*.npz")
    places = [f"{where}{STATE}/{kind}" for where in ("", "members/*/") for kind in kinds]
    for path in sorted(path for place in places for path in folder.glob(place)):
        try:
            with zipfile.ZipFile(path) as archive:
                bad = archive.testzip()
        except (zipfile.BadZipFile, OSError, EOFError, NotImplementedError) as error:
            bad = str(error)
        if bad:
            yield Finding(str(path), "damaged", f"the archive is damaged: {bad}", remedy)
