"""`tune`: search for settings on the validation part, and make a run of the best.

Whatever can be checked without Keras is checked before Keras is imported.
"""

from __future__ import annotations

import dataclasses
import importlib.util
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deephits_keras.errors import DeepHitsError, UserError
from deephits_keras.recipes import DEFAULT, get_recipe
from deephits_keras.runs.training_config import TrainingConfig
from deephits_keras.tuning.metric import LOSS, Metric
from deephits_keras.tuning.space import built_in_space, make_space, read_space

if TYPE_CHECKING:
    import pandas as pd

    from deephits_keras.corpus.table import Corpus
    from deephits_keras.runs.run import Run
    from deephits_keras.training.workflow import TrainingPlan
    from deephits_keras.tuning.search import Record, Search

TRIALS = 30
"""Number of trials without any other budget."""

SPLIT = {"kind": "random", "validation": 0.2, "test": 0.2, "folds": 5, "horizon": 5}
"""The split of a search: its result is only honest on tracks that chose nothing."""


@dataclass(frozen=True)
class TuningPlan:
    """A search, checked as far as possible without Keras.

    Attributes:
        search: The search.
        training: The training without the search.
    """

    search: Search
    training: TrainingPlan

    @property
    def corpus(self) -> Corpus:
        """The corpus."""
        return self.search.corpus

    @property
    def notes(self) -> list[str]:
        """Notes on the split; see `TrainingPlan.notes`."""
        return self.training.notes


@dataclass(frozen=True)
class Tuning:
    """The result of a search.

    Attributes:
        run: The run of the best trial.
        records: All finished trials.
        best: The best trial.
        page: The page with the search.
        metric: Name of the validation metric that was optimised.
    """

    run: Run
    records: list[Record]
    best: Record
    page: Path
    metric: str

    @property
    def values(self) -> dict[str, Any]:
        """Values of the best trial's searched settings, by name."""
        return dict(self.best.values)

    def to_frame(self) -> pd.DataFrame:
        """One row per trial: its outcome, its metric, its settings and, if it failed, why."""
        import pandas as pd

        from deephits_keras.tuning.search import row_of

        return pd.DataFrame([row_of(record, self.metric) for record in self.records])


def plan_tuning(
    corpus: str | Path | Corpus,
    run: str | Path,
    *,
    search: Mapping[str, Any] | None = None,
    space: str | Path | None = None,
    trials: int | None = None,
    time_limit: float | None = None,
    metric: str = LOSS,
    prune: bool = True,
    recipe: str = DEFAULT,
    modalities: str | None = None,
    settings: Mapping[str, Mapping[str, Any]] | None = None,
    fusion: Mapping[str, Any] | None = None,
    training: Mapping[str, Any] | TrainingConfig | None = None,
    task: str | None = None,
    seed: int = 0,
    split: Mapping[str, Any] | None = None,
    command: str = "",
) -> TuningPlan:
    """Check a search without importing Keras; see `tune` for the arguments and errors."""
    if trials is not None and trials < 1:
        raise UserError(f"The number of trials must be at least 1. Received: {trials}")
    if time_limit is not None and not time_limit > 0:
        raise UserError(f"The time limit must be above 0 minutes. Received: {time_limit:g}")
    given = {**(read_space(Path(space)) if space else {}), **(search or {})}
    wanted = make_space(given or built_in_space(get_recipe(recipe)))
    if isinstance(training, TrainingConfig):
        training = dataclasses.asdict(training)
    if "time_limit" in (training or {}):
        raise UserError("A trial has no time limit of its own: time_limit is the search's")
    if importlib.util.find_spec("optuna") is None:
        raise UserError("`deephits tune` needs optuna: pip install 'deephits-keras[tune]'")
    from deephits_keras.corpus.table import Corpus
    from deephits_keras.tasks import get_task
    from deephits_keras.tuning.asked import Asked, check
    from deephits_keras.tuning.search import Search

    asked = Asked(
        recipe=recipe,
        modalities=modalities,
        settings={name: dict(own) for name, own in (settings or {}).items() if own},
        fusion=dict(fusion or {}),
        training=dict(training or {}),
        task=task,
        seed=seed,
        split={**SPLIT, **{k: v for k, v in (split or {}).items() if v is not None}},
    )
    measured = Metric(metric)
    measured.check(get_task(asked.choices().task))
    opened = corpus if isinstance(corpus, Corpus) else Corpus.open(Path(corpus))
    plan = asked.plan(opened, Path(run))
    check(asked, wanted, opened)
    found = Search(
        corpus=opened,
        run=Path(run),
        asked=asked,
        space=wanted,
        metric=measured,
        trials=TRIALS if trials is None and time_limit is None else trials,
        minutes=time_limit,
        prune=prune,
        command=command,
    )
    found.claim()
    return TuningPlan(found, plan)


