"""Write a synthetic dataset in SpotGenTrack's layout."""

from __future__ import annotations

import ast
import shutil
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import joblib

from deephits_keras.encoders.registry import prepared_sample, registry
from deephits_keras.errors import UserError
from deephits_keras.sample.audio import PREVIEW_SECONDS, Piece, write_preview
from deephits_keras.sample.causes import MEAN, NOISE, weights_for
from deephits_keras.sample.lyrics import PLACEHOLDER
from deephits_keras.sample.tables import META_MIX, Tables, draw_tables
from deephits_keras.tracks import Track
from deephits_keras.utils.files import read_record, write_json, write_text
from deephits_keras.utils.progress import progress

GENERATOR = 1
"""Version, to be increased if the same arguments give other bytes."""

MARKER = "synthetic.json"
SETTINGS = "encoder-settings.json"

README = """\
THIS CORPUS IS SYNTHETIC.

`deephits sample` made everything in it: the music, the lyrics, the names and the numbers. No
track, artist, album or popularity is real, and no figure measured here says anything about real
songs. It is for trying the software and for checking that a model finds what was planted.

Data Sources/          spotify_tracks.csv, spotify_artists.csv, spotify_albums.csv, in the format
                       of the SpotGenTrack Popularity Dataset
songs.csv              the same songs in one table
previews/              one MP3 per track, named by its id, of as many seconds as synthetic.json
                       says; a few tracks have none, and shorter tracks are there whole
truth.csv              what each track's popularity is made of
synthetic.json         the seed and the weights of the planted causes
encoder-settings.json  settings for the encoders that need something to run on this corpus
encoders/              what those settings point to: untrained stand-ins, not real models

The planted causes, each from about N(0, 1):
  audio   how slowly the harmonics of the sustained chords fall off (brightness, 1-9 kHz)
  lyrics  how many of the theme words are bright (sunshine, fiesta) instead of dark (ashes, pena)
  meta    a weighted sum of the first artist's popularity, the release year and danceability

popularity = round(clip(50 + weighted causes + noise, 0, 100)). A track without a preview has the
audio cause 0; one without lyrics has the lyrics cause 0. Tempo, key, mode, time signature and
loudness (RMS, dB) are those of the music, and energy is the level of its drums; the audio cause
can't be told from any column.
"""


@dataclass(frozen=True)
class SampleSummary:
    """Summary of a sample.

    Attributes:
        folder: Its folder.
        tracks: Tracks in the table.
        previews: Tracks with an MP3.
        lyrics: Tracks with lyrics.
        artists: Artists in the table.
        albums: Albums in the table.
        seed: The random seed.
        causes: The modality that the popularity depends on, or `all`.
    """

    folder: Path
    tracks: int
    previews: int
    lyrics: int
    artists: int
    albums: int
    seed: int
    causes: str


def make_sample(
    folder: str | Path,
    tracks: int = 200,
    seed: int = 0,
    *,
    causes: str = "all",
    seconds: float = PREVIEW_SECONDS,
    jobs: int | None = None,
) -> SampleSummary:
    """Make a synthetic dataset; its README describes the files.

    The same arguments give the same bytes, regardless of `jobs`. If interrupted, the same call
    continues.

    Args:
        folder: An empty or new folder, or one with a part of this sample.
        tracks: Number of tracks, at least 1.
        seed: Random seed, at least 0.
        causes: Modalities that the popularity depends on: `all`, or one of `audio`, `lyrics` and
            `meta`, to test that a model finds nothing in the others.
        seconds: Longest preview in seconds; encoding takes most of the time.
        jobs: Number of processes that synthesise previews; one per core by default.

    Raises:
        UserError: if an argument is out of range, or the folder contains something else or can't
            be written to.
    """
    folder = Path(folder)
    if tracks < 1 or seed < 0 or not 1 <= seconds <= PREVIEW_SECONDS:
        raise UserError(
            "tracks must be at least 1, seed at least 0 and seconds from 1 to "
            f"{PREVIEW_SECONDS}. Received: tracks={tracks}, seed={seed}, seconds={seconds}"
        )
    recipe = {
        "synthetic": True,
        "generator": GENERATOR,
        "tracks": tracks,
        "seed": seed,
        "causes": causes,
        "seconds": float(seconds),
        "popularity": {"mean": MEAN, "weights": weights_for(causes), "noise_sd": NOISE},
        "meta_mix": META_MIX,
        "lyrics_placeholder": PLACEHOLDER,
    }
    _claim(folder, recipe)
    tables = draw_tables(tracks, seed, causes)
    _write_previews(folder / "previews", tables, seed, seconds, jobs)
    lyrics = [text for text in tables.tracks["lyrics"] if text != PLACEHOLDER]
    _prepare_encoders(folder, _tracks(folder, tables))
    tables.write(folder)
    write_text(folder / "README.txt", README)
    write_json(folder / MARKER, {**recipe, "complete": True})
    return SampleSummary(
        folder=folder,
        tracks=tracks,
        previews=int(tables.tracks["preview_url"].notna().sum()),
        lyrics=len(lyrics),
        artists=len(tables.artists),
        albums=len(tables.albums),
        seed=seed,
        causes=causes,
    )


