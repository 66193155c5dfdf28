"""`deephits train`: from a corpus to a run."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from deephits_keras.choices import CACHES
from deephits_keras.cli.common import (
    FLAGS,
    EncoderCommand,
    engine_options,
    fusion_options,
    get_fusion_settings,
    import_keras,
    is_given,
    jobs_option,
    json_option,
    modalities_option,
    print_json,
    print_table,
    seed_option,
)
from deephits_keras.cli.paths import CORPUS, PATH, RUN
from deephits_keras.cli.training_options import (
    RECIPES,
    quality_option,
    recipe_option,
    split_of,
    split_options,
    training_option,
    training_options,
    years,
)
from deephits_keras.errors import UserError
from deephits_keras.runs.files import REPORT, require_free
from deephits_keras.runs.training_config import TrainingConfig

if TYPE_CHECKING:
    from deephits_keras.tasks import Task
    from deephits_keras.training.distribution import Distribution


@click.command(
    cls=EncoderCommand, short_help="Train a model on a corpus, and write a run with a report."
)
@click.argument("corpus", type=CORPUS)
@click.argument("run", type=PATH)
@recipe_option
@modalities_option
@fusion_options(RECIPES)
@split_options(test=0.0)
@click.option(
    "--origins",
    metavar="YEARS",
    help="With --split rolling: first test years, separated by commas; a training for each.",
)
@quality_option
@training_options
@click.option(
    "--from",
    "start_from",
    type=RUN,
    help="Start from the model of this finished run instead of random weights.",
)
@click.option(
    "--freeze",
    metavar="MODALITIES",
    help="With --from: modalities whose branches aren't trained, separated by commas.",
)
@click.option(
    "--allow-seen-tracks",
    is_flag=True,
    help="With --from: train although held-out tracks are training tracks of that run.",
)
@click.option(
    "--allow-later",
    is_flag=True,
    help="With a split by time: read columns that are only known after a song's release.",
)
@click.option(
    "--weights-for",
    metavar="CORPUS|test",
    help="Training tracks that resemble the tracks of this corpus, or the test tracks, count more.",
)
@training_option(
    "time_limit",
    "Minutes for the training, without the extraction of features; the schedule is fitted to them. "
    "0: no limit.",
)
@click.option(
    "--cache",
    default="none",
    show_default=True,
    type=click.Choice(CACHES),
    help="Where features are kept during training: none (read from disk), memory or device.",
)
@click.option(
    "--distribute",
    is_flag=True,
    help="Train on all GPUs of this machine; if TF_CONFIG is set, on all its workers.",
)
@jobs_option
@engine_options
@seed_option
@click.option("--resume", is_flag=True, help="Continue the unfinished run in RUN.")
@json_option
def train(
    corpus: Path,
    run: Path,
    recipe: str,
    modalities: str | None,
    fusion: str | None,
    fusion_weights: str | None,
    head: str | None,
    task: str | None,
    quality: str,
    dropout: float | None,
    origins: str | None,
    start_from: Path | None,
    freeze: str | None,
    allow_seen_tracks: bool,
    allow_later: bool,
    weights_for: str | None,
    cache: str,
    distribute: bool,
    jobs: int,
    engine: str,
    scheduler: str | None,
    seed: int,
    resume: bool,
    as_json: bool,
    settings: dict[str, dict[str, Any]],
    **training: Any,
) -> None:
    """Train a model on CORPUS and write the model, its metrics and a report to the folder RUN.

    Features that aren't extracted yet are extracted first. The recipe sets every option that is
    not given here; RUN/config.json records both. --resume continues an interrupted run and gives
    the same result as an uninterrupted one. --from trains the model of another run further, with
    the settings of that run where no option is given. --split group --by COLUMN without --held-out
    trains once per value of the column, each time without its tracks, in folders of RUN. --split
    rolling --origins trains once per origin with all modalities and with each alone, in folders of
    RUN, and writes the metrics by years since the origin to RUN/rolling.html.

    \b
    Example:
      deephits train corpus run --modalities mel,lyrics,meta --task tiers-3
      deephits train corpus run --recipe paper --epochs 10
      deephits train corpus run --resume
      deephits train new-corpus new-run --from run --split rolling --origin 2020
    """
    from deephits_keras.runs.run import Run
    from deephits_keras.training.workflow import finish, plan_training, resumable

    division = split_of(training)
    leaves_out = division["kind"] == "group" and division["by"] and not division["held_out"]
    asked = {name: value for name, value in training.items() if value is not None}
    meeting = get_fusion_settings(fusion, fusion_weights, head, dropout)
    if weights_for not in (None, "test"):
        CORPUS.convert(weights_for, None, None)
    if resume:
        _refuse_changes(click.get_current_context(), settings)
        current = resumable(run)
        from deephits_keras.corpus.table import Corpus

        opened = Corpus.open(corpus)
        config = current.config.training
    else:
        options: dict[str, Any] = {
            "recipe": recipe,
            "modalities": modalities,
            "settings": settings,
            "fusion": meeting,
            "training": asked,
            "task": task,
            "seed": seed,
            "quality": quality,
            "start_from": start_from,
            "freeze": freeze or (),
            "allow_seen_tracks": allow_seen_tracks,
            "allow_later": allow_later,
            "weights_for": weights_for,
            "command": shlex.join(["deephits", *sys.argv[1:]]),
        }
        if (leaves_out or origins) and (distribute or cache != "none"):
            one = "--held-out" if leaves_out else "--origin"
            raise UserError(f"--distribute and --cache are for a single training: {one}")
        if leaves_out:
            _leave_one_out(corpus, run, division, options, as_json=as_json)
            return
        if origins:
            _rolling(corpus, run, origins, division, options, as_json=as_json)
            return
        require_free(run)
        plan = plan_training(corpus, run, split=division, **options)
        opened, config = plan.corpus, plan.choices.training
        for note in plan.notes:
            click.echo(f"note: {note}", err=True)

    distribution = _start_distribution(config, cache) if distribute else import_keras()
    if distribution and not distribution.worker.leads:
        distribution.wait()
        current = Run(run)
    elif not resume:
        current = plan.begin(jobs=jobs, engine=engine, scheduler=scheduler)
        if found := current.config.split.get("weights"):
            click.echo(
                f"note: weighted for {found['for']}, the "
                f"{current.config.split['sizes']['train']:,} training tracks count as much as "
                f"{found['effective_tracks']:,.0f} equal ones",
                err=True,
            )

    if distribution and distribution.worker.leads:
        distribution.wait()

    from deephits_keras.report.labels import show_metric

    def show(metrics: Any) -> None:
        member = f"{metrics['member']}  " if "member" in metrics else ""
        click.echo(
            f"{member}epoch {metrics['epoch']:>3} of {current.config.training.epochs}"
            f"  loss {show_metric('loss', metrics['loss'])}"
            f"  validation loss {show_metric('loss', metrics['validation_loss'])}"
            f"  macro-F1 {show_metric('macro_f1', metrics['validation_macro_f1'])}"
            f"  accuracy {show_metric('accuracy', metrics['validation_accuracy'])}"
            f"  {metrics['seconds']:.1f} s",
            err=as_json,
        )

    done = finish(current, opened, report=show, cache=cache, distribution=distribution)
    if distribution and not distribution.worker.leads:
        click.echo(f"Done: worker 0 writes {run}", err=as_json)
        return
    metrics = done.metrics
    if as_json:
        print_json({"run": str(run), **metrics})
        return
    for modality, columns in metrics.get("unseen_columns", {}).items():
        click.echo(f"Columns that training never saw ({modality}): {', '.join(columns)}")
    epochs = metrics.get("members") or {"": metrics["selected_epoch"]}
    kept = ", ".join(map(str, epochs.values()))
    limit = metrics.get("time_limit", {"ended_training": False})
    if limit["ended_training"]:
        click.echo(
            f"The time limit of {limit['minutes']:g} min ended the training after "
            f"{limit['epochs']} {'or more ' * (len(epochs) > 1)}of {limit['planned_epochs']} epochs"
        )
    trained = len(done.history["epoch"].unique()) if len(epochs) == 1 else 0
    if 0 < trained < current.config.training.epochs and not limit["ended_training"]:
        click.echo(
            f"Stopped after epoch {trained} of {current.config.training.epochs}: "
            f"{current.config.training.patience} epochs brought no better checkpoint (--patience)"
        )
    for part, found in metrics["parts"].items():
        click.echo(f"{part}: {_told(found, done.task)}")
    click.echo(f"Kept epoch{'s' * (len(epochs) > 1)} {kept}. Report: {run / REPORT}")
    for warning in metrics.get("warnings", []):
        click.echo(f"warning: {warning}")


def _told(found: Mapping[str, Mapping[str, float | None]], task: Task) -> str:
    """The main metrics of a part."""
    from deephits_keras.report.labels import metric_name, show_metric

    names = ("r2", "mae") if task.kind == "regression" else ("macro_f1", "accuracy")
    return ", ".join(f"{metric_name(n)} {show_metric(n, found[task.name][n])}" for n in names)


def _leave_one_out(
    corpus: Path, out: Path, division: dict[str, Any], options: dict[str, Any], *, as_json: bool
) -> None:
    """Train once per value of a column, each time on the other tracks."""
    from deephits_keras.training.series import plan_leave_one_out, train_plans

    if division["test"]:
        raise UserError("--split group defines its own test tracks: remove --test")
    by = division["by"]
    plans = plan_leave_one_out(corpus, out, by=by, validation=division["validation"], **options)
    for note in dict.fromkeys(note for plan in plans.values() for note in plan.notes):
        click.echo(f"note: {note}", err=True)
    import_keras()
    rows = train_plans(
        plans, out, tell=lambda value: click.echo(f"{by} {value} is held out", err=True)
    )
    if as_json:
        print_json({"out": str(out), "by": by, "rows": rows})
        return
    from deephits_keras.evaluation.groups import Grouping, GroupMetrics
    from deephits_keras.report.groups import group_table

    groups = tuple(GroupMetrics(row.name, row.tracks, row.metrics) for row in rows)
    table = group_table(f"held-out {by}", Grouping(groups))
    print_table(f"test tracks, whose {by} no training track has", table.columns, table.rows)
    click.echo(f"Runs: {out}")


def _rolling(
    corpus: Path,
    out: Path,
    origins: str,
    division: dict[str, Any],
    options: dict[str, Any],
    *,
    as_json: bool,
) -> None:
    """Train before each of several origins, with all modalities and with each alone."""
    first_years = years(origins)
    if division["kind"] != "rolling" or division["origin"] is not None:
        raise UserError("--origins is for --split rolling, in the place of --origin")
    asked = {name: value for name, value in division.items() if value is not None}
    if own := {"test", "since", "rehearsal", "by", "held_out", "fold"} & {
        name for name, value in asked.items() if value
    }:
        flags = ", ".join(f"--{name.replace('_', '-')}" for name in sorted(own))
        raise UserError(f"--origins trains on all songs before each year: remove {flags}")
    from deephits_keras.training.rolling import PAGE, plan_rolling, train_rolling

    plan = plan_rolling(
        corpus,
        out,
        origins=first_years,
        horizon=division["horizon"],
        validation=division["validation"],
        **options,
    )
    for note in plan.notes:
        click.echo(f"note: {note}", err=True)
    import_keras()
    rows = train_rolling(plan, tell=lambda name: click.echo(f"training before {name}", err=True))
    if as_json:
        print_json({"out": str(out), "rows": rows})
        return
    from deephits_keras.training.rolling_page import years_table

    columns, cells = years_table(rows)
    print_table("test songs of all origins", columns, cells)
    click.echo(f"Page: {out / PAGE}")


def _start_distribution(config: TrainingConfig, cache: str) -> Distribution:
    from deephits_keras.training.cluster import Worker, check_distributable

    check_distributable(config, cache)
    worker = Worker.from_environment()
    if worker.count > 1:
        click.echo(
            f"worker {worker.index} of {worker.count}: waiting for the other workers", err=True
        )

    def start() -> Distribution:
        from deephits_keras.training.distribution import Distribution

        return Distribution.start(worker)

    return import_keras(start)


def _refuse_changes(context: click.Context, settings: dict[str, dict[str, Any]]) -> None:
    """Refuse options that --resume would ignore: a resumed run keeps its own settings."""
    free = {"corpus", "run", "resume", "cache", "distribute", "jobs", "as_json"}
    changed = [
        option.opts[0]
        for option in context.command.params
        if option.name not in free and is_given(context, option)
    ]
    if changed or settings:
        names = ", ".join([*changed, *context.meta[FLAGS].values()])
        raise UserError(f"--resume uses the settings of the run; remove {names}")
