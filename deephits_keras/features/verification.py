"""Verify a corpus and its feature stores."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from threading import Lock

from deephits_keras.corpus.files import INFO, TRACKS
from deephits_keras.corpus.table import Corpus
from deephits_keras.errors import DeepHitsError, UserError
from deephits_keras.features.advice import extract_store_again
from deephits_keras.features.shards import (
    EarlierFormatError,
    ShardRecord,
    StoreLayout,
    damage,
    sidecar,
)
from deephits_keras.features.sources import changed_inputs
from deephits_keras.utils.files import sha256
from deephits_keras.utils.findings import Finding, State, Verification


def verify_corpus(folder: Path, *, check_content: bool = False) -> Verification:
    """Check a corpus: its table and the shards of its feature stores; see `verification.verify`."""
    again = "import the tracks again: features of the same tracks are kept"
    if not (folder / INFO).exists():
        unfinished = Finding(str(folder), "unfinished", f"there is no {INFO}", again)
        return Verification(folder, "corpus", 0, (unfinished,))
    findings: list[Finding] = []
    try:
        corpus = Corpus.open(folder)
        if sha256(folder / TRACKS) != corpus.fingerprint:
            raise DeepHitsError(f"its content doesn't match the checksum in {INFO}")
        corpus.track_ids  # noqa: B018 - read, to find out whether it can be
    except (DeepHitsError, KeyError, OSError) as error:
        state: State = "damaged" if (folder / TRACKS).exists() else "missing"
        damaged = Finding(str(folder / TRACKS), state, str(error), again)
        return Verification(folder, "corpus", 1, (damaged,))
    checked = 1
    for store in sorted(path for path in corpus.features_folder.glob("*/*") if path.is_dir()):
        files, found = _verify_store(store, corpus, check_content)
        checked += files
        findings += found
    return Verification(folder, "corpus", checked, tuple(findings))


def _verify_store(store: Path, corpus: Corpus, check_content: bool) -> tuple[int, list[Finding]]:
    """Number of checked files of a feature store, and its findings."""
    from deephits_keras.utils.progress import progress

    again = extract_store_again(corpus, store.parent.name, None)
    try:
        layout = StoreLayout.read(store)
    except UserError as error:
        state: State = "damaged" if (store / "store.json").exists() else "missing"
        if isinstance(error, EarlierFormatError):
            state = "unfinished"
        return 1, [Finding(str(store / "store.json"), state, str(error), again)]
    if layout.tracks != len(corpus):
        problem = f"it is of {layout.tracks} tracks, the corpus has {len(corpus)}"
        return 1, [Finding(str(store), "unfinished", problem, again)]
    if (layout.encoder, layout.fingerprint) != (store.parent.name, store.name):
        problem = f"it is of {layout.encoder} {layout.fingerprint}"
        return 1, [Finding(str(store / "store.json"), "damaged", problem, again)]
    again = extract_store_again(corpus, layout.encoder, layout.config)
    check = partial(_verify_shard, store, layout, corpus, again, check_content, Lock())
    with ThreadPoolExecutor() as pool:
        results = progress(
            pool.map(check, range(layout.shards)),
            total=layout.shards,
            what=f"verifying {layout.encoder}",
        )
        outcomes = list(results)
    files = sum(count for count, _ in outcomes)
    findings = [finding for _, finding in outcomes if finding]
    if absent := sum(finding is None and not count for count, finding in outcomes):
        problem = (
            f"the extraction was interrupted: {absent:,} of {layout.shards:,} parts, of "
            f"{layout.shard_size} tracks each, aren't there yet"
        )
        findings.append(Finding(str(store), "unfinished", problem, again))
    return 1 + files, findings


def _verify_shard(
    store: Path,
    layout: StoreLayout,
    corpus: Corpus,
    again: str,
    check_content: bool,
    reading: Lock,
    shard: int,
) -> tuple[int, Finding | None]:
    """Number of a shard's files and what is wrong with it; 0 and None if it isn't there."""
    path = str(sidecar(store, shard))
    try:
        record = ShardRecord.read(store, shard)
    except DeepHitsError as error:
        return 1, Finding(path, "damaged", str(error), again)
    if record is None:
        return 0, None
    rows = layout.rows(shard)
    if record.track_ids != corpus.track_ids[rows.start : rows.stop]:
        return 1, Finding(path, "unfinished", "it is of other tracks than the corpus", again)
    problem = damage(store, shard, record, layout.specs(), anew=True)
    if problem is not None:
        gone = any(not (store / f"{Path(path).stem}.{n}.npy").exists() for n in record.files)
        state: State = "missing" if gone else "damaged"
        return 1 + len(record.files), Finding(path, state, problem, again)
    # Arrow's file may be read by one thread at a time.
    with reading:
        tracks = corpus.tracks(rows, layout.declared())
    changed, _ = changed_inputs(record, tracks, check_content=check_content)
    finding = Finding(path, "unfinished", changed, again) if changed else None
    return 1 + len(record.files), finding
