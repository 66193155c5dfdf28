"""How long a model stays good: rolling origins, each modality, metrics by years since the origin.

OUT/<origin>-<modalities>/ is a run as `train` writes it; whatever is finished is not trained again.
OUT/rolling.json has the rows, OUT/rolling.html shows them.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from deephits_keras.corpus.groups import release_years
from deephits_keras.corpus.table import Corpus
from deephits_keras.errors import UserError
from deephits_keras.evaluation.groups import FEWEST, Answers, metrics_with_intervals
from deephits_keras.tasks import Task
from deephits_keras.training.rolling_rows import RollingPlan, RollingRow
from deephits_keras.training.series import Tell, require_same, trained
from deephits_keras.training.workflow import TrainingPlan, plan_training
from deephits_keras.utils.files import replacing, write_json

RESULTS, PAGE = "rolling.json", "rolling.html"


def plan_rolling(
    corpus: str | Path | Corpus,
    out: str | Path,
    *,
    origins: Sequence[int],
    horizon: int = 5,
    validation: float = 0.2,
    **options: Any,
) -> RollingPlan:
    """Check the trainings of `rolling_origins` without Keras; see there."""
    if not origins or len(set(origins)) < len(origins):
        raise UserError(f"Different origins are needed, first test years. Received: {origins}")
    opened = corpus if isinstance(corpus, Corpus) else Corpus.open(Path(corpus))
    folder = Path(out)

    def planned(origin: int, name: str, **more: Any) -> TrainingPlan:
        split = {"kind": "rolling", "origin": origin, "horizon": horizon, "validation": validation}
        place = folder / f"{origin}-{name.replace(',', '+')}"
        return plan_training(opened, place, split=split, **{**options, **more})

    first = planned(min(origins), "all")
    all_of = ",".join(first.encoders)
    alone = {
        modality: {
            "modalities": f"{modality}={encoder.name}",
            "settings": {
                owner: values
                for owner, values in (options.get("settings") or {}).items()
                if owner in (modality, encoder.name)
            },
        }
        for modality, encoder in first.encoders.items()
        if len(first.encoders) > 1
    }
    plans: dict[tuple[str, int], TrainingPlan] = {}
    notes = list(first.notes)
    for name, more in {all_of: {}, **alone}.items():
        try:
            plans |= {(name, origin): planned(origin, name, **more) for origin in sorted(origins)}
        except UserError as error:
            if name == all_of:
                raise
            notes.append(f"{name} alone is left out: {error}")
    for plan in plans.values():
        require_same(plan)
    return RollingPlan(opened, folder, plans, horizon, tuple(dict.fromkeys(notes)))


def rolling_origins(
    corpus: str | Path | Corpus,
    out: str | Path,
    *,
    origins: Sequence[int],
    horizon: int = 5,
    validation: float = 0.2,
    tell: Tell | None = None,
    **options: Any,
) -> list[RollingRow]:
    """Train on the songs before each origin, with all modalities and with each alone, and test.

    The test songs are those of the `horizon` years from the origin (`--split rolling`). The
    metrics by years since the origin tell how fast a model ages (paper, Section 5.3: drift).

    Args:
        corpus: The corpus, or its folder.
        out: Folder of the runs, `rolling.json` and `rolling.html`.
        origins: First test years.
        horizon: Number of test years.
        validation: Fraction of the songs before an origin, the newest, for validation.
        tell: Called with each training that begins.
        **options: Arguments of `training.workflow.train`, except `split`.

    Returns:
        Rows of each set of modalities: by origin, by years since the origin (of all origins
        together), and of all test songs.

    Raises:
        UserError: if an origin leaves too few songs, an argument is invalid, or a run in the folder
            has other settings.

    Example:
        >>> from deephits_keras.training.rolling import rolling_origins
        >>> rows = rolling_origins("corpus", "out", origins=[2005, 2010])  # doctest: +SKIP
        >>> [row.metrics["mae"] for row in rows if row.years == 4]  # doctest: +SKIP
        [13.0]
    """
    plan = plan_rolling(
        corpus, out, origins=origins, horizon=horizon, validation=validation, **options
    )
    return train_rolling(plan, tell=tell)


def train_rolling(plan: RollingPlan, *, tell: Tell | None = None) -> list[RollingRow]:
    """Train what isn't finished of a plan, and write its results; see `rolling_origins`."""
    from deephits_keras.training.rolling_page import rolling_page

    years = release_years(plan.corpus)
    tested: dict[str, list[pd.DataFrame]] = {}
    for (name, origin), training in plan.plans.items():
        if tell:
            tell(f"{origin}: {name}")
        songs = trained(training).predictions
        songs = songs[songs["part"] == "test"]
        since = (years[songs["row"].to_numpy()] - origin).astype(np.int64)
        tested.setdefault(name, []).append(songs.assign(origin=origin, years=since))
    task = next(iter(plan.plans.values())).task
    rows = [row for name, tables in tested.items() for row in _rows(name, pd.concat(tables), task)]
    write_json(plan.out / RESULTS, rows)
    with replacing(plan.out / PAGE) as temporary:
        temporary.write_text(rolling_page(plan, rows), encoding="utf-8")
    return rows


def _rows(name: str, songs: pd.DataFrame, task: Task) -> list[RollingRow]:
    """Rows of all songs, of each origin, of each number of years, and of both."""
    origins, years = ([None, *np.unique(songs[of]).tolist()] for of in ("origin", "years"))
    return [
        _row(name, origin, since, songs[at_origin & at_years], task)
        for origin in origins
        for since in years
        for at_origin, at_years in [(_are(songs["origin"], origin), _are(songs["years"], since))]
    ]


def _are(values: pd.Series[int], wanted: int | None) -> pd.Series[bool]:
    """Which values are the wanted one; all for None."""
    return values.notna() if wanted is None else values == wanted


def _row(
    name: str, origin: int | None, years: int | None, songs: pd.DataFrame, task: Task
) -> RollingRow:
    if len(songs) < FEWEST:
        return RollingRow(name, origin, years, len(songs), {}, {})
    # Not before: it imports SciPy, and a plan tells mistakes at once.
    from deephits_keras.evaluation.metrics import (
        ranking_metrics,
        regression_metrics,
        tier_metrics,
    )

    answers = Answers.from_table(songs, classification=task.kind == "classification")
    scores = [column for column in songs.columns if column.startswith("score_")]
    metrics = {
        **tier_metrics(
            answers.true_tier,
            answers.tier,
            songs[scores].to_numpy(np.float64) if scores else None,
            task.tiers,
        ),
        **regression_metrics(answers.popularity, answers.predicted),
        **ranking_metrics(answers.popularity, answers.predicted),
    }
    return RollingRow(name, origin, years, len(songs), metrics, metrics_with_intervals(answers))
