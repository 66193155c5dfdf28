"""Several trainings for one table: leave one group out, and ways to adapt over rolling origins.

OUT/<name>/run files of each training, as written by `train`; whatever is finished is not trained
again.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from deephits_keras.corpus.groups import labels
from deephits_keras.corpus.table import Corpus
from deephits_keras.errors import UserError
from deephits_keras.evaluation.groups import FEWEST, MOST_GROUPS, Interval
from deephits_keras.runs.files import CONFIG
from deephits_keras.runs.run import Run
from deephits_keras.training.workflow import TEST, TrainingPlan, finish, plan_training
from deephits_keras.utils.files import write_json

if TYPE_CHECKING:
    from deephits_keras.types import IntArray

RESULTS = "results.json"

Tell = Callable[[str], None]


@dataclass(frozen=True)
class Row:
    """Test metrics of one training.

    Attributes:
        name: The group that was left out, or the origin.
        way: How the model came about; empty where there is one way.
        tracks: Number of test tracks.
        metrics: Metrics of them, with intervals (`evaluation.groups`); empty for fewer than 20.
    """

    name: str
    way: str
    tracks: int
    metrics: dict[str, Interval]


def leave_one_out(
    corpus: str | Path | Corpus,
    out: str | Path,
    *,
    by: str,
    tell: Tell | None = None,
    **options: Any,
) -> list[Row]:
    """Train once per value of a column on the other tracks, and test on the tracks with it.

    Args:
        corpus: The corpus, or its folder.
        out: Folder of the runs, one per value, and of `results.json`.
        by: The column: `language`, `genre`, ...
        tell: Called with each value whose training begins.
        **options: `validation`, the fraction of the other tracks for validation, and arguments of
            `training.workflow.train`, except `split`.

    Returns:
        One row per value with at least 20 tracks, the most frequent 25 of them, by frequency.

    Raises:
        UserError: if fewer than two values have 20 tracks, an argument is invalid, or a run in the
            folder has other settings.

    Example:
        >>> from deephits_keras.training.series import leave_one_out
        >>> leave_one_out("corpus", "languages", by="language", seed=1)  # doctest: +SKIP
        [Row(name='en', way='', tracks=812, metrics={...}), Row(name='es', ...)]
    """
    plans = plan_leave_one_out(corpus, out, by=by, **options)
    return train_plans(plans, Path(out), tell=tell)


def plan_leave_one_out(
    corpus: str | Path | Corpus,
    out: str | Path,
    *,
    by: str,
    validation: float = 0.2,
    **options: Any,
) -> dict[str, TrainingPlan]:
    """The trainings of `leave_one_out` by left-out value, checked without Keras.

    Args:
        corpus: See there.
        out: See there.
        by: See there.
        validation: Fraction of the other tracks for validation.
        **options: See there.

    Raises:
        UserError: as `leave_one_out`.
    """
    opened = corpus if isinstance(corpus, Corpus) else Corpus.open(Path(corpus))
    told = labels(opened, by)
    sizes = pd.DataFrame({"row": told.index, "value": told}).drop_duplicates()["value"]
    counts = sizes.value_counts()
    chosen = [str(value) for value, count in counts.items() if count >= FEWEST][:MOST_GROUPS]
    if len(chosen) < 2:
        found = ", ".join(f"{value} ({count})" for value, count in counts.head(10).items())
        raise UserError(
            f"To leave one {by} out, at least two need {FEWEST} tracks. This corpus has "
            f"{found or 'none'}"
        )
    own = {"kind": "group", "by": by, "validation": validation}
    plans = {
        value: plan_training(
            opened, Path(out) / _folder(value, chosen), split={**own, "held_out": value}, **options
        )
        for value in chosen
    }
    for plan in plans.values():
        require_same(plan)
    return plans


def train_plans(
    plans: Mapping[str, TrainingPlan], out: Path, *, tell: Tell | None = None
) -> list[Row]:
    """Train what isn't finished, and write the test metrics of each plan to `results.json`."""
    rows = []
    for name, plan in plans.items():
        if tell:
            tell(name)
        rows.append(_row(name, "", trained(plan)))
    write_json(out / RESULTS, rows)
    return rows


