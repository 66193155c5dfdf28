"""What Essentia measures of a recording: statistics of its MusicExtractor, as they are.

Essentia's reference of MusicExtractor and of each algorithm that it runs:
https://essentia.upf.edu/streaming_extractor_music.html
"""

from __future__ import annotations

import importlib.metadata
from pathlib import Path
from typing import Any

import numpy as np

from deephits_keras.audio.decoding import load_audio
from deephits_keras.audio.errors import AudioError
from deephits_keras.errors import UserError

SAMPLE_RATE = 44_100
"""Hz; MusicExtractor resamples every recording to it."""

DISTRIBUTIONS = ("essentia", "essentia-tensorflow")
"""Either brings the same algorithms."""

REFERENCE = "2.1b6.dev1389"
"""The version whose statistics are meant where Essentia isn't installed to measure any."""

PITCH_CLASSES = {
    name: number
    for number, names in enumerate(
        ("C", "C# Db", "D", "D# Eb", "E", "F", "F# Gb", "G", "G# Ab", "A", "A# Bb", "B")
    )
    for name in names.split()
}
KEY_PROFILES = ("edma", "krumhansl", "temperley")
"""MusicExtractor's three; the one whose correlation is strongest decides on key and mode."""

WEAKEST_KEY = 0.4
"""A weaker correlation with every key is none: white noise gives about 0.3."""

SMALLEST = 1e-10
"""In the place of what is smaller, before a logarithm is taken."""

PLAIN = (
    "rhythm.bpm",
    "rhythm.danceability",
    "rhythm.onset_rate",
    "rhythm.bpm_histogram_first_peak_weight",
    "rhythm.bpm_histogram_second_peak_weight",
    "lowlevel.loudness_ebu128.integrated",
    "lowlevel.loudness_ebu128.loudness_range",
    "lowlevel.average_loudness",
    "lowlevel.dynamic_complexity",
    "lowlevel.spectral_complexity.mean",
    "lowlevel.spectral_complexity.stdev",
    "lowlevel.spectral_entropy.mean",
    "lowlevel.spectral_entropy.stdev",
    "lowlevel.spectral_skewness.mean",
    "lowlevel.zerocrossingrate.mean",
    "lowlevel.zerocrossingrate.stdev",
    "lowlevel.dissonance.mean",
    "lowlevel.dissonance.stdev",
    "lowlevel.pitch_salience.mean",
    "lowlevel.pitch_salience.stdev",
    "lowlevel.silence_rate_60dB.mean",
    "lowlevel.barkbands_flatness_db.mean",
    "lowlevel.barkbands_flatness_db.stdev",
    "tonal.chords_changes_rate",
    "tonal.chords_number_rate",
    "tonal.chords_strength.mean",
    "tonal.hpcp_entropy.mean",
    "tonal.tuning_equal_tempered_deviation",
    "tonal.tuning_nontempered_energy_ratio",
)
LOGARITHMIC = (
    "rhythm.beats_loudness.mean",
    "lowlevel.spectral_centroid.mean",
    "lowlevel.spectral_centroid.stdev",
    "lowlevel.spectral_rolloff.mean",
    "lowlevel.spectral_rolloff.stdev",
    "lowlevel.spectral_spread.mean",
    "lowlevel.spectral_flux.mean",
    "lowlevel.spectral_flux.stdev",
    "lowlevel.spectral_rms.mean",
    "lowlevel.spectral_rms.stdev",
    "lowlevel.spectral_kurtosis.mean",
    "lowlevel.spectral_strongpeak.mean",
    "lowlevel.hfc.mean",
    "lowlevel.hfc.stdev",
    "lowlevel.spectral_energyband_low.mean",
    "lowlevel.spectral_energyband_middle_low.mean",
    "lowlevel.spectral_energyband_middle_high.mean",
    "lowlevel.spectral_energyband_high.mean",
    "lowlevel.barkbands_crest.mean",
    "tonal.hpcp_crest.mean",
)
VECTORS = {
    "lowlevel.mfcc.mean": 13,
    "lowlevel.spectral_contrast_coeffs.mean": 6,
    "rhythm.beats_loudness_band_ratio.mean": 6,
}
MFCC = 13

