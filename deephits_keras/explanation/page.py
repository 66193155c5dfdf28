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
from deephits_keras.report.pages import number, percent, render_page, signed

TEMPLATE = "page.html.jinja"

METRIC_NAMES = {"loss": "loss", "macro_f1": "macro-F1", "accuracy": "accuracy", "mae": "MAE"}

ROUNDING = 0.01
"""Contributions that miss the difference by this share of it are not complete."""


@dataclass(frozen=True)
class Section:
    """A heading with a picture and a table.

    Attributes:
        heading: The heading.
        note: A sentence or two under it.
        picture: A picture, or a piece of HTML.
        alt: What the picture shows, for who can't see it.
        columns: The table's columns.
        rows: Its rows of text; the first cell is the row's name.
    """

    heading: str
    note: str
    picture: Figure | Markup
    alt: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


def track_page(explanation: Explanation) -> str:
    """Why a track got its score, as HTML that loads nothing."""
    prediction, attribution = explanation.prediction, explanation.attribution
    missing = [f"Missing: {', '.join(prediction.missing)}."] if prediction.missing else []
    return render_page(
        __package__,
        TEMPLATE,
        title=f"Why {prediction.track_id} is predicted at {prediction.popularity:.1f}",
        eyebrow="Explanation of a prediction",
        lead=(
            f"Popularity {prediction.popularity:.1f} of 100, tier {prediction.tier_label}. "
            f"The {explanation.target} is {number(attribution.score)}; "
            f"{explanation.baseline_words} it would be {number(attribution.baseline_score)}. The "
            f"contributions below add up to the difference, {signed(attribution.difference)}, to "
            f"within {percent(attribution.error)} of it (integrated gradients)."
        ),
        synthetic=explanation.synthetic,
        warnings=[*missing, *prediction.warnings, *_incomplete(attribution.error)],
        sections=list(_track_sections(explanation)),
    )


def _incomplete(error: float) -> list[str]:
    if error < ROUNDING:
        return []
    return [f"The contributions miss the difference by {percent(error)} of it: trust none of them."]


def _track_sections(explanation: Explanation) -> Iterator[Section]:
    totals = [Part(m.modality, m.contribution) for m in explanation.modalities]
    yield Section(
        heading="Modalities",
        note="Blue raised the score, red lowered it.",
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
    against = f"By {modality.encoder}, against: {modality.reference}." if modality.parts else ""
    if not modality.unattributed:
        return against
    names = ", ".join(modality.unattributed)
    return f"{against} Not attributed, for whole numbers stay as they are: {names}.".strip()


def _bars(modality: ModalityExplanation, target: str) -> Figure | Markup:
    return draw_parts(modality.parts, target) if modality.parts else Markup()


def _part_rows(parts: Sequence[Part], *, valued: bool) -> Iterator[tuple[str, ...]]:
    """The parts from the largest to the smallest; those that are empty as one row per reason."""
    for part in sorted(parts, key=lambda part: -abs(part.contribution)):
        if not part.empty:
            yield (part.name, *[part.value] * valued, signed(part.contribution))
    for reason in dict.fromkeys(part.value for part in parts if part.empty):
        of = [part for part in parts if part.empty and part.value == reason]
        names = ", ".join(part.name for part in of)
        yield (names, *[reason] * valued, signed(sum(part.contribution for part in of)))


def importance_page(importances: Importances) -> str:
    """What a run's parts of the input are worth, as HTML that loads nothing."""
    metrics = ", ".join(
        f"{METRIC_NAMES[name]} {number(value)}" for name, value in importances.metrics.items()
    )
    groups = {
        "Modalities": importances.modalities,
        **{f"Fields of {modality}": of for modality, of in importances.fields.items() if of},
    }
    return render_page(
        __package__,
        TEMPLATE,
        title="What the model uses",
        eyebrow="Permutation importance",
        lead=(
            f"How much worse the model gets on the {importances.tracks:,} {importances.part} "
            "tracks when one part of the input is exchanged between them at random, mean and "
            f"standard deviation of {importances.repeats} repeats. Without it: {metrics}."
        ),
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
        note="A part that another one can stand in for looks less important than it is.",
        picture=draw_bars(
            [i.name for i in by_size],
            [float(i.worsening[main].mean()) for i in by_size],
            label=f"rise of the {METRIC_NAMES[main]}",
            spread=[float(i.worsening[main].std()) for i in by_size],
        ),
        alt=f"Bars: rise of the {METRIC_NAMES[main]} for each part",
        columns=("part", *(f"{METRIC_NAMES[metric]} worse by" for metric in metrics)),
        rows=[
            (
                i.name,
                *(f"{signed(v.mean())} ± {number(v.std())}" for v in i.worsening.values()),
            )
            for i in by_size
        ],
    )
