"""Explanations as self-contained HTML pages."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from markupsafe import Markup
from matplotlib.figure import Figure

from deephits_keras.encoders.explainable import Part
from deephits_keras.explanation.drawing import draw_bars, draw_parts
from deephits_keras.explanation.permutation import Importance, Importances
from deephits_keras.explanation.track import Explanation, ModalityExplanation
from deephits_keras.features.seen import unseen_notes
from deephits_keras.report.labels import METRICS, show_metric
from deephits_keras.report.numbers import number, percent, signed
from deephits_keras.report.pages import render_page
from deephits_keras.types import FloatArray

TEMPLATE = "page.html.jinja"

METRIC_NAMES = {"loss": "loss", "macro_f1": "macro-F1", "accuracy": "accuracy", "mae": "MAE"}

ROUNDING = 0.01
"""Completeness error, relative to the difference, from which contributions can't be trusted."""


@dataclass(frozen=True)
class Section:
    """A heading with a picture and a table.

    Attributes:
        heading: The heading.
        note: Text below the heading.
        picture: A figure, or a piece of HTML.
        alt: Description of the figure for screen readers.
        columns: Columns of the table.
        rows: Rows of text; the first cell is the row's name.
    """

    heading: str
    note: str
    picture: Figure | Markup
    alt: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


def track_page(explanation: Explanation, *, run: str = "", report: str = "") -> str:
    """The explanation of a prediction as a self-contained HTML page.

    Args:
        explanation: The explanation.
        run: Name of the explained run.
        report: Link to its report; none if empty.
    """
    prediction, attribution = explanation.prediction, explanation.attribution
    missing = [f"Missing: {', '.join(prediction.missing)}."] if prediction.missing else []
    return render_page(
        __package__,
        TEMPLATE,
        title=f"{prediction.track_id}: predicted popularity {prediction.popularity:.1f}",
        eyebrow="Explanation of a prediction",
        lead=(
            f"Popularity {prediction.popularity:.1f} of 100, tier {prediction.tier_label}. "
            f"The {explanation.target} is {number(attribution.score)}; "
            f"{explanation.baseline_words} it is {number(attribution.baseline_score)}. Integrated "
            f"gradients attribute the difference of {signed(attribution.difference)} to parts of "
            f"the input; their sum misses it by {percent(attribution.error)}."
        ),
        run=run,
        report=report,
        synthetic=explanation.synthetic,
        warnings=[
            *missing,
            *explanation.notes,
            *unseen_notes(prediction.unseen),
            *prediction.warnings,
            *_incomplete(attribution.error),
        ],
        sections=list(_track_sections(explanation)),
    )


def _incomplete(error: float) -> list[str]:
    if error < ROUNDING:
        return []
    return [
        f"The contributions can't be trusted: their sum misses the difference by {percent(error)}."
    ]


def _track_sections(explanation: Explanation) -> Iterator[Section]:
    totals = [Part(m.modality, m.contribution) for m in explanation.modalities]
    yield Section(
        heading="Modalities",
        note="Blue parts raised the score, red parts lowered it.",
        picture=draw_parts(totals, explanation.target),
        alt="A bar for each modality's contribution",
        columns=("modality", "contribution"),
        rows=[(part.name, signed(part.contribution)) for part in totals],
    )
    for modality in explanation.modalities:
        valued = any(part.value for part in modality.parts if not part.empty)
        yield Section(
            heading=f"{modality.modality}: {signed(modality.contribution)}",
            note=_note(modality),
            picture=modality.picture or _bars(modality, explanation.target),
            alt=f"Contributions of the parts of {modality.modality}",
            columns=("part", *["value"] * valued, "contribution"),
            rows=list(_part_rows(modality.parts, valued=valued)),
        )


def _note(modality: ModalityExplanation) -> str:
    against = (
        f"Encoder {modality.encoder}. Baseline: {modality.reference}." if modality.parts else ""
    )
    if not modality.unattributed:
        return against
    names = ", ".join(modality.unattributed)
    return f"{against} Whole numbers are held fixed and not attributed: {names}.".strip()


def _bars(modality: ModalityExplanation, target: str) -> Figure | Markup:
    return draw_parts(modality.parts, target) if modality.parts else Markup()


def _part_rows(parts: Sequence[Part], *, valued: bool) -> Iterator[tuple[str, ...]]:
    """The parts in descending order; empty ones are collapsed to one row per reason."""
    for part in sorted(parts, key=lambda part: -abs(part.contribution)):
        if not part.empty:
            yield (part.name, *[part.value] * valued, signed(part.contribution))
    for reason in dict.fromkeys(part.value for part in parts if part.empty):
        of = [part for part in parts if part.empty and part.value == reason]
        names = ", ".join(part.name for part in of)
        yield (names, *[reason] * valued, signed(sum(part.contribution for part in of)))


def importance_page(importances: Importances, *, run: str = "", report: str = "") -> str:
    """Permutation importance of a run's inputs as a self-contained HTML page; see `track_page`."""
    metrics = ", ".join(
        f"{METRIC_NAMES[name]} {show_metric(name, value)}"
        for name, value in importances.metrics.items()
    )
    groups = {
        "Modalities": importances.modalities,
        **{f"Fields of {modality}": of for modality, of in importances.fields.items() if of},
    }
    return render_page(
        __package__,
        TEMPLATE,
        title="Which inputs matter to the model",
        eyebrow="Permutation importance",
        lead=(
            f"Increase of the error on the {importances.tracks:,} {importances.part} tracks when "
            "one part of the input is randomly permuted between them: mean and standard deviation "
            f"of {importances.repeats} permutations. Without permutation: {metrics}."
        ),
        run=run,
        report=report,
        synthetic=importances.synthetic,
        warnings=[],
        sections=[_importance_section(heading, of) for heading, of in groups.items()],
    )


def _importance_section(heading: str, importances: Sequence[Importance]) -> Section:
    metrics = list(importances[0].worsening)
    main = metrics[0]
    by_size = sorted(importances, key=lambda i: -float(i.worsening[main].mean()))
    return Section(
        heading=heading,
        note="If two parts contain the same information, both appear less important than they are.",
        picture=draw_bars(
            [i.name for i in by_size],
            [float(i.worsening[main].mean()) for i in by_size],
            label=f"increase of the {METRIC_NAMES[main]}",
            spread=[float(i.worsening[main].std()) for i in by_size],
        ),
        alt=f"Bars: increase of the {METRIC_NAMES[main]} for each part",
        columns=("part", *map(change_column, metrics)),
        rows=[
            (
                i.name,
                *(show_change(name, v) for name, v in i.worsening.items()),
            )
            for i in by_size
        ],
    )


def _in_percent(metric: str) -> bool:
    return metric in METRICS and METRICS[metric].format.endswith("%}")


def change_column(metric: str) -> str:
    """Heading of a column of `show_change`."""
    return f"{METRIC_NAMES[metric]} worse by" + (", points" if _in_percent(metric) else "")


def show_change(metric: str, worsening: FloatArray) -> str:
    """Mean and standard deviation; of metrics in percent, in percentage points."""
    values = 100 * worsening if _in_percent(metric) else worsening
    return f"{signed(values.mean())} ± {signed(values.std()).removeprefix('+')}"
