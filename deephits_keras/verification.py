"""`verify`: whether every file of a corpus or of a run is there, and is as it was written."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

from deephits_keras.errors import DeepHitsError, UserError
from deephits_keras.utils.files import read_json, sha256

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
        kind: `corpus` or `run`.
        checked: Files whose content was read and compared.
        findings: Everything that is wrong; empty if it is whole.
    """

    folder: Path
    kind: Literal["corpus", "run"]
    checked: int
    findings: tuple[Finding, ...]

    @property
    def whole(self) -> bool:
        """Whether nothing is wrong."""
        return not self.findings


def verify(folder: Path) -> Verification:
    """Read every file of a corpus or a run that has a checksum, and compare.

    Recordings aren't part of a corpus and aren't read. A corpus's features are checked without
    their encoders, which needn't be installed.

    Args:
        folder: The corpus or the run.

    Raises:
        UserError: if it is neither.
    """
    from deephits_keras.corpus.table import INFO, TRACKS
    from deephits_keras.runs.run import CHECKSUMS, CONFIG

    if any((folder / name).is_file() for name in (INFO, TRACKS)):
        return _verify_corpus(folder)
    if any((folder / name).is_file() for name in (CONFIG, CHECKSUMS)):
        return _verify_run(folder)
    raise UserError(
        f"{folder} is neither a corpus (it has no {INFO}) nor a run (it has no {CONFIG})"
    )


# === A corpus ===


def _verify_corpus(folder: Path) -> Verification:
    from deephits_keras.corpus.table import INFO, TRACKS, Corpus

    again = "import the tracks again: features of the same tracks are kept"
    if not (folder / INFO).exists():
        unfinished = Finding(str(folder), "unfinished", f"there is no {INFO}", again)
        return Verification(folder, "corpus", 0, (unfinished,))
    findings: list[Finding] = []
    try:
        corpus = Corpus.open(folder)
        if sha256(folder / TRACKS) != corpus.fingerprint:
            raise DeepHitsError(f"its content doesn't match the checksum in {INFO}")
        ids = corpus.track_ids
    except (DeepHitsError, KeyError, OSError) as error:
        state: State = "damaged" if (folder / TRACKS).exists() else "missing"
        damaged = Finding(str(folder / TRACKS), state, str(error), again)
        return Verification(folder, "corpus", 1, (damaged,))
    checked = 1
    for store in sorted(path for path in corpus.features_folder.glob("*/*") if path.is_dir()):
        files, found = _verify_store(store, ids, f"run `deephits extract {folder}`")
        checked += files
        findings += found
    return Verification(folder, "corpus", checked, tuple(findings))


def _verify_store(store: Path, ids: list[str], again: str) -> tuple[int, list[Finding]]:
    """How many files of a feature store were read, and what is wrong with it."""
    from deephits_keras.features.shards import StoreLayout
    from deephits_keras.utils.progress import progress

    try:
        layout = StoreLayout.read(store)
    except UserError as error:
        there = (store / "store.json").exists()
        return 1, [
            Finding(str(store / "store.json"), "damaged" if there else "missing", str(error), again)
        ]
    if layout.tracks != len(ids):
        problem = f"it is of {layout.tracks} tracks, the corpus has {len(ids)}"
        return 1, [Finding(str(store), "unfinished", problem, again)]
    if (layout.encoder, layout.fingerprint) != (store.parent.name, store.name):
        problem = f"it is of {layout.encoder} {layout.fingerprint}"
        return 1, [Finding(str(store / "store.json"), "damaged", problem, again)]
    check = partial(_verify_shard, store, layout, ids, again)
    with ThreadPoolExecutor() as pool:
        results = progress(
            pool.map(check, range(layout.shards)),
            total=layout.shards,
            what=f"verifying {layout.encoder}",
        )
        outcomes = list(results)
    files = sum(count for count, _ in outcomes)
    return 1 + files, [finding for _, finding in outcomes if finding]


def _verify_shard(
    store: Path, layout: Any, ids: list[str], again: str, shard: int
) -> tuple[int, Finding | None]:
    from deephits_keras.features.shards import ShardRecord, damage, sidecar

    path = str(sidecar(store, shard))
    try:
        record = ShardRecord.read(store, shard)
    except DeepHitsError as error:
        return 1, Finding(path, "damaged", str(error), again)
    if record is None:
        return 0, Finding(path, "unfinished", "the shard isn't there", again)
    rows = layout.rows(shard)
    if record.track_ids != ids[rows.start : rows.stop]:
        return 1, Finding(path, "unfinished", "it is of other tracks than the corpus", again)
    problem = damage(store, shard, record, layout.specs(), anew=True)
    if problem is None:
        return 1 + len(record.files), None
    gone = any(not (store / f"{Path(path).stem}.{n}.npy").exists() for n in record.files)
    return 1 + len(record.files), Finding(path, "missing" if gone else "damaged", problem, again)


# === A run ===


def _verify_run(folder: Path) -> Verification:
    from deephits_keras.runs.run import CHECKSUMS, LATER, RECORDED, Run

    remedy = "copy the run again from where it is whole, or train it again into another folder"
    if not (folder / CHECKSUMS).exists():
        findings = [_unfinished(folder), *_damaged_checkpoints(folder, remedy)]
        return Verification(folder, "run", 0, tuple(findings))
    try:
        recorded = read_json(folder / CHECKSUMS, "a finished run")
    except UserError as error:
        damaged = Finding(str(folder / CHECKSUMS), "damaged", str(error), remedy)
        return Verification(folder, "run", 1, (damaged,))
    recorded = recorded if isinstance(recorded, dict) else {}
    try:
        config = Run(folder).config
        names, members = config.recorded, list(config.members)
    except UserError:
        # Its own checksum says so.
        names, members = tuple(recorded) or RECORDED, []
    # A run of an earlier version lacks them; a file that is there unrecorded was put there later.
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
    within = [_verify_run(folder / member) for member in members]
    findings += [finding for member in within for finding in member.findings]
    if not (folder / "report.html").exists():
        again = f"run `deephits train {_corpus_of(folder)} {folder} --resume`"
        findings.append(Finding(str(folder / "report.html"), "missing", "no report", again))
    checked = len(wanted) + sum(member.checked for member in within)
    return Verification(folder, "run", checked, tuple(findings))


def _unfinished(folder: Path) -> Finding:
    from deephits_keras.runs.run import CHECKSUMS

    return Finding(
        str(folder),
        "unfinished",
        f"training hasn't finished: there is no {CHECKSUMS}",
        f"run `deephits train {_corpus_of(folder)} {folder} --resume`",
    )


def _corpus_of(folder: Path) -> str:
    """The corpus that a run's configuration names, for a message; `CORPUS` if it can't be read."""
    from deephits_keras.runs.run import CONFIG

    try:
        return str(read_json(folder / CONFIG, "a deephits run")["corpus"]["folder"])
    except (UserError, KeyError, TypeError):
        return "CORPUS"


def _damaged_checkpoints(folder: Path, remedy: str) -> Iterator[Finding]:
    """Checkpoints of an unfinished run whose archive fails its own checksums (CRC-32)."""
    places = ("state/epoch-*.keras", "members/*/state/epoch-*.keras")
    for path in sorted(path for place in places for path in folder.glob(place)):
        try:
            with zipfile.ZipFile(path) as archive:
                bad = archive.testzip()
        except (zipfile.BadZipFile, OSError, EOFError, NotImplementedError) as error:
            bad = str(error)
        if bad:
            yield Finding(str(path), "damaged", f"the archive is damaged: {bad}", remedy)
