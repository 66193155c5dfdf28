"""Extraction: every encoder's features of every track, in shards, resumable.

Shards are computed by `joblib` tasks, in one process per core unless the caller chose another
backend with `joblib.parallel_config`. A second run computes only shards that are missing, outdated
or damaged.
"""

from __future__ import annotations

import contextlib
import csv
import dataclasses
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import joblib
import numpy as np

from deephits_keras.corpus.table import Corpus
from deephits_keras.corpus.values import STANDARD
from deephits_keras.encoders.inputs import inputs_of, names_of
from deephits_keras.encoders.registry import AnyEncoder, registry, resolve_modalities
from deephits_keras.errors import DeepHitsError, UserError
from deephits_keras.features.shard_task import extract_shard, extract_shard_in_worker
from deephits_keras.features.shards import (
    SHARD_SIZE,
    ShardRecord,
    StoreLayout,
    damage,
    in_threads,
    sidecar,
    store_folder,
)
from deephits_keras.features.sources import changed_inputs
from deephits_keras.features.workers import check_jobs
from deephits_keras.utils.files import remove_leftovers, replacing, write_json
from deephits_keras.utils.progress import progress
from deephits_keras.utils.suggestions import suggestion

CHECKED_TOGETHER = 64
"""Number of shards whose records are in memory at a time when a store is checked."""


@dataclass(frozen=True)
class ExtractionSummary:
    """Result of an extraction.

    Attributes:
        modality: The encoder's modality.
        encoder: The encoder's name.
        fingerprint: Its fingerprint.
        tracks: Tracks in the corpus.
        present: Tracks with features.
        missing: Tracks that lack the modality.
        failed: Tracks whose input can't be used.
        extracted: Tracks that this call extracted; the others were extracted before.
        seconds: Duration in seconds.
        rejected: CSV file with the failed tracks and the reasons.
    """

    modality: str
    encoder: str
    fingerprint: str
    tracks: int
    present: int
    missing: int
    failed: int
    extracted: int
    seconds: float
    rejected: Path


def corpus_encoders(
    corpus: Corpus,
    modalities: str | None = None,
    settings: Mapping[str, Mapping[str, Any]] | None = None,
    defaults: Mapping[str, Mapping[str, Any]] | None = None,
) -> dict[str, AnyEncoder]:
    """The encoders for a corpus, with the settings that the corpus requires.

    Args:
        corpus: The corpus; its `encoder_settings` are used unless the arguments override them.
        modalities: `"mel,lyrics=my_encoder"`, or None for every modality with a default encoder.
        settings: Values for encoders' settings, by modality or encoder name.
        defaults: Values that `settings` override, by encoder name, used or not.

    Returns:
        One configured encoder per modality, by modality.

    Raises:
        UserError: for an unknown modality or encoder, or a setting that can't be used.
    """
    classes = registry().load_working()
    settings, defaults = settings or {}, defaults or {}
    stored = corpus.encoder_settings
    known = {
        name: {**stored.get(name, {}), **defaults.get(name, {})} for name in (*stored, *defaults)
    }
    installed = [c.modality for c in classes.values() if c.default]
    encoders = resolve_modalities(modalities or installed, settings, defaults=known)
    for modality, encoder in encoders.items():
        if (name := encoder.name) in stored:
            values = {
                **defaults.get(name, {}),
                **settings.get(modality, {}),
                **settings.get(name, {}),
            }
            type(encoder).from_stored(stored[name], values)
    for modality, encoder in encoders.items():
        try:
            encoder.fingerprint()
            if _begins(corpus, encoder):
                encoder.require_extractable()
        except UserError as error:
            others = ",".join(m for m in encoders if m != modality)
            if not others:
                raise
            raise UserError(
                f"{error}\nOr train without {modality}: --modalities {others}"
            ) from error
    return encoders


def _begins(corpus: Corpus, encoder: AnyEncoder) -> bool:
    """Whether nothing is extracted yet, though a track has an input."""
    return not sidecar(store_folder(corpus, encoder), 0).exists() and _has_inputs(corpus, encoder)


def _has_inputs(corpus: Corpus, encoder: AnyEncoder) -> bool:
    """Whether any track has a value of an input; of one that declares none, of any column."""
    inputs = inputs_of(encoder)
    names = corpus.columns if inputs is None else [each.name for each in inputs]
    return any(map(corpus.has_values, names))


