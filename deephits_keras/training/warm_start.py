"""`train --from RUN`: what must agree with the earlier run, and which tracks it was trained on.

Nothing here needs Keras; `training.warm_model` has the model.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deephits_keras.choices import SPLIT_ARGUMENTS
from deephits_keras.errors import UserError
from deephits_keras.recipes import DEFAULT
from deephits_keras.recipes.choices import Choices
from deephits_keras.recipes.quality import GOOD, quality_settings
from deephits_keras.runs.files import MODEL, SPLIT, TREES
from deephits_keras.runs.run import Run
from deephits_keras.runs.start import BY_IDS, BY_ROWS, BY_SONGS, NOT_COMPARED, Start
from deephits_keras.runs.training_config import TrainingConfig
from deephits_keras.utils.files import sha256
from deephits_keras.utils.records import to_plain
from deephits_keras.utils.suggestions import suggestion

if TYPE_CHECKING:
    from deephits_keras.corpus.splits import Split
    from deephits_keras.corpus.table import Corpus
    from deephits_keras.types import BoolArray

CERTAINTY = (BY_ROWS, BY_IDS, BY_SONGS, NOT_COMPARED)
"""Ways to compare tracks, the most certain first."""


@dataclass(frozen=True)
class WarmStart:
    """A finished run to start from.

    Attributes:
        run: The run.
        freeze: Modalities whose branches aren't trained.
        allow_seen: Whether held-out tracks may be training tracks of the run.
    """

    run: Run
    freeze: tuple[str, ...] = ()
    allow_seen: bool = False

    @classmethod
    def open(
        cls,
        run: str | Path | Run,
        *,
        freeze: str | Sequence[str] = (),
        settings: Mapping[str, Mapping[str, Any]] | None = None,
        allow_seen: bool = False,
    ) -> WarmStart:
        """Open a run to start from.

        Args:
            run: The run, or its folder.
            freeze: Modalities, as a sequence or separated by commas.
            settings: Settings of encoders that are asked for; only paths may differ.
            allow_seen: See above.

        Raises:
            UserError: if it isn't a finished run of one model, or lacks a modality of `freeze`.
        """
        settings = {name: dict(values) for name, values in (settings or {}).items() if values}
        run = Run(run.folder if isinstance(run, Run) else run, settings)
        if not run.finished:
            raise UserError(f"{run.folder} isn't finished: continue it with --resume first")
        if run.config.members:
            raise UserError(
                f"{run.folder} is an ensemble of {len(run.config.members)} models, and a training "
                f"starts from one: --from {run.folder / next(iter(run.config.members))}"
            )
        words = freeze.split(",") if isinstance(freeze, str) else freeze
        names = tuple(dict.fromkeys(word.strip() for word in words if word.strip()))
        for name in names:
            if name not in run.config.modalities:
                raise UserError(
                    f"{run.folder} has no modality {name!r} that could be frozen"
                    f"{suggestion(name, run.config.modalities)}. It has: "
                    f"{', '.join(run.config.modalities)}"
                )
        return cls(run, names, allow_seen)

    def choices(
        self,
        *,
        recipe: str = DEFAULT,
        modalities: str | None = None,
        fusion: Mapping[str, Any] | None = None,
        training: Mapping[str, Any] | None = None,
        task: str | None = None,
        quality: str = GOOD,
    ) -> Choices:
        """The run's settings, with those of the training overridden.

        Raises:
            UserError: if another model is asked for; the message names each difference.
        """
        config = self.run.config
        given = {} if recipe == DEFAULT else {"recipe": (config.recipe.get("name"), recipe)}
        if task:
            given["task"] = (config.task, task)
        for name, value in (fusion or {}).items():
            given["fusion" if name == "name" else name] = (config.fusion.get(name), value)
        differences = [
            f"{name} is {of_run}, not {asked}"
            for name, (of_run, asked) in given.items()
            if of_run != asked
        ]
        differences += _other_modalities(self.run, modalities)
        differences += _other_settings(self.run)
        if differences:
            raise UserError(
                f"A training from {self.run.folder} continues its model, and other settings need "
                f"another one. In that run {'; '.join(differences)}. Remove these options, or "
                "train without --from"
            )
        asked = {**dict(training or {}), **({"quality": quality} if quality != GOOD else {})}
        # A limit of time is one training's, and trees can't be trained further: on the new songs
        # alone they would forget the others.
        own = {**to_plain(config.training), "time_limit": 0.0, "with_boosting": False}
        changed = quality_settings(quality, own)
        return Choices(
            modalities=",".join(f"{m}={r.encoder}" for m, r in config.modalities.items()),
            settings=dict(self.run.settings),  # type: ignore[arg-type]
            defaults={r.encoder: r.config for r in config.modalities.values()},
            fusion=dict(config.fusion),
            training=TrainingConfig.from_settings({**own, **changed, **(training or {})}),
            task=config.task,
            record={**config.recipe, "options": asked} if config.recipe else {},
        )

    def notes(self, training: TrainingConfig) -> tuple[str, ...]:
        """What the new run, of a training like this, leaves out of the earlier one."""
        if training.with_boosting or not (self.run.folder / TREES).exists():
            return ()
        return (
            f"the boosted trees of {self.run.folder} are left out, as they can't be trained "
            "further: --with-boosting fits new ones",
        )

    def record(self, corpus: Corpus, split: Split) -> Start:
        """What the new run records of its start.

        Args:
            corpus: The corpus of the new run.
            split: Its split.

        Raises:
            UserError: if held-out tracks are training tracks of the earlier run and `allow_seen`
                isn't set, or a run before it is gone.
        """
        trained, way = trained_rows(self.run, corpus, require_all=not self.allow_seen)
        held_out = {part: rows for part, rows in split.parts.items() if part != "train"}
        seen = {part: int(trained[rows].sum()) for part, rows in held_out.items()}
        if any(seen.values()) and not self.allow_seen:
            counts = " and ".join(
                f"{count:,} of {len(held_out[part]):,} {part} tracks"
                for part, count in seen.items()
                if count
            )
            told = self.run.config.split
            arguments = [(name, told.get(name)) for name in (*SPLIT_ARGUMENTS, "seed")]
            own = " ".join(
                f"--{name.replace('_', '-')} {value}"
                for name, value in [("split", told["kind"]), *arguments]
                if value is not None
            )
            later = "hold out tracks that it can't have seen, such as later ones (--split rolling)"
            if split.kind == "rolling" and not seen.get("test"):
                later = (
                    "let the validation tracks, the newest before --origin, be later than its "
                    "training tracks: a smaller --validation, or --since"
                )
            raise UserError(
                f"{counts} are training tracks of {self.run.folder} or of a run before it "
                f"(compared by {way}): metrics on them would be too good. On its corpus use its "
                f"split again ({own}, and the same fractions), or {later}. --allow-seen-tracks "
                "trains anyway, and the report says so"
            )
        anew = [m for m, e in self.run.encoders.items() if e.learns_popularity]
        return Start(
            run=str(self.run.folder.resolve()),
            checksum=sha256(self.run.folder / MODEL),
            frozen=self.freeze,
            kept=tuple(m for m in self.run.config.modalities if m not in anew),
            fitted=tuple(anew),
            unseen_columns=self.run.unseen_columns,
            seen=seen,
            compared_by=way,
        )


def _other_modalities(run: Run, asked: str | None) -> Iterator[str]:
    if not asked:
        return
    pairs = [word.partition("=") for word in asked.split(",")]
    words = {modality.strip(): encoder.strip() for modality, _, encoder in pairs}
    if set(words) != set(run.config.modalities):
        yield f"the modalities are {', '.join(run.config.modalities)}, not {', '.join(words)}"
        return
    for modality, encoder in words.items():
        own = run.config.modalities[modality].encoder
        if encoder and encoder != own:
            yield f"the encoder of {modality} is {own}, not {encoder}"


def _other_settings(run: Run) -> Iterator[str]:
    for modality, record in run.config.modalities.items():
        encoder = run.encoders[modality]
        # A path may be another one with the same content, or with newer values.
        alike = encoder.made_as(record.config, record.fingerprint)
        paths = encoder.config.paths() if alike else ()
        own = {**encoder.Config().to_json(), **record.config}
        for name, value in encoder.get_config().items():
            if name not in paths and own.get(name) != value:
                yield f"{name} of {record.encoder} is {own.get(name)}, not {value}"


def trained_rows(run: Run, corpus: Corpus, *, require_all: bool) -> tuple[BoolArray, str]:
    """The tracks of a corpus that a run, or one that it started from, was trained on.

    Args:
        run: The run.
        corpus: The corpus.
        require_all: Whether a run before it that is gone is an error.

    Returns:
        `(n,)` bool, and how tracks were compared: one of `CERTAINTY`.

    Raises:
        UserError: if a run that it started from is gone or was replaced.
    """
    import numpy as np

    trained, least = np.zeros(len(corpus), bool), BY_ROWS
    for each in _with_earlier(run, require_all=require_all):
        rows, way = _trained_by(each, corpus)
        trained[rows] = True
        least = max(least, way, key=CERTAINTY.index)
    return trained, least


def _with_earlier(run: Run, *, require_all: bool) -> Iterator[Run]:
    yield run
    while start := run.config.start:
        try:
            run = Run(start.run)
            if sha256(run.folder / MODEL) != start.checksum:
                raise UserError(f"{start.run} has another model")
        except (UserError, OSError) as error:
            if require_all:
                raise UserError(
                    f"{start.run}, where an earlier training started, is gone or was replaced: "
                    "nobody can say which tracks it was trained on. --allow-seen-tracks trains "
                    f"anyway ({error})"
                ) from error
            return
        yield run


def _trained_by(run: Run, corpus: Corpus) -> tuple[Any, str]:
    """Rows of the corpus that one run was trained on."""
    import numpy as np
    import pandas as pd

    if run.config.corpus["fingerprint"] == corpus.fingerprint:
        return run.split.parts["train"], BY_ROWS
    lines = pd.read_parquet(run.folder / SPLIT, columns=["track_id", "part"])
    ids = pd.Index(corpus.track_ids)
    if ids.isin(lines["track_id"]).any():
        trained = lines.loc[lines["part"] == "train", "track_id"]
        return np.flatnonzero(ids.isin(trained)), BY_IDS
    try:
        own = run.require()
        known = _songs(own)
        songs = _songs(corpus)
    except UserError:
        return np.empty(0, np.int64), NOT_COMPARED
    of_training = set().union(*(known[row] for row in run.split.parts["train"]))
    return np.flatnonzero([not of_training.isdisjoint(song) for song in songs]), BY_SONGS


def _songs(corpus: Corpus) -> list[set[tuple[str, str]]]:
    """Each track's title without versions, by any of its artists."""
    from deephits_keras.corpus.artists import possible_names
    from deephits_keras.corpus.splits import artist_column
    from deephits_keras.corpus.versions import known_title, song_title, title_column

    pairs = zip(title_column(corpus), artist_column(corpus).map(possible_names), strict=True)
    return [
        {(song_title(title), name) for name in names} if known_title(title) else set()
        for title, names in pairs
    ]


def unseen_by(run: Run, corpus: Corpus) -> dict[str, Sequence[str]]:
    """Fields that count as unknown in a run, by modality.

    Those without a value in any training track, or, after a warm start, those that the earlier run
    never saw.
    """
    from deephits_keras.features.seen import unseen_columns

    if run.config.start:
        return dict(run.config.start.unseen_columns)
    return dict(unseen_columns(run.encoders, corpus, run.split.parts["train"]))
