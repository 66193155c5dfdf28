"""The tables of deep (5, 7, A2) and shallow (6, A4, A8, A9) models, and comparisons."""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np

from deephits_keras.evaluation.metrics import Metrics
from deephits_keras.reproduction.comparisons import CONFIDENCE, Comparison
from deephits_keras.reproduction.deep import TASKS_OF_TABLE, Row
from deephits_keras.reproduction.protocols import PROTOCOLS
from deephits_keras.reproduction.shallow import base_row, sensitivity_rows
from deephits_keras.reproduction.tables import (
    MEASURED,
    Column,
    Line,
    Table,
    Value,
    metric_columns,
    published,
    published_line,
    summary,
)
from deephits_keras.reproduction.variants import ALL_FEATURES, is_ablation
from deephits_keras.tasks import get_task

T = TypeVar("T")
MACRO = ("macro_precision", "macro_recall", "macro_f1", "accuracy")
SHALLOW = ("macro_f1", "macro_recall", "macro_precision", "accuracy", "within_one_tier", "tier_mae")
RANKED = (*SHALLOW, "roc_auc", "pr_auc")
BAR = ("accuracy", "macro_f1", "mae_unit")
BEYOND = ("macro_f1", "accuracy", "tier_mae", "log_loss", "ece", "coverage", "set_size")
SIGNIFICANT = 1 - CONFIDENCE


def by_key(items: Iterable[T], key: Any) -> dict[Any, list[T]]:
    """Group items, in order of the first item of each group."""
    groups: dict[Any, list[T]] = defaultdict(list)
    for item in items:
        groups[key(item)].append(item)
    return dict(groups)


def deep_tables(rows: Sequence[Row]) -> list[Table]:
    """Tables 5, 7 and A2, and two tables that the paper lacks, from the finished runs."""
    tables = [
        table_5(rows),
        _ablation("7", "tiers-10", "Ablations of the 10-class model", rows),
        _ablation("A2", "tiers-3", "Ablations of the 3-class model", rows),
        beyond_table(rows),
        bar_table(rows),
        optimism_table(rows),
    ]
    return [table for table in tables if table]


def _of(rows: Sequence[Row], **wanted: str) -> list[Row]:
    return [row for row in rows if all(getattr(row, k) == v for k, v in wanted.items())]


def _by_protocol(
    name: str, rows: Sequence[Row], group: str, metrics: Sequence[str], part: str = "metrics"
) -> list[Line]:
    """One line per protocol: mean of the metrics over its seeds."""
    return [
        summary(name, protocol, [getattr(row, part)[group] for row in of_protocol], metrics)
        for protocol, of_protocol in by_key(rows, lambda row: row.protocol).items()
    ]


def table_5(rows: Sequence[Row]) -> Table | None:
    """Discretised regression compared with classification."""
    printed = published()["tables"]["5"]["rows"]
    lines: list[Line] = []
    for kind, tiers in (k.split() for k in printed):
        task = kind if kind == "regression" else tiers
        found = _of(rows, task=task, variant=ALL_FEATURES)
        name = f"{kind} {tiers}"
        if found:
            lines += _by_protocol(name, found, tiers, MACRO)
            lines += published_line(name, printed[name], MACRO)
    if not lines:
        return None
    return Table(
        "5",
        "Regression and classification models",
        metric_columns(MACRO),
        tuple(lines),
        (
            "One regression serves both lines, its predictions cut into three or ten tiers; its "
            "checkpoint is selected by the macro-F1 of the ten.",
        ),
    )


def _ablation(number: str, task: str, title: str, rows: Sequence[Row]) -> Table | None:
    found = [row for row in _of(rows, task=task) if is_ablation(row.variant)]
    variants = by_key(found, lambda row: row.variant)
    if len(variants) < 2:
        return None
    printed = published()["tables"][number]["rows"]
    lines: list[Line] = []
    for variant in sorted(variants, key=lambda name: (name == ALL_FEATURES, name)):
        lines += _by_protocol(variant, variants[variant], task, MACRO)
        lines += published_line(variant, printed.get(variant), MACRO)
    sizes = {row.variant: row.parameters for row in found}
    counted = ", ".join(f"{name} {size:,}" for name, size in sorted(sizes.items()))
    notes = [
        "Without a modality: its whole branch is removed; without another part: that part of its "
        "input.",
        f"Trainable parameters: {counted}.",
    ]
    if number == "A2":
        notes.append(
            "All models here have the same schedule; the paper trained its ablated models for five "
            "epochs (Section 3.3.2)."
        )
    return Table(number, title, metric_columns(MACRO), tuple(lines), tuple(notes))