def without_inputs(corpus: Corpus, encoders: Mapping[str, AnyEncoder]) -> dict[str, str]:
    """The modalities of which no track has any input, each with the reason.

    Args:
        corpus: The corpus.
        encoders: Encoders by modality.

    Example:
        >>> without_inputs(corpus, {"mel": MelCNN()})  # doctest: +SKIP
        {'mel': 'no track has audio'}
    """
    return {
        modality: f"no track has {_inputs_in_words(encoder)}"
        for modality, encoder in encoders.items()
        if not _has_inputs(corpus, encoder)
    }


def _inputs_in_words(encoder: AnyEncoder) -> str:
    inputs = inputs_of(encoder) or ()
    names = [each.name for each in inputs if each.kind != "field"]
    if fields := len(inputs) - len(names):
        names.append(f"one of the {fields} columns" if fields > 1 else inputs[-1].name)
    return f"{' or '.join(names) or 'a column'} that {encoder.name} reads"


def require_columns(
    corpus: Corpus, encoder: AnyEncoder, settings: Mapping[str, Mapping[str, Any]]
) -> None:
    """Refuse columns that were asked for by name and that the corpus lacks.

    Standard columns may be absent, as the same options serve many corpora; the others would be
    empty for good, and are mostly misspelt.

    Args:
        corpus: The corpus.
        encoder: The encoder.
        settings: What a user gave, by modality or encoder name.

    Raises:
        UserError: with the column, a similar one and all.
    """
    fields = names_of(inputs_of(encoder) or (), "field")
    for owner in (encoder.modality, encoder.name):
        for name, value in settings.get(owner, {}).items():
            asked = value.split(",") if isinstance(value, str) else value
            if not isinstance(asked, Sequence):
                continue
            for column in {str(each).strip() for each in asked} & set(fields):
                if column in STANDARD or column in corpus.columns:
                    continue
                raise UserError(
                    f"{encoder.name}, {name}: the corpus has no column {column!r}"
                    f"{suggestion(column, corpus.columns)}. Columns: {', '.join(corpus.columns)}"
                )


def extract_features(
    corpus: Corpus,
    encoder: AnyEncoder,
    *,
    jobs: int = -1,
    shard_size: int = SHARD_SIZE,
    retry_failed: bool = False,
    check_content: bool = False,
) -> ExtractionSummary:
    """Bring an encoder's feature store of a corpus up to date.

    A track that fails is recorded with the reason, and extraction continues. If interrupted,
    complete shards are kept.

    Args:
        corpus: The corpus.
        encoder: The encoder.
        jobs: Number of worker processes; -1: one per core. An encoder with `parallel = False` runs
            in this process.
        shard_size: Tracks per shard of a new store; an existing store keeps its own.
        retry_failed: Extract shards with failed tracks again, for example if a package was
            missing.
        check_content: Compare the SHA-256 of every input file, even if its size and modification
            time are unchanged.

    Raises:
        UserError: if the encoder's settings can't be used, or the store can't be written to.
        DeepHitsError: if every track with the modality fails, if a worker process died or ran out
            of memory, or if the disk is full.
    """
    began = time.monotonic()
    check_jobs(jobs)
    if not len(corpus):
        raise UserError(f"{corpus.folder} has no tracks")
    check_specs(encoder)
    folder = store_folder(corpus, encoder)
    remove_leftovers(folder)
    layout = _prepare_layout(folder, corpus, encoder, shard_size)
    todo = _unfinished(folder, layout, corpus, encoder, retry_failed, check_content)
    extracted = sum(len(layout.rows(shard)) for shard in todo)
    for _ in progress(
        _extract_shards(folder, layout, todo, corpus, encoder, jobs),
        total=extracted,
        what=f"extracting {encoder.name}",
        weight=int,
    ):
        pass
    present, missing = 0, 0
    failures: list[tuple[int, str, str]] = []
    for shard in range(layout.shards):
        if record := ShardRecord.read(folder, shard):
            present += int(record.present.sum())
            missing += len(record.missing)
            failures += record.failures
    rejected = folder / "rejected.csv"
    if todo or not rejected.exists():
        _write_rejected(rejected, failures)
    if failures and not present:
        _, track_id, reason = failures[0]
        raise DeepHitsError(
            f"{encoder.name} could use none of the {len(failures)} tracks that have the modality "
            f"{encoder.modality!r}. Track {track_id}: {reason}. All are in {rejected}; once the "
            "cause is gone, extract again with --retry-failed"
        )
    return ExtractionSummary(
        modality=encoder.modality,
        encoder=encoder.name,
        fingerprint=layout.fingerprint,
        tracks=layout.tracks,
        present=present,
        missing=missing,
        failed=len(failures),
        extracted=extracted,
        seconds=time.monotonic() - began,
        rejected=rejected,
    )