def _claim(folder: Path, recipe: dict[str, Any]) -> None:
    """Store the arguments of the sample in the folder, unless it contains something else."""
    marker = folder / MARKER
    if marker.exists():
        found = read_record(marker, dict[str, Any], "a synthetic corpus")
        other = [name for name, value in recipe.items() if found.get(name) != value]
        if other:
            said = ", ".join(f"{name} {found.get(name)}" for name in ("tracks", "seed", "causes"))
            raise UserError(
                f"{folder} holds another sample ({said}; {', '.join(other)} differs). "
                "Delete it or choose another folder."
            )
    elif folder.exists():
        if not folder.is_dir():
            raise UserError(f"{folder} is a file. Choose a folder for the sample.")
        if any(folder.iterdir()):
            raise UserError(f"{folder} is not empty and not a sample. Choose another folder.")
    write_json(marker, {**recipe, "complete": False})


def _write_previews(
    folder: Path, tables: Tables, seed: int, seconds: float, jobs: int | None
) -> None:
    """Write the missing previews."""
    rows = tables.tracks.assign(audio_cause=tables.truth["audio_cause"])
    # Workers may have been started in another working directory.
    folder = folder.resolve()
    wanted = {
        folder / f"{row['id']}.mp3": _piece(row, seconds, (seed, 2, number))
        for number, row in enumerate(rows.to_dict("records"))
        if isinstance(row["preview_url"], str)
    }
    wanted = {path: piece for path, piece in wanted.items() if not path.exists()}
    work = (joblib.delayed(write_preview)(path, piece) for path, piece in wanted.items())
    processes = min(jobs or joblib.cpu_count(), max(1, len(wanted)))
    done = joblib.Parallel(n_jobs=processes, return_as="generator_unordered")(work)
    for _ in progress(done, total=len(wanted), what="synthesising previews"):
        pass


def _piece(row: Mapping[Hashable, Any], seconds: float, seed: tuple[int, ...]) -> Piece:
    """The piece for a row of the tracks table; an undetected key (-1) becomes B."""
    return Piece(
        title=row["name"],
        artist="Synthetic",
        tempo=row["tempo"],
        key=int(row["key"]) % 12,
        mode=int(row["mode"]),
        beats=int(row["time_signature"]),
        energy=row["energy"],
        loudness=row["loudness"],
        seconds=min(seconds, row["duration_ms"] / 1000),
        brightness=row["audio_cause"],
        seed=seed,
    )


def _tracks(folder: Path, tables: Tables) -> list[Track]:
    """The tracks of the sample after import, without popularity."""
    tracks = []
    for row in tables.tracks.rename(columns={"name": "title"}).to_dict("records"):
        track_id, lyrics = str(row.pop("id")), row.pop("lyrics")
        fields = {str(name): value for name, value in row.items() if name != "popularity"}
        fields["artist_ids"] = ast.literal_eval(fields.pop("artists_id"))
        preview = folder / "previews" / f"{track_id}.mp3"
        tracks.append(
            Track(
                track_id,
                audio=preview if preview.exists() else None,
                lyrics=lyrics if lyrics != PLACEHOLDER else None,
                fields=fields,
            )
        )
    return tracks


def _prepare_encoders(folder: Path, tracks: Sequence[Track]) -> None:
    """Let each installed encoder create the files that it needs, and store its settings."""
    if (folder / SETTINGS).exists():
        return
    encoders = folder / "encoders"
    encoders.mkdir(exist_ok=True)
    settings: dict[str, dict[str, Any]] = {}
    for name, encoder in registry().load_working().items():
        own = encoders / name
        shutil.rmtree(own, ignore_errors=True)
        own.mkdir()
        given = prepared_sample(encoder, own, tracks)
        if not any(own.iterdir()):
            own.rmdir()
        if given:
            settings[name] = {key: _portable(value, folder) for key, value in given.items()}
    if not any(encoders.iterdir()):
        encoders.rmdir()
    write_json(folder / SETTINGS, settings)


def _portable(value: Any, folder: Path) -> Any:
    """A setting as JSON: a path becomes relative to the sample, so that it can be moved."""
    return {"path": value.relative_to(folder).as_posix()} if isinstance(value, Path) else value
