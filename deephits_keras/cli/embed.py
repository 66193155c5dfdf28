"""`deephits embed`: embeddings of songs, of a run or an encoder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from deephits_keras.cli.common import (
    EncoderCommand,
    engine_options,
    folders_of,
    import_keras,
    input_dir_option,
    jobs_option,
    pairs,
    paths,
    song_options,
)
from deephits_keras.cli.paths import CORPUS, PATH, TABLE


@click.command(cls=EncoderCommand, short_help="Write embeddings of songs to a Parquet file.")
@click.argument("model", metavar="RUN|ENCODER")
@song_options
@click.option("--table", type=TABLE, help="Table of songs, as `import table` reads it.")
@click.option("--corpus", type=CORPUS, help="Corpus of songs whose features are extracted.")
@input_dir_option
@click.option("--out", type=PATH, required=True, help="Parquet file to write.")
@jobs_option
@engine_options
def embed(
    model: str,
    audio: Path | None,
    lyrics: Path | None,
    inputs: tuple[str, ...],
    fields: tuple[str, ...],
    table: Path | None,
    corpus: Path | None,
    folders: tuple[str, ...],
    out: Path,
    jobs: int,
    engine: str,
    scheduler: str | None,
    settings: dict[str, dict[str, Any]],
) -> None:
    """Write embeddings of a song, of every song in a table, or of a corpus to a Parquet file.

    A run gives the embedding of each modality's branch and `fused`, that of its fusion. An encoder
    alone, or the default encoder of a modality, gives its features, if they are vectors. Songs are
    given as for `deephits predict`; interrupted work is continued by the same command.

    \b
    Example:
      deephits embed run --table songs.csv --out embeddings.parquet
      deephits embed run --corpus corpus --out embeddings.parquet
      deephits embed lyrics --table songs.csv --out lyrics.parquet
    """
    from deephits_keras.prediction.embedding import plan_embedding, require_parquet

    require_parquet(out)
    plan = plan_embedding(
        model,
        () if audio is None else audio,
        lyrics=lyrics,
        inputs=paths(inputs, "--input"),
        fields=dict(pairs(fields, "--set")),
        table=table,
        corpus=corpus,
        folders=folders_of(folders, "--input-dir"),
        jobs=jobs,
        engine=engine,
        scheduler=scheduler,
        settings=settings,
    )
    for note in plan.notes:
        click.echo(note, err=True)
    if plan.needs_keras:
        import_keras()
    count, restarted = plan.write(out)
    sizes = ", ".join(f"{name} ({size})" for name, size in plan.sizes.items())
    click.echo(f"{count} songs, {sizes}: {out}")
    for note in (*([restarted] if restarted else ()), *plan.song_notes):
        click.echo(f"note: {note}", err=True)
