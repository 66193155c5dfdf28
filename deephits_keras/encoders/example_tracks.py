"""Tracks to check an encoder with: synthesised recordings with lyrics and fields."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from deephits_keras.tracks import Track
from deephits_keras.utils.files import replacing

SAMPLE_RATE = 22_050
SECONDS = 4.0

LYRICS = (
    "Walking down the river in the morning light\nI hear the city waking up again",
    "Baila conmigo toda la noche\nno dejes que termine la canción",
    "We were young and the summer was long\nnothing could hurt us, nothing went wrong",
)

FIELDS: tuple[dict[str, object], ...] = (
    {"title": "River", "artist": "The Samples", "artist_popularity": 63.0, "release_year": 2019.0},
    {"title": "Noche", "artist": "Los Ejemplos", "artist_popularity": 21.0, "release_year": 2004.0},
    {"title": "Summer", "artist": "Figures", "artist_popularity": 88.0, "release_year": 2023.0},
)

DESCRIPTORS: dict[str, tuple[float, float, float]] = {
    "acousticness": (0.72, 0.11, 0.35),
    "danceability": (0.41, 0.83, 0.66),
    "duration_ms": (4000.0, 4000.0, 4000.0),
    "energy": (0.33, 0.78, 0.59),
    "instrumentalness": (0.02, 0.0, 0.4),
    "key": (0.0, 9.0, 5.0),
    "liveness": (0.12, 0.31, 0.09),
    "loudness": (-11.2, -5.4, -7.9),
    "mode": (1.0, 0.0, 1.0),
    "speechiness": (0.04, 0.21, 0.06),
    "tempo": (92.0, 126.0, 140.0),
    "valence": (0.38, 0.81, 0.57),
}
"""Spotify's descriptors in Spotify's units, by field: one value per track."""

CHORDS = ((261.63, 329.63, 392.0), (220.0, 261.63, 329.63), (349.23, 440.0, 523.25))
"""Frequencies in Hz: C major, A minor, F major."""


def sample_tracks(folder: Path) -> tuple[Track, ...]:
    """Three different tracks, each with a WAV of four seconds, lyrics and Spotify's fields.

    Every call returns the same tracks, except for the folder.

    Args:
        folder: Folder for the recordings.
    """
    tracks = []
    for number, lyrics in enumerate(LYRICS):
        path = folder / f"sample-{number}.wav"
        _write_arpeggio(path, CHORDS[number], beats_a_second=DESCRIPTORS["tempo"][number] / 60)
        descriptors = {name: values[number] for name, values in DESCRIPTORS.items()}
        fields = {**FIELDS[number], **descriptors}
        tracks.append(Track(f"sample-{number}", audio=path, lyrics=lyrics, fields=fields))
    return tuple(tracks)


def _write_arpeggio(path: Path, chord: tuple[float, ...], *, beats_a_second: float) -> None:
    """The notes of a chord in sequence, each with a few decaying harmonics."""
    import soundfile

    times = np.arange(int(SECONDS * SAMPLE_RATE)) / SAMPLE_RATE
    note = np.floor(times * beats_a_second).astype(int)
    since = times - note / beats_a_second
    frequency = np.array(chord)[note % len(chord)]
    tones = [np.sin(2 * np.pi * n * frequency * since) / n**2 for n in (1, 2, 3)]
    signal = 0.3 * sum(tones) * np.exp(-3 * since)
    with replacing(path) as temporary:
        soundfile.write(temporary, signal.astype("float32"), SAMPLE_RATE, subtype="PCM_16")
