"""`deephits extract`: from a corpus to its features."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from deephits_keras.cli.common import (
    EncoderCommand,
    engine_options,
    import_keras,
    jobs_option,
    json_option,
    modalities_option,
    print_json,
    print_table,
)
from deephits_keras.cli.paths import CORPUS
from deephits_keras.encoders.inputs import inputs_of, names_of
from deephits_keras.recipes import DEFAULT, choose
from deephits_keras.recipes.choices import left_out_notes

if TYPE_CHECKING:
    from deephits_keras.corpus.table import Corpus
    from deephits_keras.encoders.registry import AnyEncoder

COLUMNS = ("modality", "encoder", "fingerprint", "present", "missing", "failed", "extracted")


@click.command(cls=EncoderCommand, short_help="Extract the features of every track of a corpus.")
@click.argument("corpus", type=CORPUS)
@click.option(
    "--recipe",
    default=DEFAULT,
    show_default=True,
    help="Recipe that is to be trained: it selects the encoders, as in `deephits train`.",
)
@modalities_option
@jobs_option
@engine_options
@click.option(
    "--retry-failed",
    is_flag=True,
    help="Also extract the tracks that failed before, for example after a network error.",
)
@click.option(
    "--check-content",
    is_flag=True,
    help="Compare the content of input files with the features, not only size and time.",
)
@json_option
def extract(
    corpus: Path,
    recipe: str,
    modalities: str | None,
    jobs: int,
    engine: str,
    scheduler: str | None,
    retry_failed: bool,
    check_content: bool,
    as_json: bool,
    settings: dict[str, dict[str, Any]],
) -> None:
    """Extract the features of every track of CORPUS that `deephits train` would train on.

    By default those of the recipe `default`; --recipe and --modalities select others, as for
    `train`.

    Only missing, damaged or outdated features are computed, so run the same command again to
    continue after an interruption. Features are outdated if an input of their encoder changed; a
    file counts as changed if its size or modification time did. Tracks that fail are counted, and
    listed with the reason in rejected.csv.

    \b
    Example:
      deephits extract corpus
      deephits extract corpus --recipe paper
      deephits extract corpus --modalities mel,meta --mel-frames 128 --jobs 4
      deephits extract corpus --engine dask --scheduler tcp://10.0.0.5:8786
    """
    chosen = choose(recipe, modalities=modalities, settings=settings)
    chosen.check_modalities()
    from deephits_keras.corpus.table import Corpus
    from deephits_keras.recipes.extraction import extract_with

    opened = Corpus.open(corpus)
    encoders, absent = chosen.select(opened)
    for note in left_out_notes(absent):
        click.echo(f"note: {note}", err=True)
    if not all(encoder.parallel for encoder in encoders.values()):
        # An encoder that isn't parallel runs a network in this process.
        import_keras()
    done = extract_with(
        opened,
        encoders,
        jobs=jobs,
        engine=engine,
        scheduler=scheduler,
        retry_failed=retry_failed,
        check_content=check_content,
    )
    summaries = done.summaries.values()
    if as_json:
        print_json(list(summaries))
    else:
        print_table(
            f"Features of {corpus}",
            (*COLUMNS, "seconds"),
            ((*(getattr(s, column) for column in COLUMNS), f"{s.seconds:.1f}") for s in summaries),
            text_columns=3,
        )
        for s in summaries:
            if not s.present:
                click.echo(f"No track of this corpus has the modality {s.modality}.")
                for name in _not_imported(opened, encoders[s.modality]):
                    click.echo(f"It reads {name} files: import with --input-dir {name}=FOLDER")
            if s.failed:
                click.echo(f"{s.modality}: {s.failed} failed, see {s.rejected}")
    done.require_usable()


def _not_imported(corpus: Corpus, encoder: AnyEncoder) -> list[str]:
    """Names of the file inputs of an encoder that the corpus lacks."""
    return [name for name in names_of(inputs_of(encoder) or (), "file") if name not in corpus.files]
