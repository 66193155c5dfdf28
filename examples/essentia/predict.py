"""Score a recording with Essentia alone: loader, log-mel spectrogram, model.

    deephits export RUN BUNDLE --format essentia
    pip install essentia-tensorflow    # in an environment without TensorFlow
    python predict.py BUNDLE song.mp3

Other inputs than the recording count as missing.
"""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import Any

import numpy as np
from essentia import Pool
from essentia import standard as es


def band_edges(bands: int, highest: float) -> list[float]:
    """Edges of Slaney's mel bands in Hz: linear up to 1,000 Hz, then logarithmic."""
    step = math.log(6.4) / 27
    mel = 3 * highest / 200 if highest < 1000 else 15 + math.log(highest / 1000) / step
    mels = [mel * place / (bands + 1) for place in range(bands + 2)]
    return [200 * m / 3 if m < 15 else 1000 * math.exp(step * (m - 15)) for m in mels]


def log_mels(path: str, settings: dict[str, Any]) -> list[Any]:
    """Spectrograms `(mel_bands, frames)` in dB of windows of a recording, as `deephits` does."""
    rate, samples = settings["sample_rate"], samples_of(settings)
    # Encoders of a single window don't have the setting.
    count = settings.get("windows", 1)
    # The best resampling: Essentia's default loses the highest bands.
    audio = es.MonoLoader(filename=path, sampleRate=rate, resampleQuality=0)()
    middle = settings["crop"] == "center"
    starts = [
        (len(audio) * (2 * n + 1) - count * samples) // (2 * count)
        if middle
        else n * len(audio) // count
        for n in range(count)
    ]
    last = max(0, len(audio) - samples)
    starts = [min(last, max(0, start)) for start in starts]
    return [log_mel(audio[start : start + samples], settings) for start in starts]


def samples_of(settings: dict[str, Any]) -> int:
    """Number of samples that a window uses."""
    samples: int = settings["frames"] * settings["hop_length"] - 1
    return samples


def log_mel(audio: Any, settings: dict[str, Any]) -> Any:
    """The spectrogram of a waveform."""
    rate, size, hop = settings["sample_rate"], settings["n_fft"], settings["hop_length"]
    audio = np.pad(audio, (0, max(0, samples_of(settings) + 1 - hop - len(audio))))
    window = es.Windowing(type="hann", size=size, normalized=False, symmetric=False)
    spectrum = es.PowerSpectrum(size=size)
    bands = es.TriangularBands(
        frequencyBands=band_edges(settings["mel_bands"], rate / 2),
        inputSize=size // 2 + 1,
        sampleRate=rate,
        type="magnitude",
        normalize="unit_tri",
        weighting="linear",
        log=False,
    )
    frames = es.FrameGenerator(audio, frameSize=size, hopSize=hop, startFromZero=False)
    mel = np.array([bands(spectrum(window(frame))) for frame in frames][: settings["frames"]])
    decibels = 10 * np.log10(np.maximum(mel.T, 1e-10))
    return np.maximum(decibels, decibels.max() - 80)


def predict(bundle: Path, recording: str) -> dict[str, list[float]]:
    """The model's outputs, scores and popularity for a recording."""
    model = json.loads((bundle / "model.json").read_text())
    inputs = {each["name"]: np.zeros((1, *each["shape"][1:])) for each in model["schema"]["inputs"]}
    if "mel_log_mel" not in inputs:
        sys.exit(f"{bundle} has no log-mel spectrogram among its inputs: {', '.join(inputs)}")
    inputs["mel_log_mel"][0] = log_mels(recording, model["inference"]["encoders"]["mel"])
    inputs["mel_present"][:] = 1
    given = Pool()
    for name, values in inputs.items():
        # Essentia ignores strides: a transposed array would be scrambled.
        given.set(name, np.ascontiguousarray(values, dtype=np.float32))
    nodes = {each["description"]: each["name"] for each in model["schema"]["outputs"]}
    run = es.TensorflowPredict(
        graphFilename=str(bundle / "model.pb"),
        inputs=list(inputs),
        outputs=list(nodes.values()),
        squeeze=False,
    )
    found = run(given)
    return {name: np.ravel(found[node]).tolist() for name, node in nodes.items()}


if __name__ == "__main__":
    print(json.dumps(predict(Path(sys.argv[1]), sys.argv[2])))
