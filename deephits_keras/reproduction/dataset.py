"""The dataset's tables (2, A1, 4 and A5, A3, A6, A7), computed on the imported corpus."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from deephits_keras.corpus.filters import PAPER_FILTERS, Filter, apply_filters
from deephits_keras.corpus.table import Corpus
from deephits_keras.encoders.registry import AnyEncoder
from deephits_keras.reproduction.tables import Column, Line, Table, beside, published
from deephits_keras.reproduction.variants import parts_of, size_of
from deephits_keras.tasks import TIERS, get_task

COUNT, PERCENT = Column("count", "{:,.0f}"), Column("%")
SPEECH, LENGTH = PAPER_FILTERS[0], PAPER_FILTERS[1:]
THRESHOLDS = (0.60, 0.66, 0.70)
"""Thresholds of Table A7."""
RAP = r"\brap\b|hip[ -]?hop"
"""Regular expression of the rap genres in Table A7; the paper doesn't state its own."""
GENRES_SHOWN = 10
WINDOW = 512
"""BERT's maximum number of tokens; the paper counts words instead."""


def dataset_tables(corpus: Corpus, encoders: Mapping[str, AnyEncoder]) -> list[Table]:
    """Every table of the dataset for which the corpus has the columns.

    Args:
        corpus: The corpus.
        encoders: The encoders, by modality.
    """
    tables = [table_2(corpus, encoders), table_4(corpus), table_a3(corpus)]
    return [table for table in (*tables, table_a6(corpus), table_a7(corpus)) if table]


def table_2(corpus: Corpus, encoders: Mapping[str, AnyEncoder]) -> Table:
    """Number of values per track of each modality, or of each part that its encoder names."""
    printed = published()["tables"]["2"]
    lines = beside("tracks", [len(corpus)], [printed["tracks"]])
    for modality, encoder in encoders.items():
        sizes = {part: size_of(encoder) - size_of(e) for part, e in parts_of(encoder).items()}
        for name, size in (sizes or {modality: size_of(encoder)}).items():
            lines += beside(name, [size], [printed["features"].get(name)])
    return Table(
        "2",
        "The dataset at a glance: tracks, and features per track",
        (Column("number", "{:,.0f}"),),
        tuple(lines),
    )


def table_4(corpus: Corpus) -> Table | None:
    """Number of tracks that each filter removed at import (Tables 4 and A5)."""
    steps = corpus.info.get("filters") or []
    if not steps:
        return None
    printed = published()["tables"]["4"]
    rows = [{"removed": 0, "removed_percent": 0, "remaining": printed["raw"]}, *printed["steps"]]
    names = ("removed", "removed_percent", "remaining")
    lines: list[Line] = []
    for number, step in enumerate(steps):
        row = rows[number] if len(rows) == len(steps) else {}
        label = step["step"] if step["criterion"] == "-" else step["criterion"]
        lines += beside(label, [step[n] for n in names], [row.get(n) for n in names])
    return Table(
        "4",
        "Filters and their impact (also Table A5)",
        (Column("removed", "{:,.0f}"), Column("removed %"), Column("remaining", "{:,.0f}")),
        tuple(lines),
        ("Percentages are of the raw corpus, after rows that can't be used were rejected.",),
    )


def lyric_words(corpus: Corpus) -> pd.Series[Any]:
    """Number of words of each track's lyrics by whitespace, in row order; NaN without lyrics."""
    texts = corpus.column("lyrics").astype("string")
    counts = [np.nan if pd.isna(text) else float(len(text.split())) for text in texts]
    return pd.Series(counts, dtype="float64")


def table_a3(corpus: Corpus) -> Table:
    """Coverage and length of the lyrics."""
    words = lyric_words(corpus)
    known = words.dropna()
    tiers = TIERS["tiers-10"]
    top = known[tiers.of(corpus.popularity)[known.index] >= tiers.count - 2]
    facts = (
        ("tracks", "tracks", len(words)),
        ("missing lyrics", "missing_lyrics", int(words.isna().sum())),
        (
            "missing lyrics, %",
            "missing_percent_printed",
            round(100 * float(words.isna().mean()), 2),
        ),
        ("median words", "median_words", _quantile(known, 0.5)),
        ("95th percentile of words", "percentile_95_words", _quantile(known, 0.95)),
        ("99th percentile of words", "percentile_99_words", _quantile(known, 0.99)),
        ("over 512 words, %", "over_512_words_percent", _percent_over(known)),
        (
            "over 512 words, %, in the top two of ten tiers",
            "over_512_words_percent_top_two_tiers",
            _percent_over(top),
        ),
    )
    printed = published()["tables"]["A3"]
    lines = [
        line for label, name, value in facts for line in beside(label, [value], [printed[name]])
    ]
    return Table(
        "A3",
        "Availability and length of the lyrics",
        (Column("value", "{:,g}"),),
        tuple(lines),
        (f"Words by whitespace. Of the published figures: {printed['remark']}.",),
    )


