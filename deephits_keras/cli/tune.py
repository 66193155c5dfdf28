"""`deephits tune`: search for the settings of a training."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from deephits_keras.cli.common import (
    EncoderCommand,
    fusion_options,
    get_fusion_settings,
    import_keras,
    json_option,
    modalities_option,
    pairs,
    print_json,
    print_table,
    seed_option,
)
from deephits_keras.cli.paths import CORPUS, PATH
from deephits_keras.cli.training_options import (
    RECIPES,
    recipe_option,
    split_of,
    split_options,
    training_options,
)
from deephits_keras.runs.files import REPORT
from deephits_keras.tuning.metric import LOSS, METRICS

if TYPE_CHECKING:
    from deephits_keras.tuning.search import Record
    from deephits_keras.tuning.workflow import Tuning, TuningPlan


@click.command(cls=EncoderCommand, short_help="Search for better settings of a training.")
@click.argument("corpus", type=CORPUS)
@click.argument("run", type=PATH)
@click.option(
    "--search",
    "searched",
    multiple=True,
    metavar="NAME[=VALUES]",
    help="A setting to search: learning_rate=0.001..0.1:log, fusion=early,late; may be repeated.",
)
@click.option("--space", type=PATH, help="TOML file with settings to search.")
@click.option(
    "--trials",
    type=click.IntRange(min=1),
    show_default="30, without a time limit",
    help="Largest number of trials.",
)
@click.option(
    "--time-limit",
    type=float,
    metavar="MINUTES",
    help="Time for the whole search, without the extraction of features.",
)
@click.option(
    "--metric",
    type=click.Choice(METRICS),
    default=LOSS,
    show_default=True,
    help="Validation metric to optimise.",
)
@click.option(
    "--prune/--no-prune",
    default=True,
    show_default=True,
    help="End a trial that is worse than the median of earlier ones at the same epoch.",
)
@click.option(
    "--jobs",
    default=1,
    show_default=True,
    help="Number of trials at a time, each in a process of its own; -1: one per core.",
)
@recipe_option
@modalities_option
@fusion_options(RECIPES)
@split_options(test=0.2)
@training_options
@seed_option
@json_option
def tune(
    corpus: Path,
    run: Path,
    searched: tuple[str, ...],
    space: Path | None,
    trials: int | None,
    time_limit: float | None,
    metric: str,
    prune: bool,
    jobs: int,
    recipe: str,
    modalities: str | None,
    fusion: str | None,
    fusion_weights: str | None,
    head: str | None,
    task: str | None,
    dropout: float | None,
    seed: int,
    as_json: bool,
    settings: dict[str, dict[str, Any]],
    **training: Any,
) -> None:
    """Search for settings of a training on CORPUS, and write the best trial to RUN as a run.

    Trials are trained on the training part and compared on the validation part; the test part is
    read once, for the best. Without --search and --space the recipe says what is searched; other
    options are fixed in all trials. Run the same command again to continue an interrupted search,
    or with more --trials or a longer --time-limit to go on with a finished one.

    \b
    Example:
      deephits tune corpus run --trials 30
      deephits tune corpus run --time-limit 20 --search learning_rate=0.001..0.1:log
      deephits tune corpus run --search fusion=early,late --search dropout=0..0.5 --jobs 4
    """
    from deephits_keras.features.workers import check_engine
    from deephits_keras.report.labels import show_metric
    from deephits_keras.tuning.space import text_of
    from deephits_keras.tuning.workflow import finish, plan_tuning

    check_engine(jobs, "local", None)
    division = split_of(training)
    plan = plan_tuning(
        corpus,
        run,
        search=_searched(searched),
        space=space,
        trials=trials,
        time_limit=time_limit,
        metric=metric,
        prune=prune,
        recipe=recipe,
        modalities=modalities,
        settings=settings,
        fusion=get_fusion_settings(fusion, fusion_weights, head, dropout),
        training={name: value for name, value in training.items() if value is not None},
        task=task,
        seed=seed,
        split=division,
        command=shlex.join(["deephits", *sys.argv[1:]]),
    )
    for note in plan.notes:
        click.echo(f"note: {note}", err=True)
    import_keras()
    found = finish(plan, jobs=jobs, report=lambda record: _show(record, plan))
    if as_json:
        print_json(_as_json(found))
        return
    print_table(
        f"Best of {len(found.records)} trials: number {found.best.number}",
        ("setting", "best", "searched"),
        (
            (name, text_of(found.values[name]) if name in found.values else "", dimension)
            for name, dimension in plan.search.space.items()
        ),
    )
    part = found.run.reported_part
    best = show_metric(plan.search.metric.name, found.best.result.value)
    click.echo(f"Validation {metric}: {best}. Metrics: {part} part of the run")
    click.echo(f"Report: {run / REPORT}. Search: {found.page}")
    for warning in found.run.metrics.get("warnings", []):
        click.echo(f"warning: {warning}")


def _searched(words: tuple[str, ...]) -> dict[str, str]:
    """Values by setting; no values for a setting whose declared ones are meant."""
    named = {word.strip(): "" for word in words if "=" not in word}
    return named | dict(pairs([word for word in words if "=" in word], "--search"))


def _show(record: Record, plan: TuningPlan) -> None:
    from deephits_keras.report.labels import show_metric
    from deephits_keras.tuning.space import text_of

    result = record.result
    values = ", ".join(f"{name} {text_of(value)}" for name, value in record.values.items())
    name = plan.search.metric.name
    measured = "" if result.value is None else f"  {name} {show_metric(name, result.value)}"
    click.echo(
        f"trial {record.number:>3}  {result.outcome}{measured}  {result.epochs} epochs  "
        f"{result.seconds:.1f} s  {values}{'  ' + result.reason if result.reason else ''}",
        err=True,
    )


def _as_json(found: Tuning) -> dict[str, Any]:
    from deephits_keras.tuning.search import row_of

    return {
        "run": str(found.run.folder),
        "page": str(found.page),
        "best": {
            "trial": found.best.number,
            "value": found.best.result.value,
            "values": found.values,
        },
        "metric": found.metric,
        "trials": [row_of(record, found.metric) for record in found.records],
        **found.run.metrics,
    }
