"""The 31 groups of MusicExtractor's statistics that Zangerle et al. (2019) call deep."""

from __future__ import annotations

STATISTICS = ("mean", "var", "min", "max", "median", "dmean", "dmean2", "dvar", "dvar2")
"""Statistics of a descriptor over frames, as AcousticBrainz has them."""

MOMENTS = ("crest", "kurtosis", "skewness", "spread")
PITCHES = 12
SCALES = ("major", "minor")


def _over_frames(*descriptors: str) -> tuple[str, ...]:
    return tuple(f"{name}.{statistic}" for name in descriptors for statistic in STATISTICS)


def _key(name: str) -> tuple[str, ...]:
    """Indicators of a pitch class and a scale."""
    pitches = (f"{name}.key={pitch}" for pitch in range(PITCHES))
    return (*pitches, *(f"{name}.scale={scale}" for scale in SCALES))


LOW_LEVEL = {
    "average_loudness": ("lowlevel.average_loudness",),
    "dissonance": _over_frames("lowlevel.dissonance"),
    "barkbands": _over_frames(*(f"lowlevel.barkbands_{name}" for name in MOMENTS)),
    "barkbands_flatness": _over_frames("lowlevel.barkbands_flatness_db"),
    "dynamic_complexity": ("lowlevel.dynamic_complexity",),
    "erbbands": _over_frames(*(f"lowlevel.erbbands_{name}" for name in MOMENTS)),
    "erbbands_flatness": _over_frames("lowlevel.erbbands_flatness_db"),
    "hfc": _over_frames("lowlevel.hfc"),
    "melbands_flatness": _over_frames("lowlevel.melbands_flatness_db"),
    "melbands": _over_frames(*(f"lowlevel.melbands_{name}" for name in MOMENTS)),
    "pitch_salience": _over_frames("lowlevel.pitch_salience"),
    "silence_rate": _over_frames(*(f"lowlevel.silence_rate_{db}0dB" for db in (2, 3, 6))),
    "centroid": _over_frames("lowlevel.spectral_centroid"),
    "complexity": _over_frames("lowlevel.spectral_complexity"),
    "decrease": _over_frames("lowlevel.spectral_decrease"),
    "energy": _over_frames("lowlevel.spectral_energy"),
    "energybands": _over_frames(
        *(f"lowlevel.spectral_energyband_{n}" for n in ("high", "middle_high", "middle_low", "low"))
    ),
    "entropy": _over_frames("lowlevel.spectral_entropy"),
    "flux": _over_frames("lowlevel.spectral_flux"),
    "shape": _over_frames(*(f"lowlevel.spectral_{name}" for name in MOMENTS[1:])),
    "rms": _over_frames("lowlevel.spectral_rms"),
    "rolloff": _over_frames("lowlevel.spectral_rolloff"),
    "strongpeak": _over_frames("lowlevel.spectral_strongpeak"),
    "zero_crossings": _over_frames("lowlevel.zerocrossingrate"),
}
TONAL = {
    "tonality": (
        "tonal.chords_changes_rate",
        "tonal.chords_number_rate",
        "tonal.tuning_frequency",
        "tonal.key_temperley.strength",
        "tonal.tuning_diatonic_strength",
        "tonal.tuning_equal_tempered_deviation",
        "tonal.tuning_nontempered_energy_ratio",
    ),
    "harmony": _over_frames("tonal.chords_strength", "tonal.hpcp_entropy"),
    "chords": _key("tonal.chords"),
    "key": _key("tonal.key_temperley"),
}
RHYTHM = {
    "rhythm": (
        "rhythm.bpm",
        "rhythm.beats_count",
        "rhythm.onset_rate",
        "rhythm.danceability",
    ),
    "beats_loudness": _over_frames("rhythm.beats_loudness"),
    "bpm_histogram": (
        "rhythm.bpm_histogram_first_peak_bpm",
        "rhythm.bpm_histogram_first_peak_weight",
        "rhythm.bpm_histogram_second_peak_bpm",
        "rhythm.bpm_histogram_second_peak_spread",
        "rhythm.bpm_histogram_second_peak_weight",
    ),
}

GROUPS = {**LOW_LEVEL, **TONAL, **RHYTHM}
"""The statistics of each group: 24 low-level, 4 tonal and 3 rhythmic ones."""

NAMES = tuple(name for group in GROUPS.values() for name in group)
