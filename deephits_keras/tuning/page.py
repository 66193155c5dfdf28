"""The page of a search, a self-contained HTML file, and its trials as a table."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Sequence
from pathlib import Path

import optuna
import pandas as pd
from matplotlib.figure import Figure

from deephits_keras.report.labels import METRICS, metric_name, show_metric
from deephits_keras.report.pages import render_page
from deephits_keras.runs.files import REPORT
from deephits_keras.runs.run import Run
from deephits_keras.tuning.pictures import draw_history, draw_importance, draw_slices
from deephits_keras.tuning.search import Record, Search, row_of
from deephits_keras.tuning.space import text_of
from deephits_keras.tuning.trials import study_of
from deephits_keras.utils.files import replacing, write_text

PAGE, TABLE = "tuning.html", "trials.csv"
FEWEST = 5
"""Complete trials from which an importance is estimated."""


def write_page(search: Search, records: Sequence[Record], best: Record) -> Path:
    """Write `tuning.html` and `trials.csv` into a search's folder.

    Args:
        search: The search.
        records: Its finished trials.
        best: The best of them, which is its run.

    Returns:
        The page's path.
    """
    with replacing(search.folder / TABLE) as temporary:
        rows = [row_of(record, search.metric.name) for record in records]
        pd.DataFrame(rows).to_csv(temporary, index=False)
    run = Run(search.run)
    part = run.reported_part
    label = f"validation {metric_name(search.metric.name)}"
    importance = importance_of(search)
    page = render_page(
        __package__,
        "tuning.html.jinja",
        synthetic=search.corpus.synthetic,
        filters={"value": text_of},
        search=search,
        records=records,
        outcomes={r: [t.result.outcome for t in records].count(r) for r in _outcomes(records)},
        best=best,
        best_value=show_metric(search.metric.name, best.result.value),
        label=label,
        report=f"../{REPORT}",
        part=part,
        metrics=_metrics(run, part),
        importance=importance,
        history=draw_history(search, records, label),
        importances=draw_importance(importance) if importance else None,
        slices=_slices(search, records, best, label),
        columns=("trial", "outcome", label, "epoch", "seconds", *search.space, "remark"),
        table=[_cells(search, record) for record in _by_value(search, records)],
    )
    write_text(search.folder / PAGE, page)
    return search.folder / PAGE


def importance_of(search: Search) -> dict[str, float]:
    """Share of the metric's variance over the trials that each setting explains (fANOVA).

    Only settings that every complete trial has; empty for fewer than five complete trials, or
    where all are equal.
    """
    study = study_of(search)
    complete = study.get_trials(states=(optuna.trial.TrialState.COMPLETE,))
    if len(complete) < FEWEST or len({trial.value for trial in complete}) == 1:
        return {}
    found: dict[str, float] = {}
    with warnings.catch_warnings(), contextlib.suppress(ValueError, RuntimeError):
        warnings.simplefilter("ignore")
        evaluator = optuna.importance.FanovaImportanceEvaluator(seed=search.asked.seed)
        found = optuna.importance.get_param_importances(study, evaluator=evaluator)
    return {name: float(share) for name, share in found.items() if name in search.space}


def _slices(search: Search, records: Sequence[Record], best: Record, label: str) -> Figure | None:
    return draw_slices(search, records, best, label) if len(records) > 1 else None


def _outcomes(records: Sequence[Record]) -> list[str]:
    return list(dict.fromkeys(record.result.outcome for record in records))


def _by_value(search: Search, records: Sequence[Record]) -> list[Record]:
    """The best first, those without a value last."""
    sign = -1 if search.metric.maximise else 1
    known = [record for record in records if record.result.value is not None]
    known.sort(key=lambda record: (sign * float(record.result.value or 0.0), record.number))
    return known + [record for record in records if record.result.value is None]


def _cells(search: Search, record: Record) -> list[str]:
    result = record.result
    return [
        str(record.number),
        result.outcome,
        show_metric(search.metric.name, result.value),
        f"{result.best_epoch} of {result.epochs}" if result.epochs else "",
        f"{result.seconds:.1f}",
        *(text_of(record.values[n]) if n in record.values else "" for n in search.space),
        result.reason,
    ]


def _metrics(run: Run, part: str) -> list[tuple[str, str]]:
    """Name and value of the run's main metrics on a part."""
    groups = run.metrics["parts"][part]
    names = ("macro_f1", "accuracy") if run.task.kind == "classification" else ("r2", "mae")
    group = groups[run.task.tiers.name if run.task.kind == "classification" else "regression"]
    return [
        (METRICS[name].name, METRICS[name].show(group[name]))
        for name in names
        if name in METRICS and group.get(name) is not None
    ]
