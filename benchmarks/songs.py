"""Whole songs to stored log-mels: the window alone, against decoding all of them."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import librosa
import numpy as np
import soundfile
import soxr
from deephits_plugins.mel_cnn import MelCNN

from benchmarks.compare import Comparison, compare
from deephits_keras.audio.spectrogram import clip, log_mel
from deephits_keras.tracks import Track

RATE, MINUTES, CLIP = 44_100, 4, 30
SONGS = 3
FORMATS = {"MP3": "MPEG_LAYER_III", "FLAC": "PCM_16"}

PEAK = r"""
import re, sys
from pathlib import Path
from benchmarks import songs
for path in sys.argv[2:]:
    getattr(songs, sys.argv[1])(Path(path))
print(re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())[1])
"""


def write_songs(folder: Path, format: str) -> list[Path]:
    """Four minutes of stereo at 44,100 Hz each, notes over a hiss."""
    paths = []
    for number in range(SONGS):
        draw = np.random.default_rng(number)
        path = folder / f"{number}.{format.lower()}"
        with soundfile.SoundFile(
            path, "w", RATE, 2, format=format, subtype=FORMATS[format]
        ) as file:
            for _ in range(MINUTES * 60):
                time = np.arange(RATE) / RATE
                tone = np.sin(2 * np.pi * 110 * 2 ** (draw.integers(0, 36) / 12) * time)
                file.write(0.4 * tone[:, None] + 0.05 * draw.standard_normal((RATE, 2)))
        paths.append(path)
    return paths


def ours(path: Path) -> np.ndarray:
    """The encoder, as extraction calls it."""
    features = MelCNN().extract(Track("t", audio=path))
    assert features is not None
    return features["log_mel"]


def before(path: Path) -> np.ndarray:
    """As commit 154f8be had it: the whole decoded, mixed and resampled, then cut."""
    config = MelCNN().config
    channels, rate = soundfile.read(path, dtype="float32", always_2d=True)
    mono = np.add(channels[:, 0], channels[:, 1]) / np.float32(2)
    waveform = soxr.resample(mono, rate, config.sample_rate, "HQ")
    return log_mel(clip(waveform, config), config).astype("float16")


def with_librosa(path: Path) -> np.ndarray:
    """What a notebook would do."""
    config = MelCNN().config
    waveform, rate = librosa.load(path, sr=config.sample_rate)
    mel = librosa.feature.melspectrogram(
        y=clip(waveform, config), sr=rate, n_fft=config.n_fft, hop_length=config.hop_length
    )
    return librosa.power_to_db(mel).astype("float16")


def decoding(path: Path) -> None:
    """The thirty seconds in the middle, decoded and nothing else."""
    with soundfile.SoundFile(path) as file:
        file.seek((MINUTES * 60 - CLIP) // 2 * RATE)
        file.read(CLIP * RATE, dtype="float32")


def peak(way: str, paths: list[Path]) -> float:
    """Peak resident memory of a process that does it, in MB."""
    words = [sys.executable, "-c", PEAK, way, *map(str, paths)]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    return int(done.stdout) / 1024


def run() -> Iterator[Comparison]:
    """Measure."""
    for format in FORMATS:
        with tempfile.TemporaryDirectory() as name:
            paths = write_songs(Path(name), format)
            kept = Path(name, "log_mel.npy")

            def stored(way: Callable[[Path], np.ndarray], paths=paths, kept=kept) -> None:
                for path in paths:
                    np.save(kept, way(path))

            def decoded(paths=paths) -> None:
                for path in paths:
                    decoding(path)

            for peer_name, peer, target in (
                ("the whole decoded (154f8be)", lambda: stored(before), 5.0),
                ("librosa's pipeline", lambda: stored(with_librosa), 8.0),
                ("decoding the 30 s alone", decoded, 0.67),
            ):
                yield compare(
                    f"four minutes of {format} -> log-mel, one process",
                    lambda: stored(ours),
                    peer_name,
                    peer,
                    amount=SONGS,
                    unit="tracks/s",
                    target=target,
                )
            mine, theirs = peak("ours", paths), peak("before", paths)
            yield Comparison(
                f"peak memory of that, {format}",
                mine,
                "the whole decoded (154f8be)",
                theirs,
                "MB",
                (theirs / mine,),
                3.0,
            )