def _quantile(words: pd.Series[float], share: float) -> float | None:
    return round(float(words.quantile(share)), 2) if len(words) else None


def _percent_over(words: pd.Series[float]) -> float | None:
    return round(100 * float((words > WINDOW).mean()), 2) if len(words) else None


def _genres(tracks: pd.DataFrame) -> pd.Series[str]:
    """One row per genre of each track, in lower case, indexed by the track."""
    listed: pd.Series[str] = tracks["genres"].explode().dropna().astype("string").str.casefold()
    return listed


def table_a6(corpus: Corpus) -> Table | None:
    """The most frequent genres of the tracks that the speech filter removed."""
    removed = corpus.filtered
    if not {SPEECH.column, "genres"} <= set(removed.columns):
        return None
    removed = removed[SPEECH.removes(removed)]
    if removed.empty:
        return None
    genres = _genres(removed)
    counts = genres.groupby(genres).size().sort_values(ascending=False, kind="stable")
    printed = {k.casefold(): v for k, v in published()["tables"]["A6"]["rows"].items()}
    shown = dict.fromkeys([*counts.index[:GENRES_SHOWN], *printed])
    lines: list[Line] = []
    for genre in shown:
        count = int(counts.get(genre, 0))
        row = printed.get(genre, {})
        share = 100 * count / len(removed)
        lines += beside(genre, [count, share], [row.get("count"), row.get("percent")])
    return Table(
        "A6",
        f"Genres among the {len(removed):,} tracks that the speech filter removed",
        (COUNT, PERCENT),
        tuple(lines),
        ("The main artist's genres; a track can have several.",),
    )


def table_a7(corpus: Corpus) -> Table | None:
    """Number of tracks that other thresholds of the speech filter would remove."""
    wanted = dict.fromkeys([*(f.column for f in PAPER_FILTERS), "genres"])
    names = [c for c in wanted if c in corpus.columns]
    if SPEECH.column not in names or not corpus.info.get("filters"):
        return None
    kept = pd.DataFrame({name: corpus.column(name) for name in names})
    filtered = corpus.filtered
    raw = pd.concat([kept, filtered[[n for n in names if n in filtered]]], ignore_index=True)
    rap = pd.Series(False, index=raw.index)
    if "genres" in raw:
        genres = _genres(raw)
        rap[genres.index[genres.str.contains(RAP)]] = True
    lines: list[Line] = []
    for threshold in THRESHOLDS:
        speech = Filter(SPEECH.name, SPEECH.column, above=threshold)
        removed = speech.removes(raw)
        final, _ = apply_filters(raw, (speech, *LENGTH))
        count, rapped = int(removed.sum()), int((removed & rap).sum())
        counts = [
            count,
            100 * count / len(raw),
            len(final),
            100 * len(final) / len(raw),
            rapped if "genres" in raw else None,
            100 * rapped / count if count and "genres" in raw else None,
        ]
        row = published()["tables"]["A7"]["rows"][f"{threshold:.2f}"]
        lines += beside(f"speechiness > {threshold:.2f}", counts, list(row.values()))
    return Table(
        "A7",
        "Sensitivity of the speech filter's threshold",
        (
            Column("removed", "{:,.0f}"),
            Column("removed %"),
            Column("final", "{:,.0f}"),
            Column("final %"),
            Column("rap removed", "{:,.0f}"),
            Column("rap %"),
        ),
        tuple(lines),
        (
            "Rap is a genre with rap as a word, or hip hop, hip-hop or hiphop, in its name; the "
            "paper doesn't give its own rule.",
        ),
    )


def table_a1(encoders: Mapping[str, AnyEncoder], fusion: Mapping[str, Any]) -> Table:
    """Trainable parameters of each part of the three-class model of this package."""
    from deephits_keras.model.builder import build_model, describe
    from deephits_keras.model.fusion import get_fusion

    task, head = get_task("tiers-3"), get_fusion(fusion)
    model = build_model(list(encoders.values()), fusion=head, task=task)
    described = describe(model, encoders, fusion=head, task=task)
    parts = {b.modality: b.parameters for b in described.branches}
    parts |= {"fusion": described.fusion_part.parameters, "output": described.output.parameters}
    printed = published()["tables"]["A1"]["parameters"]
    lines = [
        line
        for part, count in {**parts, "total": described.total}.items()
        for line in beside(part, [count], [printed.get(part)])
    ]
    return Table(
        "A1",
        "Trainable parameters of the three-class model",
        (Column("parameters", "{:,.0f}"),),
        tuple(lines),
    )