def tune(
    corpus: str | Path | Corpus,
    run: str | Path,
    *,
    search: Mapping[str, Any] | None = None,
    space: str | Path | None = None,
    trials: int | None = None,
    time_limit: float | None = None,
    metric: str = LOSS,
    prune: bool = True,
    recipe: str = DEFAULT,
    modalities: str | None = None,
    settings: Mapping[str, Mapping[str, Any]] | None = None,
    fusion: Mapping[str, Any] | None = None,
    training: Mapping[str, Any] | TrainingConfig | None = None,
    task: str | None = None,
    seed: int = 0,
    split: Mapping[str, Any] | None = None,
    jobs: int = 1,
    report: Callable[[Record], None] | None = None,
) -> Tuning:
    """Search for settings of a training, as `deephits tune` does, and make a run of the best.

    Each trial trains on the training part and is measured on the validation part. The test part is
    read once, for the metrics of the best trial. If interrupted, the same call continues; with a
    larger budget it goes on. With one job, equal seeds give equal searches.

    Args:
        corpus: The corpus, or its folder.
        run: Folder of the run: new, or of a search with the same arguments.
        search: What to search: for the name of each setting a range (`"0.001..0.1:log"`, or a
            table with `low`, `high`, `log`, `step`) or values (`"early,late"`, or a list). By
            default the space of the recipe.
        space: TOML file with the same; `search` overrides it.
        trials: Largest number of trials; 30 without a time limit.
        time_limit: Minutes for the search, without extraction; a running trial is ended, too.
        metric: Validation metric to optimise: `loss`, `macro_f1`, `macro_f1_present`, `accuracy`;
            for a regression also `r2`, `mae`, `mse`.
        prune: Whether to end a trial that is worse than the median of earlier ones.
        recipe: Name of the recipe; the other arguments override it, as in `train`.
        modalities: As in `train`.
        settings: As in `train`.
        fusion: As in `train`.
        training: As in `train`. With `ensemble`, the final run is an ensemble; trials never are.
        task: As in `train`.
        seed: Random seed of the split, the search and the trainings.
        split: As in `train`; a fifth of the tracks for validation and for the test by default.
        jobs: Number of trials at a time, each in a process of its own; -1: one per core.
        report: Called with each finished trial.

    Returns:
        The run of the best trial, and all trials.

    Raises:
        UserError: if an argument is invalid, or the folder holds something else.
        DeepHitsError: if every trial failed.

    Example:
        >>> import deephits_keras as dh
        >>> found = dh.tune("corpus", "run", search={"dropout": "0..0.5"})  # doctest: +SKIP
        >>> found.values, found.run.metrics["parts"]["test"]  # doctest: +SKIP
    """
    plan = plan_tuning(
        corpus,
        run,
        search=search,
        space=space,
        trials=trials,
        time_limit=time_limit,
        metric=metric,
        prune=prune,
        recipe=recipe,
        modalities=modalities,
        settings=settings,
        fusion=fusion,
        training=training,
        task=task,
        seed=seed,
        split=split,
    )
    return finish(plan, jobs=jobs, report=report)


def finish(
    plan: TuningPlan, *, jobs: int = 1, report: Callable[[Record], None] | None = None
) -> Tuning:
    """Carry out a search and write its page.

    Raises:
        UserError: if another process searches there, or the number of jobs is 0.
        DeepHitsError: if every trial failed.
    """
    from deephits_keras.features.workers import check_engine
    from deephits_keras.recipes.extraction import extract_with
    from deephits_keras.runs.run import Run
    from deephits_keras.tuning.page import write_page
    from deephits_keras.tuning.publication import is_published, publish
    from deephits_keras.tuning.search import best_of
    from deephits_keras.tuning.trials import carry_out_all

    check_engine(jobs, "local", None)
    found = plan.search
    extract_with(plan.corpus, plan.training.encoders).require_usable()
    records = carry_out_all(found, plan.training, jobs=jobs, report=report or (lambda _: None))
    best = best_of(found, records)
    if best is None:
        reasons = [r.result.reason for r in records if r.result.reason]
        raise DeepHitsError(
            f"Every trial failed. The first: {reasons[0] if reasons else 'no epoch was finished'}"
        )
    if not is_published(found, best, records):
        publish(found, best, records)
    page = write_page(found, records, best)
    return Tuning(Run(found.run), records, best, page, found.metric.name)
