"""Synthetic previews: a chord progression, bass, melody and drums, encoded as MP3.

A preview is a loop of four bars in the track's key, mode, metre and tempo. Its pad (the sustained
chords) is brighter for a greater audio cause of the track: the harmonics fall off more slowly,
which a mel spectrogram shows as energy between 1 and 9 kHz. Nothing else in the music depends on
the cause, not even its loudness.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from deephits_keras.utils.files import replacing

SAMPLE_RATE = 44_100
PREVIEW_SECONDS = 30.0
BARS = 4
COMMENT = "Synthetic music made by `deephits sample`"

LOUDEST_DB = -10.5
"""`_to_loudness` leaves peaks 9 dB above the RMS and the MP3 encoder adds up to 1 dB."""

SCALES = {1: (0, 2, 4, 5, 7, 9, 11), 0: (0, 2, 3, 5, 7, 8, 10)}
"""Semitones above the tonic: major (1) and natural minor (0), Spotify's numbers for modes."""

PROGRESSIONS = ((0, 4, 5, 3), (0, 5, 3, 4), (0, 3, 4, 3), (0, 5, 2, 4), (0, 2, 3, 4))
"""Scale degrees of the chords' roots, one per bar, from the tonic."""

MIDDLE_C_HZ = 261.626
HIGHEST_HARMONIC_HZ = 9_000.0
TABLE_SIZE = 8_192
PAD_ROLLOFF_DB = 10.0
PAD_ROLLOFF_DB_PER_CAUSE = 3.0

Signal = np.ndarray[Any, np.dtype[np.float32]]


@dataclass(frozen=True)
class Piece:
    """Parameters of a preview.

    Attributes:
        title: Title in the file's tags.
        artist: Artist in the file's tags.
        tempo: BPM.
        key: Pitch class of the tonic, 0 (C) to 11.
        mode: 1 major, 0 minor.
        beats: Beats per bar, 3 or 4.
        energy: Relative loudness of the drums, 0-1.
        loudness: RMS of the preview in dB below full scale, at most `LOUDEST_DB`.
        seconds: Duration in seconds.
        brightness: The audio cause, about N(0, 1).
        seed: Random seed of the progression, the melody and the drum pattern.
    """

    title: str
    artist: str
    tempo: float
    key: int
    mode: int
    beats: int
    energy: float
    loudness: float
    seconds: float
    brightness: float
    seed: tuple[int, ...]


def write_preview(path: Path, piece: Piece) -> None:
    """Render a piece and write it as MP3 with variable bit rate, atomically.

    The same piece gives the same bytes.

    Raises:
        UserError: if the folder can't be written to.
    """
    import soundfile

    music = render(piece)
    with (
        replacing(path) as temporary,
        soundfile.SoundFile(
            temporary,
            "w",
            samplerate=SAMPLE_RATE,
            channels=2,
            format="MP3",
            bitrate_mode="VARIABLE",
            compression_level=0.9,  # the fastest that preserves the pad up to 9 kHz
        ) as file,
    ):
        file.title, file.artist, file.comment = piece.title, piece.artist, COMMENT
        file.write(music)