WAYS = ("nothing", "anew", "further", "online", "weighted")
"""What can be done at a new origin: keep the first model, train anew, train the last model further
on all songs, or on the new songs with some of the earlier ones, or train anew with weights for
songs that resemble the test songs."""


def compare_adaptation(
    corpus: str | Path | Corpus,
    out: str | Path,
    *,
    origins: Sequence[int],
    horizon: int = 5,
    further: Mapping[str, Any] | None = None,
    rehearsal: float | None = None,
    weighted: bool = False,
    tell: Tell | None = None,
    **options: Any,
) -> list[Row]:
    """Compare ways to adapt to newer songs, over rolling origins.

    At each origin the model is tested on the songs of the following years (`--split rolling`):
    the model of the first origin (`nothing`), one trained on all songs before the origin (`anew`),
    and the model of the previous origin, trained further on them (`further`) or, if `rehearsal` is
    given, on the songs since that origin and a fraction of the earlier ones (`online`). With
    `weighted`, one more is trained anew in which songs count more that resemble the test songs
    (`training.importance`), of which it uses the features and never the popularity.

    Args:
        corpus: The corpus, or its folder.
        out: Folder of the runs and of `results.json`.
        origins: First test years, ascending; at the first, all ways but `weighted` are the same.
        horizon: Number of test years.
        further: Fields of `TrainingConfig` for `further` and `online`, for example a lower learning
            rate.
        rehearsal: Fraction of earlier songs that `online` trains on again: without any, a network
            forgets them (McCloskey and Cohen 1989). By default there is no `online`.
        weighted: Whether to train `weighted` as well.
        tell: Called with each origin whose trainings begin.
        **options: Arguments of `training.workflow.train`, except `split`.

    Returns:
        One row per origin and way. No test song is a training song of any model: a training
        further is refused otherwise.

    Raises:
        UserError: if the origins don't ascend, a run in the
            folder has other settings, or an argument is invalid.
    """
    gaps = [after - before for before, after in itertools.pairwise(origins)]
    if len(origins) < 2 or min(gaps) < 1:
        raise UserError(f"At least two ascending origins are needed. Received: {list(origins)}")
    opened = corpus if isinstance(corpus, Corpus) else Corpus.open(Path(corpus))
    folder = Path(out)

    def planned(
        name: str, origin: int, newer: Mapping[str, Any] | None = None, **more: Any
    ) -> TrainingPlan:
        split = {"kind": "rolling", "origin": origin, "horizon": horizon, **(newer or {})}
        return plan_training(opened, folder / name, split=split, **{**options, **more})

    def favoured(origin: int) -> Row:
        run = trained(planned(f"weighted-{origin}", origin, weights_for=TEST))
        return _row(str(origin), "weighted", run)

    # Trees can't be trained further: without them, all ways train the same model.
    options["training"] = {"with_boosting": False, **options.get("training", {})}
    begun = [planned(f"anew-{origin}", origin) for origin in origins]
    for plan in begun:
        require_same(plan)
    warm = {**options["training"], **(further or {})}
    rows: list[Row] = []
    alike = WAYS[:4] if rehearsal is not None else WAYS[:3]
    first = last = online = None
    for (since, origin), plan in zip(itertools.pairwise((0, *origins)), begun, strict=True):
        if tell:
            tell(str(origin))
        anew = trained(plan)
        if first is None or last is None or online is None:
            first = last = online = anew
            rows += [_row(str(origin), way, anew) for way in alike]
            if weighted:
                rows.append(favoured(origin))
            continue
        last = trained(planned(f"further-{origin}", origin, start_from=last.folder, training=warm))
        tested = anew.split.parts["test"]
        rows.append(_row(str(origin), "nothing", first, opened, tested))
        rows += [_row(str(origin), way, run) for way, run in (("anew", anew), ("further", last))]
        if rehearsal is not None:
            newer = {"since": since, "rehearsal": rehearsal}
            more = {"start_from": online.folder, "training": warm}
            online = trained(planned(f"online-{origin}", origin, newer, **more))
            rows.append(_row(str(origin), "online", online))
        if weighted:
            rows.append(favoured(origin))
    write_json(folder / RESULTS, rows)
    return rows


