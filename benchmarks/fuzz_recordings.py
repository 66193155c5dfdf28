"""Recordings in random containers, rates and lengths, whole or damaged, against the original.

    python -m benchmarks.fuzz_recordings --count 3000

A whole recording must be its original, all of it and at its place. Of a damaged one, what lies
before the damage must be; if something is missing or wrong, a remark or a reason must say so.
"""

from __future__ import annotations

import argparse
import io
import random
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from deephits_keras.audio import AudioError, load_audio
from deephits_keras.audio.decoding import remarks_on
from deephits_keras.audio.mp3 import index_mp3

RATE = 16_000
"""Sample rate of what is compared."""

SOUNDFILE: dict[str, tuple[str, str | None]] = {
    "wav": ("WAV", "PCM_16"),
    "float.wav": ("WAV", "FLOAT"),
    "w64": ("W64", "PCM_16"),
    "rf64": ("RF64", "PCM_24"),
    "aiff": ("AIFF", "PCM_16"),
    "au": ("AU", "PCM_16"),
    "caf": ("CAF", "PCM_16"),
    "flac": ("FLAC", "PCM_16"),
    "ogg": ("OGG", "VORBIS"),
    "opus": ("OGG", "OPUS"),
    "mp3": ("MP3", "MPEG_LAYER_III"),
}
"""Formats that libsndfile writes."""

LIBAV: dict[str, tuple[str, str]] = {
    "m4a": ("ipod", "aac"),
    "aac": ("adts", "aac"),
    "webm": ("webm", "libopus"),
    "mka": ("matroska", "aac"),
    "wma": ("asf", "wmav2"),
}
"""Containers and codecs that FFmpeg's libraries write."""

PIPED = "piped.mp3"
"""An MP3 of variable bit rate without a header."""

NO_LENGTH = ("aac", "piped.mp3", "webm", "ogg", "opus", "mka", "au", "mp3")
"""Formats of which a truncated file may be a whole one, or where the codec pads the end."""

RATES = (22_050, 32_000, 44_100, 48_000)
HEADERS = 8000
"""Bytes that the headers of a format may have."""

ALIKE = 0.75
"""Correlation from which on a waveform is the original: AAC behind junk has 0.8, others more."""

DELAY = 3000
"""Samples at `RATE` by which a codec may be late or early."""