def render(piece: Piece) -> Signal:
    """The piece as stereo samples, float32 of shape `(samples, 2)` within -1..1."""
    rng = np.random.default_rng(piece.seed)
    sixteenth = round(SAMPLE_RATE * 60 / piece.tempo / 4)
    roots = PROGRESSIONS[rng.integers(len(PROGRESSIONS))]
    parts = np.stack(
        [
            _pad(piece, roots, sixteenth),
            _bass(piece, roots, sixteenth),
            _lead(piece, roots, sixteenth, rng),
            _drums(piece, sixteenth, rng),
        ]
    )
    left_gains = np.array([0.55, 0.5, 0.35, 0.5], np.float32)
    bar_samples = piece.beats * 4 * sixteenth
    samples = round(piece.seconds * SAMPLE_RATE)
    loops = -(-samples // (BARS * bar_samples))
    stereo = np.tile(np.stack([left_gains, 1 - left_gains]) @ parts, loops)[:, :samples]
    stereo += 0.004 * rng.standard_normal(samples, dtype=np.float32)
    return _to_loudness(stereo.T, piece.loudness)


def _pad(piece: Piece, roots: tuple[int, ...], sixteenth: int) -> Signal:
    """One sustained triad per bar, within one octave; its rolloff depends on the cause."""
    step = piece.beats * 4 * sixteenth
    rolloff = PAD_ROLLOFF_DB - PAD_ROLLOFF_DB_PER_CAUSE * piece.brightness
    lines = [[_semitones(piece, root + third) % 12 for root in roots] for third in (0, 2, 4)]
    pad = sum(_voice(np.array(line), step, rolloff, attack=0.15) for line in lines)
    return np.asarray(0.6 * pad, np.float32)


def _bass(piece: Piece, roots: tuple[int, ...], sixteenth: int) -> Signal:
    """The root on every beat, two octaves down."""
    notes = np.repeat([_semitones(piece, root) % 12 - 24 for root in roots], piece.beats)
    return 0.9 * _voice(notes, 4 * sixteenth, rolloff_db=12.0, attack=0.005, decay=0.35)


def _lead(piece: Piece, roots: tuple[int, ...], sixteenth: int, rng: np.random.Generator) -> Signal:
    """A melody in eighths, an octave higher, a random walk through the scale with rests."""
    steps = 2 * piece.beats
    walk = rng.integers(-2, 3, (len(roots), steps)).cumsum(axis=1).clip(-4, 6)
    degrees = (np.array(roots)[:, None] % 7 + walk).ravel()
    notes = np.array([_semitones(piece, int(degree)) + 12 for degree in degrees])
    heard = rng.random(len(notes)) < 0.65
    voice = _voice(notes, 2 * sixteenth, rolloff_db=9.0, attack=0.01, decay=0.25)
    return 0.6 * voice * np.repeat(heard, 2 * sixteenth).astype(np.float32)


def _drums(piece: Piece, sixteenth: int, rng: np.random.Generator) -> Signal:
    """Kick on the first and random beats, snare on the off beats, hats in eighths."""
    steps = np.arange(BARS * piece.beats * 4)
    beat = steps // 4 % piece.beats
    on_beat = steps % 4 == 0
    kicks = on_beat & (beat % 2 == 0) | (rng.random(len(steps)) < 0.06)
    snares = on_beat & (beat % 2 == 1)
    hats = steps % 2 == 0
    seconds = np.arange(SAMPLE_RATE // 4, dtype=np.float32) / SAMPLE_RATE
    noise = rng.standard_normal(len(seconds), dtype=np.float32)
    kick = np.sin(2 * np.pi * (50 * seconds - 8 * np.exp(-seconds * 30))) * np.exp(-seconds * 14)
    snare = (0.5 * noise + 0.5 * np.sin(2 * np.pi * 190 * seconds)) * np.exp(-seconds * 22)
    hat = np.diff(noise, prepend=np.float32(0)) * np.exp(-seconds * 70)
    drums = np.zeros(len(steps) * sixteenth, np.float32)
    for sound, gain, hits in ((kick, 1.6, kicks), (snare, 1.0, snares), (hat, 0.25, hats)):
        for start in np.flatnonzero(hits) * sixteenth:
            room = drums[start : start + len(sound)]
            room += gain * sound[: len(room)]
    return drums * np.float32(0.2 + 1.2 * piece.energy)


def _semitones(piece: Piece, degree: int) -> int:
    """Semitones of a scale degree above middle C."""
    octave, step = divmod(degree, 7)
    return piece.key + SCALES[piece.mode][step] + 12 * octave


def _voice(
    semitones: np.ndarray[Any, np.dtype[np.int64]],
    step: int,
    rolloff_db: float,
    attack: float,
    decay: float | None = None,
) -> Signal:
    """One monophonic line of harmonic tones by wavetable.

    Args:
        semitones: Notes above middle C, shape `(notes,)`.
        step: Samples per note.
        rolloff_db: Rolloff of the harmonics, in dB per octave.
        attack: Attack and release time in seconds.
        decay: Time in seconds for a fall by 8.7 dB; None for a sustained note.

    Returns:
        Samples of shape `(notes * step,)`; the tone's RMS is 1 before its envelope.
    """
    frequencies = MIDDLE_C_HZ * 2.0 ** (semitones / 12)
    harmonics = np.arange(1, int(HIGHEST_HARMONIC_HZ / frequencies.max()) + 1)
    spectrum = np.zeros(TABLE_SIZE // 2 + 1, np.complex128)
    # Quadratic phases keep the peaks of a sum of harmonics low (Schroeder, 1970).
    phases = np.pi * harmonics**2 / len(harmonics)
    spectrum[harmonics] = 10 ** (-rolloff_db * np.log2(harmonics) / 20) * np.exp(1j * phases)
    table = np.fft.irfft(spectrum)
    table /= table.std()
    cycles = np.cumsum(np.repeat(frequencies / SAMPLE_RATE, step))
    tone = table.astype(np.float32)[(cycles * TABLE_SIZE).astype(np.int64) % TABLE_SIZE]
    seconds = np.arange(step, dtype=np.float32) / SAMPLE_RATE
    envelope = np.minimum(1, np.minimum(seconds, seconds[::-1]) / attack)
    if decay is not None:
        envelope *= np.exp(-seconds / decay)
    return tone * np.tile(envelope.astype(np.float32), len(semitones))


def _to_loudness(stereo: Signal, loudness: float) -> Signal:
    """Clip softly, then scale to an RMS of `loudness` dB."""
    squeezed = np.tanh(stereo / (2.5 * stereo.std()))
    gain = 10 ** (min(loudness, LOUDEST_DB) / 20) / np.sqrt(np.mean(squeezed**2))
    return np.asarray(squeezed * gain, np.float32)
