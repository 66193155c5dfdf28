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
    PATH,
    Command,
    EncoderCommand,
    get_fusion_settings,
    import_keras,
    json_option,
    print_json,
    print_table,
)
from deephits_keras.cli.train import train
from deephits_keras.errors import DeepHitsError, UserError
from deephits_keras.runs.training_config import TrainingConfig

DEEP, SHALLOW = ("5", "7", "A2", "beyond"), ("6", "A4", "A8", "A9")
DATASET = ("2", "4", "A1", "A3", "A5", "A6", "A7")
TABLES = (*DATASET, *DEEP, *SHALLOW)
PROTOCOLS = ("paper", "holdout", "artist")
FAMILIES = ("logistic", "mlp", "boosting")
PAPER_FUSION = {"name": "early", "head": "softmax", "dropout": 0.5}
SHARED = {"modalities", "fusion", "fusion_weights", "head", "dropout", "jobs"}


def training_options(command: Command) -> Command:
    """Add the options of `train` that say how a model is made, but for its task and seed."""
    training = {f.name for f in dataclasses.fields(TrainingConfig)} - {"seed"}
    for option in reversed([p for p in train.params if p.name in SHARED | training]):
        if isinstance(option, click.Option) and option.name in training | {"dropout"}:
            option = copy.copy(option)
            option.show_default = "as in the paper"
        command.__dict__.setdefault("__click_params__", []).append(option)
    return command


@click.command(cls=EncoderCommand)
@click.argument("corpus", type=PATH)
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
@training_options
@json_option
def reproduce(
    corpus: Path,
    out: Path,
    tables: tuple[str, ...],
    protocols: tuple[str, ...],
    seeds: int,
    families: tuple[str, ...],
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
    train shallow baselines; 5, 7, A2 and beyond train one deep model per variant, protocol and
    seed. The page OUT/reproduction.html shows all results in OUT. Run the same command again to
    continue after an interruption.

    \b
    Example:
      deephits reproduce corpus out --table 4 --table A3
      deephits reproduce corpus out --table 5 --seeds 5 --protocol paper --protocol holdout
      deephits reproduce corpus out --table all --protocol all --modalities mel,lyrics,meta
    """
    wanted = _chosen(tables, TABLES)
    from deephits_keras.corpus import Corpus
    from deephits_keras.features.extraction import corpus_encoders

    opened = Corpus.open(corpus)
    import_keras()
    from deephits_keras.reproduction.deep import Setup
    from deephits_keras.reproduction.page import Reproduction
    from deephits_keras.reproduction.run import compute

    setup = Setup(
        corpus=opened,
        out=out,
        encoders=corpus_encoders(opened, modalities, settings),
        training=TrainingConfig(**{k: v for k, v in training.items() if v is not None}),
        fusion={**PAPER_FUSION, **get_fusion_settings(fusion, fusion_weights, head, dropout)},
        command=shlex.join(["deephits", *sys.argv[1:]]),
    )
    failed = compute(
        setup,
        wanted,
        protocols=_expanded(protocols, PROTOCOLS),
        seeds=range(seeds),
        families=_expanded(families, FAMILIES),
        jobs=jobs,
    )
    found = Reproduction.from_setup(setup)
    page = found.write()
    if as_json:
        print_json({"page": str(page), "failed": failed, **found.to_json()})
    else:
        if opened.synthetic:
            click.echo("This corpus is SYNTHETIC: made up by `deephits sample`.\n")
        deep = not set(wanted).isdisjoint(DEEP)
        for table in found.tables:
            if table.number in wanted or (deep and not table.numbered):
                _show(table)
        click.echo(f"All tables and figures: {page}")
    if failed:
        first, reason = next(iter(failed.items()))
        raise DeepHitsError(f"{len(failed)} runs failed. The first: {first}: {reason}")


def _expanded(given: tuple[str, ...], known: tuple[str, ...]) -> tuple[str, ...]:
    return known if "all" in given else tuple(dict.fromkeys(given))


def _chosen(given: tuple[str, ...], known: tuple[str, ...]) -> tuple[str, ...]:
    """The tables named, separated by commas or given one by one; case is ignored.

    Raises:
        UserError: if there is no such table.
    """
    spelt = {name.casefold(): name for name in known}
    names = [name.strip().casefold() for words in given for name in words.split(",")]
    if "all" in names:
        return known
    if unknown := [name for name in names if name not in spelt]:
        raise UserError(f"There is no table {unknown[0]!r} to compute. Tables: {', '.join(known)}")
    same = {"A4": "6", "A5": "4"}
    return tuple(dict.fromkeys(same.get(spelt[name], spelt[name]) for name in names))


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
