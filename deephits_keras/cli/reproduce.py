"""`deephits reproduce`: the paper's tables and figures on a corpus."""

from __future__ import annotations

import copy
import dataclasses
import shlex
import sys
from pathlib import Path
from typing import Any

import click

from deephits_keras.cli.common import (
    Command,
    EncoderCommand,
    get_fusion_settings,
    import_keras,
    json_option,
    print_json,
    print_table,
)
from deephits_keras.cli.paths import CORPUS, PATH
from deephits_keras.cli.train import train
from deephits_keras.cli.training_options import years
from deephits_keras.recipes.choices import left_out_notes
from deephits_keras.reproduction.choices import DEEP, FAMILIES, TABLES
from deephits_keras.reproduction.protocols import PROTOCOLS
from deephits_keras.runs.training_config import TrainingConfig

SHARED = {"modalities", "fusion", "fusion_weights", "head", "dropout", "jobs"}

PAPERS = {"fusion", "head", "dropout"}
"""Those of them that the paper sets, as it does the training."""


def training_options(command: Command) -> Command:
    """Add the options of `train` that say how a model is made, but for its task and seed."""
    training = {f.name for f in dataclasses.fields(TrainingConfig)} - {"seed"}
    for option in reversed([p for p in train.params if p.name in SHARED | training]):
        if isinstance(option, click.Option) and option.name in training | PAPERS:
            option = copy.copy(option)
            option.show_default = "as in the paper"
        command.__dict__.setdefault("__click_params__", []).append(option)
    return command


@click.command(cls=EncoderCommand, short_help="Compute the paper's tables and figures on a corpus.")
@click.argument("corpus", type=CORPUS)
@click.argument("out", type=PATH)
@click.option(
    "--table",
    "tables",
    multiple=True,
    default=("all",),
    show_default=True,
    metavar="N",
    help=f"Table to compute, or all; may be repeated. Tables: {', '.join(TABLES)}.",
)
@click.option(
    "--protocol",
    "protocols",
    multiple=True,
    default=("paper",),
    show_default=True,
    type=click.Choice([*PROTOCOLS, "all"]),
    help="How test tracks are chosen for the deep models; may be repeated.",
)
@click.option(
    "--seeds",
    default=5,
    show_default=True,
    type=click.IntRange(min=1),
    help="Number of random seeds (0, 1, ...); each gives a split and an initial model.",
)
@click.option(
    "--family",
    "families",
    multiple=True,
    default=("logistic",),
    show_default=True,
    type=click.Choice([*FAMILIES, "all"]),
    help="Classifier of the shallow baselines; may be repeated.",
)
@click.option(
    "--origins", metavar="YEARS", help="For --table rolling: first test years, separated by commas."
)
@click.option(
    "--horizon", default=5, show_default=True, help="For --table rolling: number of test years."
)
@training_options
@json_option
def reproduce(
    corpus: Path,
    out: Path,
    tables: tuple[str, ...],
    protocols: tuple[str, ...],
    seeds: int,
    families: tuple[str, ...],
    origins: str | None,
    horizon: int,
    modalities: str | None,
    fusion: str | None,
    fusion_weights: str | None,
    head: str | None,
    dropout: float | None,
    jobs: int,
    as_json: bool,
    settings: dict[str, dict[str, Any]],
    **training: Any,
) -> None:
    """Compute the paper's tables and figures on CORPUS and compare them with the published ones.

    Tables 2, 4, A1, A3, A5, A6 and A7 describe the dataset and take seconds; 6, A4, A8 and A9
    train shallow baselines; 5, 7, A2 and beyond (settings that the paper doesn't have) train one
    deep model per variant, protocol and seed; rolling trains before each of --origins. The page
    OUT/reproduction.html shows all results in OUT. Run the same command again to continue after
    an interruption.

    \b
    Example:
      deephits reproduce corpus out --table 4 --table A3
      deephits reproduce corpus out --table 5 --seeds 5 --protocol paper --protocol holdout
      deephits reproduce corpus out --table all --protocol all --modalities mel,lyrics,meta
      deephits reproduce corpus out --table rolling --origins 2005,2010,2015
    """
    from deephits_keras.reproduction.workflow import plan_reproduction, require_all

    plan = plan_reproduction(
        corpus,
        out,
        tables=tables,
        protocols=protocols,
        seeds=seeds,
        families=families,
        modalities=modalities,
        settings=settings,
        fusion=get_fusion_settings(fusion, fusion_weights, head, dropout),
        training={k: v for k, v in training.items() if v is not None},
        origins=years(origins) if origins else (),
        horizon=horizon,
        command=shlex.join(["deephits", *sys.argv[1:]]),
    )
    for note in left_out_notes(plan.left_out):
        click.echo(f"note: {note}", err=True)
    found, failed = plan.carry_out(jobs=jobs, prepare=import_keras)
    if as_json:
        print_json({"page": str(found.page), "failed": dict(failed), **found.to_json()})
    else:
        if plan.corpus.synthetic:
            click.echo("This corpus is SYNTHETIC: made up by `deephits sample`.\n")
        deep = not set(plan.tables).isdisjoint(DEEP)
        for table in found.tables:
            if table.number in plan.tables or (deep and not table.numbered):
                _show(table)
        click.echo(f"All tables and figures: {found.page}")
    require_all(failed)


def _show(table: Any) -> None:
    shown = table.shown()
    before = ["", *(name for name, _, _ in shown)]
    lines = [
        ("" if name == last else name, source, *values)
        for last, (name, source, values) in zip(before, shown, strict=False)
    ]
    print_table(
        table.caption, ("", "source", *(c.name for c in table.columns)), lines, text_columns=2
    )
    for note in table.notes:
        click.echo(note)
    click.echo()
