"""`deephits predict`: score one song or a table of songs."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from deephits_keras.cli.common import (
    EncoderCommand,
    engine_options,
    folders_of,
    import_keras,
    input_dir_option,
    jobs_option,
    json_option,
    pairs,
    paths,
    print_json,
    print_table,
    require_keras,
    song_options,
)
from deephits_keras.cli.paths import CORPUS, PATH, RUN_OR_BUNDLE, TABLE
from deephits_keras.errors import UserError
from deephits_keras.utils.records import to_plain

if TYPE_CHECKING:
    from deephits_keras.prediction.predictor import TrackPrediction
    from deephits_keras.prediction.workflow import PredictionPlan
    from deephits_keras.runs.scorer import Scorer


@click.command(cls=EncoderCommand)
@click.argument("run", type=RUN_OR_BUNDLE, metavar="RUN|BUNDLE")
@song_options
@click.option(
    "--descriptors",
    metavar="ENCODER",
    help="Encoder or modality that measures, from the recording, the fields that aren't given.",
)
@click.option(
    "--also",
    type=PATH,
    multiple=True,
    metavar="RUN",
    help="Also predict with this run and show both predictions; may be repeated.",
)
@click.option(
    "--table",
    type=TABLE,
    help="Table of songs, as `import table` reads it: one prediction per row.",
)
@click.option(
    "--corpus",
    type=CORPUS,
    help="Corpus of songs whose features are extracted: one prediction per track, nothing decoded.",
)
@input_dir_option
@click.option("--audio-dir", type=PATH, hidden=True)
@click.option(
    "--out",
    type=PATH,
    help="With --table or --corpus: write the predictions to this file instead of printing them: "
    "CSV, JSON lines or Parquet by its ending (.csv, .jsonl, .parquet).",
)
@jobs_option
@engine_options
@json_option
def predict(
    run: Path,
    audio: Path | None,
    lyrics: Path | None,
    inputs: tuple[str, ...],
    fields: tuple[str, ...],
    descriptors: str | None,
    also: tuple[Path, ...],
    table: Path | None,
    corpus: Path | None,
    folders: tuple[str, ...],
    audio_dir: Path | None,
    out: Path | None,
    jobs: int,
    engine: str,
    scheduler: str | None,
    as_json: bool,
    settings: dict[str, dict[str, Any]],
) -> None:
    """Predict the popularity of a song, or of every song in a table or a corpus.

    Any input may be left out; the output lists what was missing. With --table, the columns
    track_id, audio and lyrics are inputs, as are columns of other files or texts that an encoder
    of the run reads; every other column is a metadata field. With --descriptors, fields that
    aren't given are measured, for example from the recording.

    The features of a table are extracted in --jobs worker processes, or on a cluster, while the
    model predicts. If that is interrupted, the same command with --out continues. --corpus uses the
    features that `deephits extract` stored.

    \b
    Example:
      deephits predict run song.mp3 --lyrics song.txt --set artist_popularity=63
      deephits predict run song.mp3 --input cover=front.jpg
      deephits predict run song.mp3 --descriptors essentia --set artist_popularity=63
      deephits predict run song.mp3 --also run-of-other-modalities
      deephits predict bundle song.mp3
      deephits predict run --table songs.csv --out predictions.csv
      deephits predict run --table songs.parquet --jobs 8 --out scores.parquet
      deephits predict run --corpus corpus --out scores.parquet
    """
    if (table or corpus) and also:
        raise UserError("--also can't be used with --table or --corpus")
    if out and not (table or corpus):
        raise UserError("--out is where the predictions of --table or --corpus go")
    starts = {"audio": audio_dir} if audio_dir is not None else {}
    starts |= folders_of(folders, "--input-dir")
    from deephits_keras.prediction.answers import format_of
    from deephits_keras.prediction.workflow import plan_prediction

    if out:
        format_of(out, ())
    plan = plan_prediction(
        (run, *also),
        () if audio is None else audio,
        lyrics=lyrics,
        inputs=paths(inputs, "--input"),
        fields=dict(pairs(fields, "--set")),
        table=table,
        corpus=corpus,
        folders=starts,
        descriptors=descriptors,
        jobs=jobs,
        engine=engine,
        scheduler=scheduler,
        settings=settings,
    )
    for note in plan.notes:
        click.echo(note, err=True)
    if plan.needs_keras and plan.extracts_without_keras:
        require_keras()
        plan = dataclasses.replace(plan, prepare=import_keras)
    elif plan.needs_keras:
        import_keras()
    if not plan.tracks:
        _predict_all(plan, out, as_json=as_json)
        return
    answers = [(m, of[0]) for m, of in zip(plan.models, plan.answers(), strict=True)]
    if as_json:
        records = [_record(*answer) for answer in answers]
        print_json(
            [_who(r) | v for (r, _), v in zip(answers, records, strict=True)]
            if also
            else records[0]
        )
    elif also:
        _print_side_by_side(answers)
    else:
        _print(answers[0][1])
    if not as_json and any(r.synthetic for r, _ in answers):
        which = "A model here" if also else "This model"
        click.echo(f"{which} was trained on a synthetic corpus: it knows no real music.")
    if all(prediction.popularity is None for _, prediction in answers):
        raise click.exceptions.Exit(1)


def _record(run: Scorer, prediction: TrackPrediction) -> dict[str, Any]:
    return {**to_plain(prediction), "synthetic": run.synthetic}


def _who(run: Scorer) -> dict[str, Any]:
    return {"run": str(run.folder), "modalities": list(run.config.modalities)}


def _print_side_by_side(answers: Sequence[tuple[Scorer, TrackPrediction]]) -> None:
    from deephits_keras.features.seen import unseen_notes

    rows = []
    covered = any(p.coverage is not None for _, p in answers)
    for run, p in answers:
        parts = (
            f"{modality}: {', '.join(lacking)}" for modality, lacking in p.missing_parts.items()
        )
        popularity = "-" if p.popularity is None else f"{p.popularity:.1f}"
        tier = "-" if p.tier is None else f"{p.tier} ({p.tier_label})"
        missing = "; ".join((*p.missing, *parts))
        region = [_region(p)] * covered
        names = ", ".join(run.config.modalities)
        rows.append((run.folder, names, missing, popularity, tier, *region))
    columns = ("run", "modalities", "missing", "popularity", "tier", *["covered"] * covered)
    print_table(answers[0][1].track_id, columns, rows, text_columns=3)
    for run, p in answers:
        warnings = (*unseen_notes(p.unseen), *p.warnings)
        for what, sayings in (("warning", warnings), ("remark", p.remarks)):
            for saying in sayings:
                click.echo(f"{what:<12} {run.folder}: {saying}")
    for line in dict.fromkeys(line for _, p in answers for line in _field_lines(p)):
        click.echo(line)


def _print(prediction: TrackPrediction) -> None:
    from deephits_keras.features.seen import unseen_notes

    click.echo(f"track        {prediction.track_id}")
    if prediction.popularity is not None:
        click.echo(f"popularity   {prediction.popularity:.1f} of 100")
        click.echo(f"tier         {prediction.tier} ({prediction.tier_label})")
    if prediction.coverage is not None:
        click.echo(f"{'interval' if prediction.interval else 'tiers':<12} {_region(prediction)}")
    for label, score in prediction.scores.items():
        click.echo(f"  {label:>7}  {score:6.3f}  {'#' * round(40 * score)}")
    if prediction.missing:
        click.echo(f"missing      {', '.join(prediction.missing)}")
    for modality, parts in prediction.missing_parts.items():
        click.echo(f"missing      {modality}: {', '.join(parts)}")
    for warning in (*unseen_notes(prediction.unseen), *prediction.warnings):
        click.echo(f"warning      {warning}")
    for remark in prediction.remarks:
        click.echo(f"remark       {remark}")
    for line in _field_lines(prediction):
        click.echo(line)


def _region(prediction: TrackPrediction) -> str:
    """`25-65, 65-100 (90% coverage)`, or the ends of the interval; a dash without either."""
    if prediction.coverage is None:
        return "-"
    ends = "-".join(f"{end:.1f}" for end in prediction.interval or ())
    return f"{ends or ', '.join(prediction.tier_set)} ({100 * prediction.coverage:g}% coverage)"


def _field_lines(prediction: TrackPrediction) -> Iterator[str]:
    for name, origin in prediction.fields.items():
        shown = f"{origin.value:.6g}" if isinstance(origin.value, float) else origin.value
        yield f"field        {name} = {shown} ({origin.source})"


def _predict_all(plan: PredictionPlan, out: Path | None, *, as_json: bool) -> None:
    import sys

    from deephits_keras.prediction.answers import CsvFormat, JsonFormat
    from deephits_keras.prediction.workflow import tier_labels

    notes: list[str] = []
    if out is not None:
        count, restarted = plan.write(out)
        click.echo(f"{count} predictions: {out}", err=as_json)
        notes += [restarted] * bool(restarted)
    else:
        form = JsonFormat() if as_json else CsvFormat(tier_labels(plan.models[0]))
        if isinstance(form, CsvFormat):
            form.header(sys.stdout)
        for answers in plan.stream():
            form.lines(answers, sys.stdout)
    for note in (*notes, *plan.song_notes):
        click.echo(f"note: {note}", err=True)
