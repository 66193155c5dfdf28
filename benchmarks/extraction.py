"""MP3 previews to stored log-mels, against librosa's pipeline, decoding alone, and one process."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import librosa
import numpy as np
import soundfile
from deephits_plugins.mel_cnn import MelCNN

from benchmarks.compare import Comparison, compare
from benchmarks.corpora import corpus_of
from deephits_keras.features.extraction import extract_features
from deephits_keras.tracks import Track

PREVIEWS = 192
DISTINCT = 8


def write_previews(folder: Path, count: int = DISTINCT) -> list[Path]:
    """Thirty seconds of stereo MP3 at 44,100 Hz each, as previews are."""
    draw = np.random.default_rng(0)
    time = np.arange(30 * 44100) / 44100
    paths = []
    for number in range(count):
        notes = 110 * 2 ** (draw.integers(0, 36, 121)[(time * 4).astype(int)] / 12)
        tone = np.sin(2 * np.pi * np.cumsum(notes) / 44100)
        hiss = 0.05 * draw.standard_normal((2, len(time)))
        path = folder / f"{number}.mp3"
        soundfile.write(path, 0.4 * tone[:, None] + hiss.T, 44100)
        paths.append(path)
    return paths


def with_librosa(path: Path) -> np.ndarray:
    """What a notebook would do."""
    waveform, rate = librosa.load(path, sr=22050)
    mel = librosa.feature.melspectrogram(y=waveform, sr=rate, n_fft=1024, hop_length=512)
    return librosa.power_to_db(mel)


def run() -> Iterator[Comparison]:
    """Measure."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        previews = write_previews(folder)
        encoder = MelCNN()

        def ours() -> None:
            for number, path in enumerate(previews):
                features = encoder.extract(Track("t", audio=path))
                assert features is not None
                np.save(folder / f"ours-{number}.npy", features["log_mel"])

        def librosas() -> None:
            for number, path in enumerate(previews):
                np.save(folder / f"librosa-{number}.npy", with_librosa(path).astype("float16"))

        def decoding() -> None:
            for path in previews:
                soundfile.read(path, dtype="float32")

        amount = {"amount": DISTINCT, "unit": "tracks/s"}
        what = "MP3 -> log-mel, one process"
        yield compare(what, ours, "librosa's pipeline", librosas, target=1.7, **amount)
        yield compare(what, ours, "decoding alone", decoding, target=1 / 1.5, **amount)

        runs = iter(range(1000))

        def extract(jobs: int) -> None:
            names = [f"../{path.name}" for path in previews]
            corpus = corpus_of(folder / f"corpus-{next(runs)}", PREVIEWS, names)
            extract_features(corpus, encoder, jobs=jobs, shard_size=24)

        yield compare(
            "the same into the store, two processes",
            lambda: extract(2),
            "one process",
            lambda: extract(1),
            amount=PREVIEWS,
            unit="tracks/s",
            target=1.9,
            rounds=3,
        )
