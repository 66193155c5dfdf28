"""The report of a finished run, a self-contained HTML page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from deephits_keras.encoders.inputs import Input
from deephits_keras.errors import DeepHitsError, UserError
from deephits_keras.model.architecture import Architecture, LayerRow
from deephits_keras.report import plots
from deephits_keras.report.architecture_drawing import draw_architecture
from deephits_keras.report.comparison import metric_tables, tiles, worse_than_baseline
from deephits_keras.report.explanations import explanation_pages
from deephits_keras.report.groups import group_tables
from deephits_keras.report.labels import baseline_label
from deephits_keras.report.pages import render_page
from deephits_keras.runs.files import MEMBERS, REPORT
from deephits_keras.runs.run import Run
from deephits_keras.utils.files import write_text
from deephits_keras.utils.records import to_plain

WORST = 10
"""Number of tracks in the list of the largest errors."""

WORST_COLUMNS = ("track", "true popularity", "predicted", "error", "true tier", "predicted tier")


def write_report(folder: Path) -> Path:
    """Write `report.html` into a finished run's folder, and into those of its members.

    Args:
        folder: The run.

    Returns:
        The page's path.

    Raises:
        UserError: if the folder isn't a finished run, or can't be written to.
    """
    page = folder / REPORT
    try:
        run = Run(folder)
        html = render_report(run)
    except DeepHitsError:
        raise
    except Exception as error:
        raise UserError(
            f"{folder} holds metrics that no report can be made from: "
            f"{type(error).__name__}: {error}. `deephits verify {folder}` says what is damaged"
        ) from error
    for member in run.config.members:
        write_report(folder / member)
    write_text(page, html)
    return page


def render_report(run: Run) -> str:
    """The page as self-contained HTML without scripts; equal for equal runs and corpora."""
    worst = _worst(run)
    names = _names(run, worst["row"].to_list())
    return render_page(
        __package__,
        "report.html.jinja",
        synthetic=bool(run.config.corpus["synthetic"]),
        warnings=list(run.metrics.get("warnings", [])),
        bad_warnings=True,
        filters={"setting": _setting_text, "duration": _duration},
        config=run.config,
        training=to_plain(run.config.training),
        run_is_member=run.folder.resolve().parent.name == MEMBERS,
        task=run.task,
        metrics=run.metrics,
        main_part=run.reported_part,
        architecture=run.architecture,
        calibration=run.calibration,
        tiles=tiles(run),
        # A run of this version has a warning that says so.
        worse_than=[] if "warnings" in run.metrics else worse_than_baseline(run),
        baselines=[baseline_label(name, run.task.kind) for name in run.baselines],
        metric_tables=metric_tables(run),
        group_tables=group_tables(run),
        layer_tables=_layer_tables(run.architecture),
        worst_columns=(*WORST_COLUMNS, *names),
        name_columns=list(names),
        worst=_shown(run, worst, names),
        explanations=explanation_pages(run.folder),
        pictures=_pictures(run),
    )


def _pictures(run: Run) -> dict[str, Figure]:
    tiers = run.task.tiers
    tracks = run.predictions[run.predictions["part"] == run.reported_part]
    of_tiers = (tracks["true_tier"].to_numpy(), tracks["tier"].to_numpy(), tiers)
    values = tracks["popularity"].to_numpy(), tracks["predicted_popularity"].to_numpy()
    selected = run.metrics["selected_epoch"]
    pictures = {
        "loss": plots.loss_curves(run.history, selected),
        "scores": plots.score_curves(run.history, selected),
        "confusion": plots.confusion_matrix(*of_tiers),
        "distribution": plots.tier_distribution(*of_tiers),
        "popularity": plots.predicted_against_true(*values),
        "architecture": draw_architecture(run.architecture),
    }
    if (of_tiers[0] == of_tiers[1]).any():
        pictures["recall"] = plots.tier_recall(*of_tiers)
    scores = tracks.filter(regex=r"^score_\d+$").to_numpy()
    if scores.size:
        pictures["reliability"] = plots.reliability_diagram(of_tiers[0], scores)
    return pictures


def _names(run: Run, rows: Sequence[int]) -> dict[str, list[str]]:
    """Title and artist of some tracks, as far as the run's corpus is there and has them."""
    try:
        corpus = run.require()
    except DeepHitsError:
        return {}
    columns = {"title": "title", "artist": "artist_name"}
    there = {shown: Input(name) for shown, name in columns.items() if name in corpus.columns}
    tracks = corpus.tracks(rows, list(there.values()))
    return {
        shown: [
            str(value) if (value := track.fields.get(read.name)) is not None else ""
            for track in tracks
        ]
        for shown, read in there.items()
    }


def _worst(run: Run) -> pd.DataFrame:
    """The predictions of the main part with the largest errors, and those."""
    tracks = run.predictions[run.predictions["part"] == run.reported_part]
    tracks = tracks.assign(error=tracks["predicted_popularity"] - tracks["popularity"])
    return tracks.loc[
        tracks["error"].abs().sort_values(ascending=False, kind="stable").index[:WORST]
    ]


def _shown(run: Run, worst: pd.DataFrame, names: Mapping[str, list[str]]) -> list[tuple[str, ...]]:
    """Rows of the table of the largest errors, with what the tracks are called."""
    labels = run.task.tiers.labels
    return [
        (
            str(track["track_id"]),
            f"{track['popularity']:.1f}",
            f"{track['predicted_popularity']:.1f}",
            f"{track['error']:+.1f}",
            labels[track["true_tier"]],
            labels[track["tier"]],
            *called,
        )
        for track, *called in zip(worst.to_dict("records"), *names.values(), strict=True)
    ]


def _layer_tables(architecture: Architecture) -> dict[str, tuple[LayerRow, ...]]:
    branches = {f"{b.modality}: {b.encoder}": b.layers for b in architecture.branches}
    parts = (architecture.fusion_part, architecture.output)
    return branches | {part.name: part.layers for part in parts}


def _setting_text(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(map(_setting_text, value)) or "none"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _duration(seconds: float) -> str:
    """A duration as `45 s`, `12 min 5 s` or `3 h 20 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
