"""The paper's figures (1, 3 to 7, A1, A2), drawn from the corpus and the runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from deephits_keras.corpus.table import Corpus
from deephits_keras.report.plots import confusion_matrix, loss_curves, score_curves
from deephits_keras.report.style import BLUE, INK, MUTED, ORANGE, RED, styled
from deephits_keras.reproduction.dataset import WINDOW, lyric_words
from deephits_keras.reproduction.deep import Row
from deephits_keras.reproduction.results import by_key
from deephits_keras.reproduction.shallow import EARLY, WEIGHTED
from deephits_keras.reproduction.variants import ALL_FEATURES, is_ablation
from deephits_keras.runs.run import Run
from deephits_keras.tasks import TIERS, get_task

BUCKETS = (1, 2, 3, 6, 11, 21, 51)
"""Lowest count of each bucket of Figure 1; the paper doesn't state its own."""
CLIPPED_WORDS = 1500
MAIN_TASK = "tiers-10"

Pictures = dict[str, tuple[str, Figure]]
"""Caption and figure by the paper's number."""


def dataset_pictures(corpus: Corpus) -> Pictures:
    """Figures 1, 3 and A2 of the corpus, as far as it has the columns."""
    pictures: Pictures = {}
    owners = {
        what: corpus.column(name)
        for what, names in (
            ("artist", ("artist_ids", "artist_id", "artist_name")),
            ("album", ("album_id",)),
        )
        for name in [n for n in names if n in corpus.columns][:1]
    }
    if owners:
        pictures["1"] = ("Number of tracks per artist and album", tracks_per_owner(owners))
    pictures["3"] = ("Tracks in each tier", class_distributions(corpus))
    words = lyric_words(corpus).dropna()
    if len(words):
        caption = (
            f"Length of the lyrics in words; lengths above {CLIPPED_WORDS:,} are in the last bin"
        )
        pictures["A2"] = (caption, lyric_lengths(words))
    return pictures


@styled
def tracks_per_owner(owners: Mapping[str, pd.Series[Any]]) -> Figure:
    """Distribution of the number of tracks per artist and album (the paper's Figure 1).

    Args:
        owners: For each kind of owner, the id or list of ids of each track.
    """
    figure = Figure(figsize=(7, 2.8))
    ends = [*(b - 1 for b in BUCKETS[1:]), None]
    labels = [
        f"{low}+" if high is None else f"{low}" if low == high else f"{low}-{high}"
        for low, high in zip(BUCKETS, ends, strict=True)
    ]
    plots = figure.subplots(1, len(owners), squeeze=False)[0]
    for axes, (what, ids) in zip(plots, owners.items(), strict=True):
        tracks = ids.explode().dropna().value_counts()
        counts = np.bincount(np.digitize(tracks, BUCKETS) - 1, minlength=len(BUCKETS))
        bars = axes.bar(labels, counts, color=BLUE)
        axes.bar_label(bars, [f"{n:,}" for n in counts], padding=2, fontsize=7, color=MUTED)
        axes.set(
            title=f"{len(tracks):,} {what}s", xlabel=f"tracks of one {what}", ylabel=f"{what}s"
        )
        axes.grid(axis="x", visible=False)
        axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    return figure


@styled
def class_distributions(corpus: Corpus) -> Figure:
    """Number of tracks in each of three and ten tiers (the paper's Figure 3)."""
    figure = Figure(figsize=(7, 2.8))
    three, ten = figure.subplots(1, 2, width_ratios=[1, 2])
    for axes, tiers in ((three, TIERS["tiers-3"]), (ten, TIERS["tiers-10"])):
        counts = np.bincount(tiers.of(corpus.popularity), minlength=tiers.count)
        bars = axes.bar(tiers.labels, counts, color=BLUE)
        axes.bar_label(bars, [f"{n:,}" for n in counts], padding=2, fontsize=7, color=MUTED)
        axes.set(title=f"{tiers.count} tiers", xlabel="tier (popularity)", ylabel="tracks")
        axes.grid(axis="x", visible=False)
        axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    ten.tick_params(axis="x", labelrotation=45)
    return figure


@styled
def lyric_lengths(words: pd.Series[float]) -> Figure:
    """Distribution of the lyrics' lengths in words (the paper's Figure A2)."""
    figure = Figure(figsize=(7, 2.8))
    axes = figure.subplots()
    bins = list(range(0, CLIPPED_WORDS + 1, 25))
    axes.hist(words.clip(upper=CLIPPED_WORDS), bins=bins, color=BLUE)
    axes.axvline(WINDOW, color=RED, linestyle="--", linewidth=1.2, label=f"{WINDOW} words")
    axes.set(xlabel="words", ylabel="tracks")
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend()
    return figure


