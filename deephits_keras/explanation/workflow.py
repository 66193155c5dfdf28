"""`explain`: explain a prediction, or compute which inputs matter to a run."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deephits_keras.errors import UserError
from deephits_keras.prediction.asked import (
    asked_track,
    cleaning_of,
    ignored,
    require_extractable,
    require_read,
    require_recording,
)
from deephits_keras.runs.files import EXPLANATIONS, REPORT
from deephits_keras.runs.run import Run
from deephits_keras.tracks import Track

if TYPE_CHECKING:
    from deephits_keras.corpus.lyrics import LyricsCleaning
    from deephits_keras.explanation.permutation import Importances
    from deephits_keras.explanation.track import Explanation


@dataclass(frozen=True)
class ExplanationPlan:
    """An explanation to compute, checked as far as possible without Keras.

    Attributes:
        run: The run.
        track: The song; None for the whole run.
        part: For the run: a part of its split, or None for the reported one.
        repeats: For the run: number of permutations of each part of the input.
        seed: For the run: random seed of the permutations.
        out: Folder of the page, or None for the run's folder.
        unread: Standard columns that no encoder reads.
    """

    run: Run
    track: Track | None
    part: str | None
    repeats: int
    seed: int
    out: Path | None
    unread: tuple[str, ...]

    @property
    def page(self) -> Path:
        """Path of the page that `carry_out` writes; a JSON file has the same name."""
        name = "importance"
        if self.track is not None:
            name = "track-" + re.sub(r"[^\w-]+", "_", self.track.id)[:80]
        return (self.out or self.run.folder / EXPLANATIONS) / f"{name}.html"

    @property
    def notes(self) -> tuple[str, ...]:
        """Notes on fields of the song that no encoder reads."""
        return ignored(self.unread)

    def carry_out(self) -> Explanation | Importances:
        """Compute the explanation, and write the page.

        Raises:
            UserError: if no input of the song can be used, or the run's corpus has changed.
        """
        from deephits_keras.utils.files import write_json, write_text

        result, page = self._run_explained() if self.track is None else self._explained(self.track)
        write_json(self.page.with_suffix(".json"), result.to_json())
        write_text(self.page, page)
        if self.out is None and (self.run.folder / REPORT).exists():
            from deephits_keras.report.run_report import write_report

            # The run's report links to its explanations.
            write_report(self.run.folder)
        return result

    def _explained(self, track: Track) -> tuple[Explanation, str]:
        from deephits_keras.explanation.page import track_page
        from deephits_keras.explanation.track import TrackExplainer
        from deephits_keras.prediction.predictor import Predictor

        explanation = TrackExplainer(Predictor(self.run)).explain(track)
        explanation = dataclasses.replace(explanation, notes=self.notes)
        return explanation, track_page(explanation, **self._origin)

    def _run_explained(self) -> tuple[Importances, str]:
        from deephits_keras.explanation.page import importance_page
        from deephits_keras.explanation.permutation import importances

        found = importances(
            self.run, self.run.require(), part=self.part, repeats=self.repeats, seed=self.seed
        )
        return found, importance_page(found, **self._origin)

    @property
    def _origin(self) -> dict[str, str]:
        """What the page says of the run: its name, and where its report is from there."""
        folder = self.run.folder.resolve()
        linked = self.out is None and (folder / REPORT).exists()
        return {"run": folder.name, "report": f"../{REPORT}" if linked else ""}


def plan_explanation(
    run: str | Path | Run,
    song: str | Path | Track | None = None,
    *,
    lyrics: str | Path | None = None,
    inputs: Mapping[str, str | Path] | None = None,
    fields: Mapping[str, Any] | None = None,
    track_id: str | None = None,
    part: str | None = None,
    repeats: int = 10,
    seed: int = 0,
    out: str | Path | None = None,
    settings: Mapping[str, Mapping[str, Any]] | None = None,
) -> ExplanationPlan:
    """Check the arguments without importing Keras; see `explain`."""
    named = bool(song or lyrics or inputs or fields)
    if named and track_id:
        raise UserError("Give either a song or --track, not both")
    if part and (named or track_id):
        raise UserError("--part can't be used with a song or --track: remove one of them")
    if repeats < 2:
        raise UserError(f"repeats must be at least 2, for a deviation. Received: {repeats}")
    opened = run if isinstance(run, Run) else Run(run, settings)
    if part:
        opened.require_part(part)
    track: Track | None = None
    unread: list[str] = []
    cleaning: LyricsCleaning | None = None
    if track_id:
        track = _track_of(opened, track_id)
    elif isinstance(song, Track):
        if lyrics or inputs or fields:
            raise UserError(f"Track {song.id}: a Track has its lyrics, files and fields in it")
        track = song
    elif named:
        cleaning = cleaning_of(opened)
        track = asked_track(
            audio=Path(song) if song else None,
            lyrics=Path(lyrics) if lyrics else None,
            inputs={name: Path(path) for name, path in (inputs or {}).items()},
            fields=fields,
            cleaning=cleaning,
        )
        require_recording(track)
    if track is not None and not track_id:
        unread = require_read(track, opened.encoders.values(), cleaning)
        require_extractable(track, opened.encoders.values())
    return ExplanationPlan(
        opened, track, part, repeats, seed, Path(out) if out else None, tuple(unread)
    )


def explain(
    run: str | Path | Run,
    song: str | Path | Track | None = None,
    *,
    lyrics: str | Path | None = None,
    inputs: Mapping[str, str | Path] | None = None,
    fields: Mapping[str, Any] | None = None,
    track_id: str | None = None,
    part: str | None = None,
    repeats: int = 10,
    seed: int = 0,
    out: str | Path | None = None,
    settings: Mapping[str, Mapping[str, Any]] | None = None,
) -> Explanation | Importances:
    """Explain a prediction, or which inputs matter to a run, as `deephits explain` does.

    Also writes a page and a JSON file: `track-ID.html` or `importance.html`.

    Args:
        run: A finished run, or its folder.
        song: A recording or a `Track`. Without a song, the run is explained.
        lyrics: A text file with the song's lyrics.
        inputs: Other files of the song, by the name of an input that an encoder declares.
        fields: Metadata fields of the song, such as `{"artist_popularity": 63}`.
        track_id: Instead of a song, id of a track of the run's corpus.
        part: For the run: a part of its split; by default `test` if there is one, else
            `validation`.
        repeats: For the run: number of permutations of each part of the input.
        seed: For the run: random seed of the permutations.
        out: Folder of the page; `explain` in the run's folder by default.
        settings: Encoder settings that override the run's, if `run` is a folder.

    Returns:
        For a song, an `Explanation`: integrated gradients, which add up to the score of the
        predicted tier. For the run, its `Importances`: permutation importance of modalities and
        fields. Both have `to_frame`.

    Raises:
        UserError: if an argument is invalid.

    Example:
        >>> import deephits_keras as dh
        >>> dh.explain("run", "song.mp3", fields={"tempo": 124}).to_frame()  # doctest: +SKIP
        >>> dh.explain("run").to_frame()  # doctest: +SKIP
    """
    return plan_explanation(
        run,
        song,
        lyrics=lyrics,
        inputs=inputs,
        fields=fields,
        track_id=track_id,
        part=part,
        repeats=repeats,
        seed=seed,
        out=out,
        settings=settings,
    ).carry_out()


def _track_of(run: Run, track_id: str) -> Track:
    from deephits_keras.corpus.table import Corpus

    corpus = Corpus.open(Path(run.config.corpus["folder"]))
    if track_id not in corpus.track_ids:
        raise UserError(f"{corpus.folder} has no track {track_id!r}")
    return corpus.tracks([corpus.track_ids.index(track_id)])[0]