def _folder(value: str, others: Sequence[str]) -> str:
    """A folder's name for a value; with a number where another value has the same."""
    names = [re.sub(r"[^\w-]+", "_", other).strip("_") or "value" for other in others]
    place = list(others).index(value)
    same = [n for n, name in enumerate(names) if name.casefold() == names[place].casefold()]
    return names[place] if len(same) == 1 else f"{names[place]}-{same.index(place) + 1}"


def trained(plan: TrainingPlan) -> Run:
    """The finished run of a plan: as it is, continued, or trained.

    Raises:
        UserError: if the folder has a run with other settings.
    """
    run = require_same(plan)
    if run is None:
        return finish(plan.begin(), plan.corpus)
    return run if run.finished else finish(run, plan.corpus)


def require_same(plan: TrainingPlan) -> Run | None:
    """The run that a plan's folder has, finished or not; None without one.

    Raises:
        UserError: if it has other settings.
    """
    if not (plan.folder / CONFIG).exists():
        return None
    run = Run(plan.folder)
    if differences := list(_differences(plan, run)):
        raise UserError(
            f"{plan.folder} is a run with another {', another '.join(differences)}: remove it, or "
            "choose another folder"
        )
    return run


def _differences(plan: TrainingPlan, run: Run) -> Iterator[str]:
    config = run.config
    own = {m: (record.encoder, record.fingerprint) for m, record in config.modalities.items()}
    pairs = {
        "corpus": (config.corpus["fingerprint"], plan.corpus.fingerprint),
        "task": (config.task, plan.task.name),
        "training": (config.training, plan.choices.training),
        "set of features": (own, {m: (e.name, e.fingerprint()) for m, e in plan.encoders.items()}),
        "split": (
            {part: rows.tolist() for part, rows in run.split.parts.items()},
            {part: rows.tolist() for part, rows in plan.split.parts.items()},
        ),
        "start": (config.start, plan.start),
        "target of the weights": (config.split.get("weights", {}).get("for"), plan.weights_name),
    }
    for name, (found, wanted) in pairs.items():
        if found != wanted:
            settings = (vars(each) for each in (found, wanted)) if name == "training" else ({}, {})
            yield name + _settings_in_words(*settings)


def _settings_in_words(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> str:
    """` (epochs 40, not 20)`; empty where nothing differs."""
    told = [f"{n} {found[n]}, not {value}" for n, value in wanted.items() if found[n] != value]
    return f" ({'; '.join(told)})" if told else ""


def _row(
    name: str,
    way: str,
    run: Run,
    corpus: Corpus | None = None,
    rows: IntArray | None = None,
) -> Row:
    """Metrics of a run's test tracks, or of other rows of its corpus."""
    from deephits_keras.evaluation.groups import Answers, metrics_with_intervals

    if corpus is None or rows is None:
        table = run.predictions[run.predictions["part"] == "test"]
    else:
        from deephits_keras.features.seen import seen_stores
        from deephits_keras.training.scoring import score_rows

        stores = seen_stores(corpus, run.encoders, run.unseen_columns)
        table = score_rows(run.model, run.task, stores, corpus, rows).table(corpus, "test")
    answers = Answers.from_table(table, classification=run.task.kind == "classification")
    enough = len(table) >= FEWEST
    return Row(name, way, len(table), metrics_with_intervals(answers) if enough else {})