def beyond_table(rows: Sequence[Row]) -> Table | None:
    """All features, each time with another head, loss, fusion or other setting."""
    found = [
        dataclasses.replace(row, metrics={row.task: with_sets(row)})
        for row in rows
        if row.task in TASKS_OF_TABLE["beyond"]
        and (row.variant == ALL_FEATURES or not is_ablation(row.variant))
    ]
    if all(row.variant == ALL_FEATURES for row in found):
        return None
    lines = [
        line
        for (task, variant), of_variant in by_key(found, lambda r: (r.task, r.variant)).items()
        for line in _by_protocol(f"{task}, {variant}", of_variant, task, BEYOND)
    ]
    return Table(
        "beyond",
        "Beyond the paper: all features with one setting changed",
        metric_columns(BEYOND),
        tuple(lines),
        (
            "Which of the differences from all features are real stands below, pair by pair. "
            "Covered: tracks whose set of tiers holds the true one.",
        ),
    )


def with_sets(row: Row) -> Metrics:
    """A row's metrics of its task's tiers, and of its conformal sets."""
    return {**row.metrics[row.task], **row.metrics.get("conformal", {})}


def bar_table(rows: Sequence[Row]) -> Table | None:
    """The best published results on SpotGenTrack, and results with all features here."""
    lines: list[Line] = []
    for name, row in by_key(published()["bar"].items(), lambda item: item[1]["task"]).items():
        task = get_task(name)
        group = "regression" if task.kind == "regression" else task.tiers.name
        if found := _of(rows, task=name, variant=ALL_FEATURES):
            for who, metrics in row:
                lines += published_line(name, metrics, BAR, f"published: {who}")
            lines += _by_protocol(name, found, group, BAR)
    if not lines:
        return None
    return Table(
        "bar",
        "Published results on SpotGenTrack, and all features on this corpus",
        metric_columns(BAR),
        tuple(lines),
        ("Comparable only where the corpus is SpotGenTrack.",),
    )


def optimism_table(rows: Sequence[Row]) -> Table | None:
    """The same checkpoints on their validation tracks and on test tracks."""
    metrics = ("macro_f1", "accuracy")
    tested = [row for row in rows if row.part == "test" and row.variant == ALL_FEATURES]
    lines: list[Line] = []
    for (protocol, name), of_task in by_key(tested, lambda row: (row.protocol, row.task)).items():
        tiers = get_task(name).tiers.name
        pairs = [(row.selection[tiers], row.metrics[tiers]) for row in of_task]
        label = f"{name}, {protocol}"
        lines.append(summary(label, "validation", [v for v, _ in pairs], metrics))
        lines.append(summary(label, "test", [t for _, t in pairs], metrics))
        gaps = [{f: _gap(v[f], t[f]) for f in metrics} for v, t in pairs]
        lines.append(summary(label, "optimism", gaps, metrics))
    if not lines:
        return None
    return Table(
        "optimism",
        "What selecting and reporting on the same tracks is worth",
        metric_columns(metrics),
        tuple(lines),
        (
            "Each checkpoint on the validation tracks that it was selected on and on the test "
            "tracks. Optimism is the difference, in points.",
        ),
    )


def _gap(first: float | None, second: float | None) -> float | None:
    return None if first is None or second is None else first - second


def shallow_tables(results: Sequence[Mapping[str, Any]]) -> list[Table]:
    """Tables 6 (with A4), A8 and A9 of each family, from the finished results."""
    tables: list[Table] = []
    for (family, task), seeds in by_key(results, lambda r: (r["family"], r["task"])).items():
        if task == "tiers-10":
            tables.append(_baselines("6", f"10 classes, {family}", seeds, RANKED))
        if task == "tiers-5":
            tables.append(_baselines("A9", f"5 classes, {family}", seeds, RANKED))
        if sensitive := _sensitivity(f"{task}, {family}", task, seeds):
            tables.append(sensitive)
    return tables


def _baselines(
    number: str, title: str, seeds: Sequence[Mapping[str, Any]], metrics: Sequence[str]
) -> Table:
    printed = published()["tables"]
    lines: list[Line] = []
    changes = {row for source in _sources(seeds) for row in sensitivity_rows(source).values()}
    for name in [name for name in seeds[0]["rows"] if name not in changes]:
        lines.append(summary(name, MEASURED, [s["rows"][name] for s in seeds], metrics))
        lines += published_line(name, printed[number]["rows"].get(name), metrics)
        if number == "6":
            row = printed["A4"]["rows"].get(name)
            lines += published_line(name, row, metrics, "published, 5 seeds (A4)")
    notes = ["Stratified 80/20 splits; a seed draws the split and initialises the classifier."]
    if chosen := [s["weights"] for s in seeds if s["weights"]]:
        means = {group: np.mean([w[group] for w in chosen]) for group in chosen[0]}
        shown = ", ".join(f"{group} {mean:.2f}" for group, mean in means.items())
        notes.append(
            f"Late fusion's weights, tuned on a part of the training tracks (mean): {shown}. The "
            "paper tunes them on the held-out split."
        )
    also = " (and A4)" if number == "6" else ""
    return Table(
        number,
        f"Shallow baselines{also}, {title}",
        metric_columns(metrics),
        tuple(lines),
        tuple(notes),
    )


