"""The page of a report of drift, a self-contained HTML file."""

from __future__ import annotations

from deephits_keras.drift_detection.comparisons import EFFECTS, Comparison
from deephits_keras.drift_detection.metrics import DRAWS
from deephits_keras.drift_detection.pictures import (
    draw_tests,
    draw_tiers,
    label_of,
    most_different,
)
from deephits_keras.drift_detection.result import Drift
from deephits_keras.drift_detection.samples import Samples
from deephits_keras.report.labels import METRICS
from deephits_keras.report.pages import render_page

COLUMNS = (
    "field or modality",
    "training",
    "this corpus",
    "difference",
    "adjusted p",
    "drift",
    "test",
)
METRIC_COLUMNS = ("metric", "held-out part", "this corpus", "difference", "interval")


def drift_page(result: Drift, samples: Samples) -> str:
    """The page.

    Args:
        result: The result.
        samples: The tracks.
    """
    used = dict.fromkeys(each.test for each in result.comparisons)
    return render_page(
        __package__,
        "drift.html.jinja",
        synthetic=result.synthetic,
        result=result,
        run=str(samples.run.folder),
        corpus=str(samples.corpus.folder),
        part=samples.run.reported_part,
        columns=COLUMNS,
        rows=[cells(each) for each in most_different(result.comparisons)],
        effects={name: EFFECTS[name] for name in used},
        tests=draw_tests(result) if result.comparisons else None,
        tiers=draw_tiers(result) if result.tiers else None,
        tier_rows=[(label, f"{a:.1%}", f"{b:.1%}") for label, (a, b) in result.tiers.items()],
        metric_columns=METRIC_COLUMNS,
        metric_rows=metric_rows(result),
        draws=DRAWS,
    )


def cells(comparison: Comparison) -> tuple[str, ...]:
    """A row of the table of tests, as text."""
    return (
        label_of(comparison),
        comparison.before or f"{comparison.training:,} tracks",
        comparison.now or f"{comparison.corpus:,} tracks",
        f"{comparison.effect:z.3f}",
        p_value_text(comparison.adjusted),
        "drift" if comparison.drift else "",
        comparison.test,
    )


def p_value_text(value: float) -> str:
    """A p-value as pages write it.

    Example:
        >>> p_value_text(0.0421), p_value_text(2e-9)
        ('0.042', '< 0.0001')
    """
    return "< 0.0001" if value < 1e-4 else f"{value:.2g}"


def metric_rows(result: Drift) -> list[tuple[str, ...]]:
    """Rows of the table of metrics, as text."""
    return [
        (
            METRICS[name].name,
            METRICS[name].show(change.held_out),
            METRICS[name].show(change.corpus),
            METRICS[name].show(change.difference),
            f"{METRICS[name].show(change.low)} to {METRICS[name].show(change.high)}",
        )
        for name, change in result.metrics.items()
    ]
