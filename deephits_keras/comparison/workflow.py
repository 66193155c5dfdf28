"""`compare`: compare recipes on a corpus.

Whatever can be checked without Keras is checked before Keras is imported, so that mistakes are
reported immediately.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deephits_keras.comparison.entrants import check_settings
from deephits_keras.comparison.run import PROTOCOLS, Outcome, Plan
from deephits_keras.comparison.run import compare as carry_out
from deephits_keras.corpus.table import Corpus
from deephits_keras.errors import DeepHitsError, UserError
from deephits_keras.features.workers import check_jobs
from deephits_keras.recipes import get_recipe
from deephits_keras.recipes.registry import recipe_names
from deephits_keras.tasks import get_task
from deephits_keras.utils.suggestions import suggestion

if TYPE_CHECKING:
    from deephits_keras.comparison.leaderboard import Leaderboard


def plan_comparison(
    corpus: str | Path | Corpus,
    out: str | Path,
    *,
    recipes: Sequence[str] = ("all",),
    seeds: int = 5,
    protocols: Sequence[str] = ("artist",),
    tasks: Sequence[str] = ("tiers-3",),
    controls: int = 1,
    epochs: int | None = None,
    post_release: Sequence[str] = (),
    settings: Mapping[str, Mapping[str, Any]] | None = None,
    command: str = "",
) -> Plan:
    """Check a comparison without importing Keras; see `compare`."""
    opened = corpus if isinstance(corpus, Corpus) else Corpus.open(Path(corpus))
    for what, given in (("recipe", recipes), ("protocol", protocols), ("task", tasks)):
        if not given:
            raise UserError(f"Name at least one {what}")
    for column in post_release:
        if column not in opened.columns:
            raise UserError(
                f"The corpus has no column {column!r} to leave out"
                f"{suggestion(column, opened.columns)}. Columns: {', '.join(opened.columns)}"
            )
    names = recipe_names() if "all" in recipes else list(recipes)
    for name in names:
        get_recipe(name)
    check_settings(names, settings or {})
    for task in tasks:
        get_task(task)
    if unknown := [name for name in protocols if name not in PROTOCOLS]:
        raise UserError(
            f"There is no protocol named {unknown[0]!r}. Protocols: {', '.join(PROTOCOLS)}"
        )
    if seeds < 1 or controls < 0:
        raise UserError(
            "seeds must be at least 1 and controls at least 0. "
            f"Received: seeds={seeds}, controls={controls}"
        )
    plan = Plan(
        corpus=opened,
        out=Path(out),
        recipes=names,
        tasks=tasks,
        protocols=protocols,
        seeds=seeds,
        controls=controls,
        settings=settings or {},
        training={"epochs": epochs} if epochs else {},
        post_release=post_release,
        command=command,
    )
    plan.check_folder()
    return plan


def compare(
    corpus: str | Path | Corpus,
    out: str | Path,
    *,
    recipes: Sequence[str] = ("all",),
    seeds: int = 5,
    protocols: Sequence[str] = ("artist",),
    tasks: Sequence[str] = ("tiers-3",),
    controls: int = 1,
    epochs: int | None = None,
    post_release: Sequence[str] = (),
    settings: Mapping[str, Mapping[str, Any]] | None = None,
    jobs: int = -1,
) -> Leaderboard:
    """Train recipes on the same splits and rank them, as `deephits compare` does.

    If interrupted, the same call continues. `out/leaderboard.html` shows all results.

    Args:
        corpus: The corpus, or its folder.
        out: The folder of the comparison: new, or with the same settings.
        recipes: Names of recipes, or `all`; `majority` and `boosting` are always included.
        seeds: Number of random seeds, from 0; each gives a split and an initial model.
        protocols: How test tracks are chosen: `random`, `artist`, `date`.
        tasks: `tiers-3`, `tiers-5`, `tiers-10`, `regression`, or `hit-N` (popularity N or more).
        controls: Number of seeds that are also trained on shuffled popularity, to detect leaks.
        epochs: Number of epochs for every recipe, for a quick try; set by the recipe by default.
        post_release: Columns that are only known after the release; recipes that read one are
            skipped.
        settings: Settings of encoders, by modality or encoder.
        jobs: Number of worker processes; -1: one per core.

    Returns:
        The leaderboard; `to_frame` converts it to a table.

    Raises:
        UserError: if an argument is invalid.
        DeepHitsError: after all trials, if some failed, or if a control shows target leakage.

    Example:
        >>> import deephits_keras as dh
        >>> dh.compare("corpus", "out", recipes=["paper"], seeds=3).to_frame()  # doctest: +SKIP
    """
    plan = plan_comparison(
        corpus,
        out,
        recipes=recipes,
        seeds=seeds,
        protocols=protocols,
        tasks=tasks,
        controls=controls,
        epochs=epochs,
        post_release=post_release,
        settings=settings,
    )
    found, outcome = finish(plan, jobs=jobs)
    require_all(found, outcome)
    return found


def finish(plan: Plan, *, jobs: int = -1) -> tuple[Leaderboard, Outcome]:
    """Run a comparison and write its page.

    Raises:
        UserError: if the folder contains something else, the corpus can't be split, or jobs is 0.
        DeepHitsError: if every trial failed.
    """
    check_jobs(jobs)
    from deephits_keras.comparison.leaderboard import Leaderboard

    outcome = carry_out(plan, jobs=jobs)
    if outcome.failed and not any(plan.out.glob("runs/*/*/*/*/result.json")):
        first, reason = next(iter(outcome.failed.items()))
        raise DeepHitsError(f"Every trial failed. The first: {first}: {reason}")
    found = Leaderboard.from_folder(
        plan.out, synthetic=plan.corpus.synthetic, tracks=len(plan.corpus)
    )
    found.write()
    return found, outcome


def require_all(found: Leaderboard, outcome: Outcome) -> None:
    """Check that the leaderboard can be trusted and is complete.

    Raises:
        DeepHitsError: if there is target leakage, or a trial failed.
    """
    if found.leaks:
        raise DeepHitsError(
            f"TARGET LEAKAGE: {', '.join(found.leaks)} still predict it "
            "when trained on shuffled popularity"
        )
    if outcome.failed:
        first, reason = next(iter(outcome.failed.items()))
        raise DeepHitsError(f"{len(outcome.failed)} trials failed. The first: {first}: {reason}")