def _sources(seeds: Sequence[Mapping[str, Any]]) -> list[str]:
    """Argument of `shallow.base_row`, for each line of the sensitivity analysis."""
    return seeds[0].get("sources") or [""]


def _sensitivity(title: str, task: str, seeds: Sequence[Mapping[str, Any]]) -> Table | None:
    metrics = ("accuracy", "macro_f1")
    printed = published()["tables"]["A8"]["rows"].get(task)
    if printed is None:
        return None

    def change(name: str, row: str, base: str) -> Line:
        gaps = [{f: _gap(s["rows"][row][f], s["rows"][base][f]) for f in metrics} for s in seeds]
        return summary(name, MEASURED, gaps, metrics)

    first, *others = _sources(seeds)
    lines: list[Line] = []
    for source in (first, *others):
        if source != first:
            name = f"{source} in place of {first}"
            lines.append(change(name, base_row(source), base_row(first)))
        for name, row in sensitivity_rows(source).items():
            if row in seeds[0]["rows"]:
                lines.append(change(row, row, base_row(source)))
                lines += published_line(row, printed[name], metrics) if source == first else []
    if not lines:
        return None
    notes = ["Against early fusion with all columns, on the same split."]
    if others:
        notes = [
            f"{first}, {', '.join(others)} tell the same fields: each is taken without the others, "
            "and a line without a field is against the same columns with it, on the same split."
        ]
    columns = (Column("Δ accuracy, points"), Column("Δ macro-F1, points"))
    return Table(
        "A8",
        f"Early fusion without descriptors that Essentia lacks, {title}",
        columns,
        tuple(lines),
        tuple(notes),
    )


def comparison_table(comparisons: Sequence[Comparison]) -> Table | None:
    """Significance of differences, over the seeds of each pair."""
    if not comparisons:
        return None
    named = by_key(comparisons, lambda c: c.label)
    lines = [
        _compared(name, protocol, seeds)
        for name, of_pair in named.items()
        for protocol, seeds in by_key(of_pair, lambda c: c.protocol).items()
    ]
    return Table(
        "comparisons",
        "Significance of differences",
        (
            Column("Δ accuracy, points"),
            Column("largest p", "{:.2g}"),
            Column("seeds with p < 0.05", "{:.0f}"),
            Column("Δ macro-F1, points [outermost]"),
            Column("seeds without 0", "{:.0f}"),
        ),
        tuple(lines),
        (
            "Both models of a pair on the same tracks, seed by seed: the exact McNemar test of "
            "accuracy (the largest p of the seeds), and a 95% percentile bootstrap interval over "
            "tracks of the difference in macro-F1 (the outermost ends, and how many intervals "
            "exclude 0). Seeds share tracks, so their p-values are not combined; call a "
            "difference real if every seed says so. Not corrected for the number of pairs.",
        ),
    )


def _compared(name: str, protocol: str, seeds: Sequence[Comparison]) -> Line:
    gains = [100 * c.macro_f1_difference for c in seeds]
    low, high = min(c.macro_f1_low for c in seeds), max(c.macro_f1_high for c in seeds)
    values = (
        _over([100 * c.accuracy_difference for c in seeds]),
        Value(max(c.mcnemar_p for c in seeds)),
        Value(float(sum(c.mcnemar_p < SIGNIFICANT for c in seeds))),
        Value(float(np.mean(gains)), low=100 * low, high=100 * high),
        Value(float(sum(_excludes_zero(c) for c in seeds))),
    )
    return Line(name, protocol, values, len(seeds))


def _over(values: Sequence[float]) -> Value:
    spread = float(np.std(values, ddof=1)) if len(values) > 1 else None
    return Value(float(np.mean(values)), spread)


def _excludes_zero(comparison: Comparison) -> bool:
    return comparison.macro_f1_low > 0 or comparison.macro_f1_high < 0


def protocols_of(rows: Sequence[Row]) -> dict[str, str]:
    """Descriptions of the protocols with results."""
    return {name: PROTOCOLS[name].meaning for name in dict.fromkeys(row.protocol for row in rows)}