def song(rng: random.Random, rate: int) -> np.ndarray[Any, Any]:
    """Noise that is never twice the same, in bursts: `(samples, channels)`."""
    draw = np.random.default_rng(rng.randrange(2**32))
    samples = int(rate * rng.uniform(1.5, 6))
    steps = draw.uniform(0.2, 1, 2 + samples // (rate // 4))
    # Up to about 2 kHz, where codecs keep the waveform.
    window = np.hanning(rate // 1000)
    noise = np.convolve(draw.standard_normal(samples), window / window.sum(), "same")
    noise -= np.convolve(noise, np.ones(rate // 50) / (rate // 50), "same")
    loud = np.interp(np.arange(samples), np.arange(len(steps)) * (rate // 4), steps)
    mono = 0.4 * loud * noise / np.abs(noise).max()
    return np.stack([mono, 0.7 * mono], 1)[:, : rng.randint(1, 2)].astype(np.float32)


def encoded(rng: random.Random, kind: str, samples: np.ndarray[Any, Any], rate: int) -> bytes:
    """The bytes of a recording of a kind."""
    file = io.BytesIO()
    if kind in SOUNDFILE:
        form, subtype = SOUNDFILE[kind]
        soundfile.write(file, samples, rate, format=form, subtype=subtype)
        return file.getvalue()
    if kind == PIPED:
        level = rng.random()
        with soundfile.SoundFile(
            file,
            "w",
            rate,
            samples.shape[1],
            format="MP3",
            subtype="MPEG_LAYER_III",
            bitrate_mode="VARIABLE",
            compression_level=level,
        ) as opened:
            opened.write(samples)
        index = index_mp3(file.getvalue())
        assert index is not None
        return file.getvalue()[index.offsets[0] :]
    import av

    container, codec = LIBAV[kind]
    layout = "mono" if samples.shape[1] == 1 else "stereo"
    with av.open(file, "w", format=container) as output:
        stream: Any = output.add_stream(codec, rate=rate, layout=layout)
        stream.bit_rate = 128_000
        size = stream.codec_context.frame_size or 1024
        form = stream.codec_context.format.name
        resampler = av.AudioResampler(form, layout, rate, frame_size=size)
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples.T), "fltp", layout)
        frame.sample_rate = rate
        for part in [*resampler.resample(frame), *resampler.resample(None)]:
            output.mux(stream.encode(part))
        output.mux(stream.encode(None))
    return file.getvalue()


def damaged(rng: random.Random, whole: bytes, how: str) -> tuple[bytes, float]:
    """The bytes with a damage, and the share of the recording that lies safely before it."""
    size = len(whole)
    match how:
        case "cut":
            at = rng.randint(size // 3, size - 1)
            return whole[:at], at / size
        case "hole":
            at = rng.randint(size // 3, size * 3 // 4)
            length = min(rng.randint(100, 20_000), size - at)
            return whole[:at] + bytes(length) + whole[at + length :], at / size
        case "flips":
            content = bytearray(whole)
            first = rng.randint(size // 3, size * 3 // 4)
            for _ in range(rng.randint(1, 20)):
                content[rng.randrange(first, size)] ^= 1 << rng.randrange(8)
            return bytes(content), first / size
        case "tag":
            return whole + b"TAG" + bytes(125), 1.0
        case "junk":
            return rng.randbytes(rng.randint(100, 100_000)) + whole, 1.0
    return whole, 1.0


def alike(
    found: np.ndarray[Any, Any], right: np.ndarray[Any, Any], *, anywhere: bool = False
) -> float:
    """Largest correlation of two signals over the delays that codecs have, or over all."""
    if not anywhere:
        length = min(len(found), len(right))
        found, right = found[:length], right[:length]
    size = 1 << (len(found) + len(right) - 1).bit_length()
    spectrum = np.fft.rfft(found, size) * np.conj(np.fft.rfft(right, size))
    products = np.fft.irfft(spectrum, size)
    if not anywhere:
        near = np.concatenate([products[:DELAY], products[-DELAY:]])
        return float(near.max() / (np.linalg.norm(found) * np.linalg.norm(right) + 1e-9))
    late = int(products.argmax()) if products.argmax() < len(found) else 0
    there = found[late : late + len(right)]
    return float(products.max() / (np.linalg.norm(there) * np.linalg.norm(right) + 1e-9))


def try_one(seed: int, folder: Path) -> tuple[str, str, str]:
    """Make a recording, read it, and tell its kind, what came of it and what was wrong."""
    rng = random.Random(seed)  # noqa: S311
    kind = rng.choice((*SOUNDFILE, *LIBAV, PIPED))
    rate = rng.choice((48_000,) if kind in ("opus", "webm") else RATES)
    samples = song(rng, rate)
    how = rng.choice(("whole", "whole", "cut", "hole", "flips", "tag", "junk"))
    content, safe = damaged(rng, encoded(rng, kind, samples, rate), how)
    path = folder / f"{seed}.{kind}"
    path.write_bytes(content)
    name = f"{kind} {how} {rate} Hz"
    original = folder / f"{seed}.original.wav"
    soundfile.write(original, samples, rate, subtype="FLOAT")
    right = load_audio(original, RATE)
    try:
        found = load_audio(path, RATE)
        told = bool(remarks_on(path))
    except AudioError as error:
        # What only has a tag behind it, or nothing wrong, must be read.
        return name, "rejected", f"refused: {error}" if how in ("whole", "tag") else ""
    except Exception as error:
        return name, "failed", f"{type(error).__name__}: {error}"
    finally:
        path.unlink()
        original.unlink()
    if not np.isfinite(found).all():
        return name, "accepted", "samples that aren't finite"
    # Codecs with a changing bit rate have other shares of bytes than of time, and headers.
    before = 1.0 if safe == 1 else 0.5 * (safe - HEADERS / len(content))
    until = int(len(right) * before)
    # Junk may hold what looks like frames of sound, which come first then.
    part = found if how == "junk" else found[: until + DELAY]
    score = alike(part, right[:until], anywhere=how == "junk") if until > RATE // 2 else 1.0
    if score < ALIKE:
        return name, "accepted", f"its first {until / RATE:.2f} s are alike to {score:.2f} only"
    missing = 1 - len(found) / len(right)
    if missing > 0.05 and not told and (kind not in NO_LENGTH or how in ("whole", "tag")):
        return name, "accepted", f"{missing:.0%} are missing, and nothing says so"
    return name, "accepted", ""


def fuzz(count: int, seed: int = 0) -> list[str]:
    """Try some recordings and tell what was wrong, each with the seed that makes it again."""
    faults: list[str] = []
    outcomes: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as temporary:
        for number in range(seed, seed + count):
            name, outcome, fault = try_one(number, Path(temporary))
            outcomes[outcome] += 1
            if fault:
                faults.append(f"seed {number} ({name}): {fault}")
                print(faults[-1], flush=True)
    told = ", ".join(f"{number} {outcome}" for outcome, number in outcomes.items())
    print(f"{count} recordings tried ({told}), {len(faults)} with faults", flush=True)
    return faults


def main() -> int:
    """Run as a script."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--count", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    return 1 if fuzz(options.count, options.seed) else 0


if __name__ == "__main__":
    raise SystemExit(main())