def check_specs(encoder: AnyEncoder) -> None:
    """Refuse feature specs that can't be stored.

    Raises:
        UserError: if there are none, two have the same name, or one isn't numeric.
    """
    names = [spec.name for spec in encoder.feature_specs]
    if not names or len(set(names)) < len(names):
        raise UserError(
            f"The encoder {encoder.name!r} must have features, each with a unique name. "
            f"Received: {names}"
        )
    for spec in encoder.feature_specs:
        try:
            numeric = np.dtype(spec.dtype).kind in "fiub"
        except TypeError:
            numeric = False
        if not numeric:
            raise UserError(
                f"The encoder {encoder.name!r}: the feature {spec.name!r} must be of a NumPy "
                f"dtype of numbers. Received: {spec.dtype!r}"
            )


def _prepare_layout(
    folder: Path, corpus: Corpus, encoder: AnyEncoder, shard_size: int
) -> StoreLayout:
    """Read `store.json`, or write it if it is missing, damaged or from another corpus."""
    written = None
    with contextlib.suppress(UserError):
        written = StoreLayout.read(folder)
    layout = StoreLayout.from_encoder(
        corpus, encoder, written.shard_size if written else shard_size
    )
    if layout != written:
        write_json(folder / "store.json", layout)
    return layout


def _unfinished(
    folder: Path,
    layout: StoreLayout,
    corpus: Corpus,
    encoder: AnyEncoder,
    retry_failed: bool,
    check_content: bool,
) -> list[int]:
    """The shards that are missing, outdated or damaged."""
    unfinished: list[int] = []
    for first in range(0, layout.shards, CHECKED_TOGETHER):
        records: dict[int, ShardRecord] = {}
        for shard in range(first, min(first + CHECKED_TOGETHER, layout.shards)):
            record = _record_of_same_input(folder, shard, layout, corpus, check_content)
            if record is None or (retry_failed and record.failed):
                unfinished.append(shard)
            else:
                records[shard] = record
        unfinished += _damaged(folder, records, encoder)
    return sorted(unfinished)


def _record_of_same_input(
    folder: Path, shard: int, layout: StoreLayout, corpus: Corpus, check_content: bool
) -> ShardRecord | None:
    """A shard's record, or None if it is missing or an input changed."""
    try:
        record = ShardRecord.read(folder, shard)
    except DeepHitsError:
        return None
    if record is None:
        return None
    tracks = corpus.tracks(layout.rows(shard), layout.declared())
    changed, sources = changed_inputs(record, tracks, check_content=check_content)
    if changed:
        return None
    if sources != record.sources:
        # With the new times stored, the next check needn't read the files again.
        record = dataclasses.replace(record, sources=sources)
        with contextlib.suppress(DeepHitsError):
            record.write(folder, shard)
    return record


def _damaged(folder: Path, records: Mapping[int, ShardRecord], encoder: AnyEncoder) -> list[int]:
    damages = in_threads(
        lambda shard: damage(folder, shard, records[shard], encoder.feature_specs), records
    )
    return [shard for shard, found in zip(records, damages, strict=True) if found is not None]


def _extract_shards(
    folder: Path,
    layout: StoreLayout,
    shards: Sequence[int],
    corpus: Corpus,
    encoder: AnyEncoder,
    jobs: int,
) -> Iterator[int]:
    """Extract shards and yield the number of tracks of each finished one, in any order."""
    useful = min(joblib.effective_n_jobs(jobs), len(shards)) if encoder.parallel else 1
    workers = joblib.Parallel(
        n_jobs=max(useful, 1),
        return_as="generator_unordered",
        backend=None if encoder.parallel else "sequential",
    )
    task = extract_shard if useful <= 1 else extract_shard_in_worker
    # Workers may have been started in another working directory.
    source, store = corpus.folder.resolve(), folder.resolve()
    try:
        yield from workers(
            joblib.delayed(task)(source, encoder, store, shard, layout.rows(shard))
            for shard in shards
        )
    except BrokenProcessPool as error:
        raise DeepHitsError(
            f"A worker process was killed while {encoder.name} extracted, most often for lack of "
            "memory. Complete results are kept: run the same command again, with fewer --jobs"
        ) from error
    except MemoryError as error:
        raise DeepHitsError(
            f"{encoder.name} ran out of memory at {error}. Complete results are kept: run the same "
            "command again, with fewer --jobs"
        ) from error


def _write_rejected(path: Path, failures: Sequence[tuple[int, str, str]]) -> None:
    with (
        replacing(path) as temporary,
        temporary.open("w", encoding="utf-8", newline="") as file,
    ):
        table = csv.writer(file)
        table.writerow(("track_id", "row", "reason"))
        table.writerows((track_id, row, reason) for row, track_id, reason in failures)
