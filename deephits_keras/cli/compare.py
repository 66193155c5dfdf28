"""`deephits compare`: recipes side by side on a corpus."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Any

import click

from deephits_keras.cli.common import (
    EncoderCommand,
    import_keras,
    json_option,
    print_json,
    print_table,
)
from deephits_keras.cli.paths import CORPUS, PATH

PROTOCOLS = ("random", "artist", "date")


@click.command(
    cls=EncoderCommand, short_help="Train every recipe on the same splits, and rank them."
)
@click.argument("corpus", type=CORPUS)
@click.argument("out", type=PATH)
@click.option(
    "--recipes",
    "wanted",
    default="all",
    show_default=True,
    metavar="R,...",
    help="Recipes to train, or all; the baselines majority and boosting are always included.",
)
@click.option(
    "--seeds",
    default=5,
    show_default=True,
    type=click.IntRange(min=1),
    help="Number of random seeds (0, 1, ...); each gives a split and an initial model.",
)
@click.option(
    "--protocol",
    "protocols",
    default="artist",
    show_default=True,
    metavar="P,...",
    help=f"How test tracks are chosen: {', '.join(PROTOCOLS)}.",
)
@click.option(
    "--task",
    "tasks",
    default="tiers-3",
    show_default=True,
    metavar="T,...",
    help="Targets: tiers-3, tiers-5, tiers-10, regression or hit-N (popularity N or more).",
)
@click.option(
    "--controls",
    default=1,
    show_default=True,
    type=click.IntRange(min=0),
    help="Number of seeds that are also trained on shuffled popularity, to detect leaks.",
)
@click.option(
    "--epochs",
    type=click.IntRange(min=1),
    help="Number of epochs for every recipe, for a quick try.  [default: set by the recipe]",
)
@click.option(
    "--post-release",
    default="",
    metavar="COLUMN,...",
    help="Columns known only after a song's release; recipes that read one are skipped.",
)
@click.option(
    "--jobs", default=-1, show_default=True, help="Number of worker processes; -1: one per core."
)
@json_option
def compare(
    corpus: Path,
    out: Path,
    wanted: str,
    seeds: int,
    protocols: str,
    tasks: str,
    controls: int,
    epochs: int | None,
    post_release: str,
    jobs: int,
    as_json: bool,
    settings: dict[str, dict[str, Any]],
) -> None:
    """Train every recipe on the same splits of CORPUS, and write the leaderboard to OUT.

    A recipe whose required inputs the corpus lacks is skipped, and the reason is shown; optional
    inputs are left out. Run the same command again to continue after an interruption, or with
    more seeds, protocols, tasks or recipes to add them.

    \b
    Example:
      deephits compare corpus out --recipes all --seeds 5 --protocol artist,date
      deephits compare corpus out --recipes paper,hitmusicnet --task tiers-3,regression
    """
    from deephits_keras.comparison.workflow import finish, plan_comparison, require_all

    plan = plan_comparison(
        corpus,
        out,
        recipes=_words(wanted),
        seeds=seeds,
        protocols=_words(protocols),
        tasks=_words(tasks),
        controls=controls,
        epochs=epochs,
        post_release=_words(post_release),
        settings=settings,
        command=shlex.join(["deephits", *sys.argv[1:]]),
    )
    import_keras()
    from deephits_keras.comparison.leaderboard import show_measured
    from deephits_keras.report.labels import metric_name

    found, outcome = finish(plan, jobs=jobs)
    if as_json:
        print_json({"page": str(found.page), **found.to_json()})
    else:
        for board in found.boards:
            print_table(
                f"{board.task}, {board.protocol}: {board.meaning}",
                ("recipe", *map(metric_name, board.metrics), "seconds", "on"),
                (
                    (
                        line.recipe,
                        *(show_measured(line.metrics[name], name) for name in board.metrics),
                        f"{line.seconds:.1f}",
                        line.modalities,
                    )
                    for line in board.lines
                ),
            )
            for note in found.not_apart(board):
                click.echo(note)
        for name, reason in outcome.left_out.items():
            click.echo(f"{name} is skipped: {reason}")
        for warning in found.warnings:
            click.echo(warning)
        for name, owners in outcome.without_effect.items():
            click.echo(f"{name} doesn't use the given settings of {', '.join(owners)}")
        click.echo(f"Leaderboard: {found.page}")
    require_all(found, outcome)


def _words(text: str) -> list[str]:
    return list(dict.fromkeys(word.strip() for word in text.split(",") if word.strip()))
