"""`deephits evaluate`: a run's metrics, on its own corpus or on another."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from deephits_keras.cli.common import (
    PATH,
    EncoderCommand,
    import_keras,
    jobs_option,
    json_option,
    print_json,
    print_table,
)
from deephits_keras.errors import UserError


@click.command(cls=EncoderCommand)
@click.argument("run", type=PATH)
@click.option("--corpus", type=PATH, help="Another corpus: all of its tracks are scored.")
@click.option("--part", help="A part of the run's split: train, validation or test.")
@jobs_option
@json_option
def evaluate(
    run: Path,
    corpus: Path | None,
    part: str | None,
    jobs: int,
    as_json: bool,
    settings: dict[str, dict[str, Any]],
) -> None:
    """Compute a run's metrics again (paper, Section 2.2.3).

    Without --corpus, on the held-out parts of the run's own corpus; they equal metrics.json.

    \b
    Example:
      deephits evaluate run --part validation
      deephits evaluate run --corpus another-corpus --json
    """
    if corpus and part:
        raise UserError("--part is a part of the run's own corpus: leave out --corpus")

    import_keras()
    from deephits_keras.corpus import Corpus, Split
    from deephits_keras.features.extraction import extract_features
    from deephits_keras.features.store import FeatureStore
    from deephits_keras.runs.run import Run

    opened = Run(run, settings)
    tracks = Corpus.open(corpus or Path(opened.config.corpus["folder"]))
    if corpus:
        parts: dict[str, Any] = {"all": range(len(tracks))}
        for encoder in opened.encoders.values():
            extract_features(tracks, encoder, jobs=jobs)
    else:
        if tracks.fingerprint != opened.config.corpus["fingerprint"]:
            raise UserError(
                f"{tracks.folder} was imported again with other tracks since {run} was made: "
                f"its split no longer applies. Score all of it with --corpus {tracks.folder}"
            )
        parts = dict(Split.from_parquet(run / "split.parquet", len(tracks)).parts)
        if part and part not in parts:
            raise UserError(f"The run's split has no part {part!r}. Parts: {', '.join(parts)}")
        parts = {name: rows for name, rows in parts.items() if name == (part or name)}
        if part is None:
            del parts["train"]

    from deephits_keras.training.scoring import score_rows

    stores = {m: FeatureStore.open(tracks, e) for m, e in opened.encoders.items()}
    metrics = {
        name: score_rows(opened.model, opened.task, stores, tracks, rows).metrics(
            opened.calibration
        )
        for name, rows in parts.items()
    }
    if as_json:
        print_json({"run": str(run), "corpus": str(tracks.folder), "parts": metrics})
        return
    for name, of_part in metrics.items():
        for tiers, values in of_part.items():
            print_table(
                f"{name}: {tiers}",
                ("metric", "value"),
                ((k, "-" if v is None else f"{v:.4f}") for k, v in values.items()),
            )
