"""Measure a recording with Essentia: statistics of its MusicExtractor.

Essentia's reference of MusicExtractor and its algorithms:
https://essentia.upf.edu/streaming_extractor_music.html
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from deephits_keras.audio.decoding import load_channels
from deephits_keras.audio.errors import AudioError
from deephits_keras.errors import UserError

SAMPLE_RATE = 44_100
"""Sample rate in Hz to which MusicExtractor resamples every recording."""

DISTRIBUTIONS = ("essentia", "essentia-tensorflow")
"""Packages with Essentia; both contain the same algorithms."""

REFERENCE = "2.1b6.dev1389"
"""Version of the statistics if Essentia isn't installed."""

PITCH_CLASSES = {
    name: number
    for number, names in enumerate(
        ("C", "C# Db", "D", "D# Eb", "E", "F", "F# Gb", "G", "G# Ab", "A", "A# Bb", "B")
    )
    for name in names.split()
}
WEAKEST_KEY = 0.5
"""Minimum correlation of a key: noise and clicks give 0.41 to 0.48, songs 0.7."""

FLATTEST_CHROMA = 5.1
"""Maximum entropy, in bits, of the mean HPCP's 36 bins: noise and sweeps give 5.14, songs 4.6."""

FEWEST_PITCH_CLASSES, HEARD = 3, 0.1
"""Relative energy of a present pitch class; with fewer than three of them there is no key."""

FEWEST_ONSETS = 0.2
"""Minimum onsets per second of music: noise and held notes have up to 0.1, slow chords 0.27."""

HIGHEST_DANCEABILITY = 5.0
"""Range of danceability: documented as 0 to about 3; a tone has 404, and a hum exactly 0."""

SMALLEST = 1e-10
"""Lower bound of values before the logarithm."""

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
    "tempo",
    "danceability",
    "mode",
)
"""Names of the statistics, in order: those of Essentia, with `log10` where it is applied.

`tonal.mode` is 1 for major and 0 for minor, `tonal.key` a pitch class or -1 for none,
`tonal.key_strength` their correlation, `length` in seconds. `tempo`, `danceability` and `mode` are
`rhythm.bpm`, `rhythm.danceability` and `tonal.mode` for music, and unknown for other audio,
for which Essentia returns values as well.
"""

MUSICAL = ("tempo", "danceability", "mode")
"""Statistics that repeat another one."""

Statistics = np.ndarray[Any, np.dtype[np.float32]]


def measure(recording: Path) -> Statistics:
    """Measure a recording.

    Args:
        recording: A file in a format of the package's decoder.

    Returns:
        `(len(STATISTICS),)` float32, NaN for statistics that need longer audio, or music.

    Raises:
        AudioError: if it can't be decoded, or Essentia can't analyse it (for example if silent).
        UserError: if Essentia isn't installed.
    """
    standard = import_essentia()
    wanted = ["mean", "stdev"]
    extractor = standard.MusicExtractor(
        lowlevelStats=["mean", "stdev", "cov"], rhythmStats=wanted, tonalStats=wanted
    )
    with decoded_copy(recording, SAMPLE_RATE) as (copy, length):
        try:
            pool, _ = extractor(str(copy))
        except RuntimeError as error:
            reason = str(error).removeprefix("In MusicExtractor.compute: ")
            if "silent" in reason:
                reason = "it is all but silent"
            raise AudioError(f"{recording.name} can't be analysed by Essentia: {reason}") from error
    return _statistics(pool, length)


@contextlib.contextmanager
def decoded_copy(recording: Path, sample_rate: int | None = None) -> Iterator[tuple[Path, float]]:
    """A WAV of a recording for Essentia to read, and its length in seconds.

    Essentia's decoder is an FFmpeg without Opus that follows playlists, so it gets the audio as
    decoded by this package.

    Args:
        recording: The recording.
        sample_rate: Sample rate of the copy in Hz; the recording's own by default.

    Raises:
        AudioError: if it can't be decoded.
    """
    import soundfile

    channels, rate = load_channels(recording, sample_rate)
    with tempfile.TemporaryDirectory(prefix="deephits-") as folder:
        copy = Path(folder, "recording.wav")
        soundfile.write(copy, channels, rate, subtype="FLOAT")
        yield copy, len(channels) / rate


def import_essentia() -> Any:
    """Essentia's standard mode, with logging disabled.

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
    """Essentia's version, on which statistics depend."""
    for name in DISTRIBUTIONS:
        try:
            return importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return REFERENCE


def _statistics(pool: Any, length: float) -> Statistics:
    key, mode, strength = _key(np.asarray(pool["tonal.hpcp.mean"], dtype=np.float32))
    bpm, danceability = float(pool["rhythm.bpm"]), float(pool["rhythm.danceability"])
    moves = float(pool["rhythm.onset_rate"]) >= FEWEST_ONSETS
    values = [
        *(float(pool[name]) for name in PLAIN),
        *(np.log10(max(float(pool[name]), SMALLEST)) for name in LOGARITHMIC),
        *(float(value) for name in VECTORS for value in pool[name]),
        *np.sqrt(np.maximum(np.diag(pool["lowlevel.mfcc.cov"]), 0)),
        strength,
        mode,
        key,
        length,
        bpm if moves and bpm > 0 else np.nan,
        danceability if moves and 0 < danceability <= HIGHEST_DANCEABILITY else np.nan,
        mode if key >= 0 else np.nan,
    ]
    statistics = np.array(values, dtype=np.float32)
    if bpm <= 0:
        statistics[STATISTICS.index("rhythm.bpm")] = np.nan
    statistics[~np.isfinite(statistics)] = np.nan
    return statistics


def _key(chroma: Statistics) -> tuple[int, int, float]:
    """Pitch class (-1 for none), mode and strength of the best matching key of a mean HPCP.

    MusicExtractor's keys treat harmonics of a chord as notes (`usePolyphony`) and often return the
    fourth degree: they are correct for 54 of 100 synthetic songs, this function for 77.
    """
    standard = import_essentia()
    name, scale, strength, _ = standard.Key(
        profileType="bgate",
        usePolyphony=False,
        useThreeChords=False,
        numHarmonics=4,
        slope=0.6,
        pcpSize=len(chroma),
    )(chroma)
    total = float(chroma.sum())
    shares = chroma / total if total > 0 else chroma
    entropy = -float(np.sum(shares * np.log2(np.maximum(shares, SMALLEST))))
    # Three bins per pitch class; the middle one is its own.
    classes = np.roll(chroma, 1).reshape(12, -1).sum(axis=1)
    heard = int((classes > HEARD * classes.max()).sum())
    is_tonal = (
        strength >= WEAKEST_KEY and entropy <= FLATTEST_CHROMA and heard >= FEWEST_PITCH_CLASSES
    )
    return PITCH_CLASSES[name] if is_tonal else -1, int(scale == "major"), float(strength)