def deep_pictures(rows: Sequence[Row]) -> Pictures:
    """Figures 4 to 7 of the ten-class models, for the first finished protocol and seed."""
    found = [row for row in rows if row.task == MAIN_TASK]
    whole = [row for row in found if row.variant == ALL_FEATURES]
    if not whole:
        return {}
    shown = whole[0]
    of = f"{shown.protocol} protocol, seed {shown.seed}"
    run = Run(shown.folder)
    predicted = run.predictions[run.predictions["part"] == shown.part]
    truth, said = predicted["true_tier"].to_numpy(), predicted["tier"].to_numpy()
    pictures: Pictures = {}
    losses = ablation_losses([row for row in found if is_ablation(row.variant)])
    if losses:
        pictures["4"] = ("Accuracy lost without each part of the input", losses_figure(losses))
    matrix = confusion_matrix(truth, said, get_task(MAIN_TASK).tiers)
    pictures["5"] = (f"Confusion of the ten tiers ({of})", matrix)
    curves = {"6": ("Loss", loss_curves), "7": ("Accuracy and macro-F1", score_curves)}
    for figure, (what, draw) in curves.items():
        drawn = draw(run.history, shown.selected_epoch)
        pictures[figure] = (f"{what} over the epochs ({of})", drawn)
    return pictures


def ablation_losses(rows: Sequence[Row]) -> dict[str, dict[str, list[float]]]:
    """Loss of accuracy without a part, in percentage points per seed, by protocol and variant."""
    found = {(row.protocol, row.variant, row.seed): row for row in rows}
    losses: dict[str, dict[str, list[float]]] = {}
    for (protocol, variant), seeds in by_key(rows, lambda r: (r.protocol, r.variant)).items():
        pairs = [(found.get((protocol, ALL_FEATURES, row.seed)), row) for row in seeds]
        gaps = [100 * (_accuracy(whole) - _accuracy(row)) for whole, row in pairs if whole]
        if gaps and variant != ALL_FEATURES:
            losses.setdefault(protocol, {})[variant] = gaps
    return losses


def _accuracy(row: Row) -> float:
    return row.metrics[MAIN_TASK]["accuracy"] or 0.0


@styled
def losses_figure(losses: Mapping[str, Mapping[str, Sequence[float]]]) -> Figure:
    """Loss of accuracy without each part, with the spread over seeds (the paper's Figure 4)."""
    variants = list(dict.fromkeys(v for of in losses.values() for v in of))
    figure = Figure(figsize=(6.6, 1 + 0.5 * len(variants)))
    axes = figure.subplots()
    height = 0.8 / len(losses)
    for number, (protocol, of) in enumerate(losses.items()):
        places = [variants.index(v) + number * height for v in of]
        means = [float(np.mean(gaps)) for gaps in of.values()]
        spreads = [float(np.std(g, ddof=1)) if len(g) > 1 else 0.0 for g in of.values()]
        colour = (BLUE, ORANGE, MUTED)[number % 3]
        axes.barh(places, means, height, xerr=spreads, color=colour, ecolor=INK, label=protocol)
    axes.set_yticks([n + 0.4 - height / 2 for n in range(len(variants))], variants)
    axes.axvline(0, color=MUTED, linewidth=1)
    axes.set_xlabel("points of accuracy lost")
    axes.grid(axis="y", visible=False)
    axes.invert_yaxis()
    axes.legend()
    return figure


def shallow_pictures(results: Sequence[Mapping[str, Any]]) -> Pictures:
    """Figure A1 of the ten-class baselines, for the first finished family."""
    found = [r for r in results if r["task"] == MAIN_TASK]
    found = [r for r in found if r["family"] == found[0]["family"]]
    if not found:
        return {}
    return {
        "A1": (
            f"Recall of each tier, early fusion, {found[0]['family']}",
            recalls([r["recall"] for r in found]),
        )
    }


@styled
def recalls(seeds: Sequence[Mapping[str, Sequence[float | None]]]) -> Figure:
    """Recall of each tier with and without class weights (the paper's Figure A1)."""
    figure = Figure(figsize=(7, 2.8))
    axes = figure.subplots()
    labels = TIERS[MAIN_TASK].labels
    places = np.arange(len(labels))
    for shift, name, colour in ((-0.2, EARLY, BLUE), (0.2, WEIGHTED, ORANGE)):
        values = np.array([of_seed[name] for of_seed in seeds], dtype=float)
        known = ~np.isnan(values).all(axis=0)
        means = [np.nanmean(values[:, k]) if known[k] else 0.0 for k in places]
        axes.bar(places + shift, means, width=0.4, color=colour, label=name)
    axes.set_xticks(places, labels, rotation=45)
    axes.set(xlabel="tier (popularity)", ylabel="recall")
    axes.grid(axis="x", visible=False)
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.legend()
    return figure