STATISTICS = (
    *PLAIN,
    *(f"log10 {name}" for name in LOGARITHMIC),
    *(f"{name}[{index}]" for name, size in VECTORS.items() for index in range(size)),
    *(f"lowlevel.mfcc.stdev[{index}]" for index in range(MFCC)),
    "tonal.key_strength",
    "tonal.mode",
    "tonal.key",
    "length",
)
"""Names of the statistics, in order: Essentia's, after `log10` where that is what is kept.

`tonal.mode` is 1 for major and 0 for minor, `tonal.key` a pitch class or -1 for none,
`tonal.key_strength` their correlation, `length` in seconds.
"""

Statistics = np.ndarray[Any, np.dtype[np.float32]]


def measure(recording: Path) -> Statistics:
    """Measure a recording.

    Args:
        recording: A file that the package's decoder reads, mono or stereo.

    Returns:
        `(len(STATISTICS),)` float32, NaN for what Essentia can't tell of so little sound.

    Raises:
        AudioError: if it can't be decoded, or Essentia can't analyse it: it is silent, for one.
        UserError: if Essentia isn't installed.
    """
    standard = import_essentia()
    # MusicExtractor decodes by itself with FFmpeg, which reads playlists as well: only what
    # libsndfile takes for a recording gets that far, under a path that names no protocol.
    waveform = load_audio(recording, SAMPLE_RATE)
    wanted = ["mean", "stdev"]
    extractor = standard.MusicExtractor(
        lowlevelStats=["mean", "stdev", "cov"], rhythmStats=wanted, tonalStats=wanted
    )
    try:
        pool, _ = extractor(str(recording.resolve()))
    except RuntimeError as error:
        reason = str(error).removeprefix("In MusicExtractor.compute: ")
        if "silent" in reason:
            reason = "it is completely silent"
        raise AudioError(f"{recording.name} can't be analysed by Essentia: {reason}") from error
    return _statistics(pool, len(waveform) / SAMPLE_RATE)


def import_essentia() -> Any:
    """Essentia's standard mode, its log silenced.

    Raises:
        UserError: if it isn't installed; the message says what to install.
    """
    try:
        import essentia

        essentia.log.infoActive = False
        essentia.log.warningActive = False
        import essentia.standard
    except ImportError as error:
        raise UserError(
            "Essentia isn't installed. It is free software under the AGPL-3.0, so this package "
            "doesn't bring it by itself: pip install 'deephits-keras[essentia]'"
        ) from error
    return essentia.standard


def essentia_version() -> str:
    """Essentia's version: another one's statistics are not the same."""
    for name in DISTRIBUTIONS:
        try:
            return importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return REFERENCE


def _statistics(pool: Any, length: float) -> Statistics:
    key, mode, strength = _key(pool)
    values = [
        *(float(pool[name]) for name in PLAIN),
        *(np.log10(max(float(pool[name]), SMALLEST)) for name in LOGARITHMIC),
        *(float(value) for name in VECTORS for value in pool[name]),
        *np.sqrt(np.maximum(np.diag(pool["lowlevel.mfcc.cov"]), 0)),
        strength,
        mode,
        key,
        length,
    ]
    statistics = np.array(values, dtype=np.float32)
    if statistics[STATISTICS.index("rhythm.bpm")] <= 0:
        statistics[STATISTICS.index("rhythm.bpm")] = np.nan
    statistics[~np.isfinite(statistics)] = np.nan
    return statistics


def _key(pool: Any) -> tuple[int, int, float]:
    strengths = {profile: float(pool[f"tonal.key_{profile}.strength"]) for profile in KEY_PROFILES}
    best = max(strengths, key=lambda profile: strengths[profile])
    pitch_class = PITCH_CLASSES[pool[f"tonal.key_{best}.key"]]
    mode = int(pool[f"tonal.key_{best}.scale"] == "major")
    return pitch_class if strengths[best] >= WEAKEST_KEY else -1, mode, strengths[best]
