#!/usr/bin/env bash
# Essentia 2.1b6.dev1389: MusicExtractor gives a tempo of white noise, and of a tone a danceability of
# hundreds.
#
# Guess: what has no beat has a tempo of 0, and danceability is 0 to about 3, as its description says.
# Behaviour: white noise has 88 BPM, and a sine of 440 Hz a danceability of 404, without a warning.
# Seen (28 November 2026, Linux, x86-64): "white noise: 88 BPM; a sine: danceability 404"
#
# Exits with 0 as long as this is so, with 1 when it no longer is.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m pip install -q --target "$folder/packages" essentia==2.1b6.dev1389 numpy==2.2.6 soundfile==0.14.0
PYTHONPATH="$folder/packages" python3 - "$folder" <<'PYTHON'
import sys
import numpy as np
import soundfile
import essentia
essentia.log.infoActive = essentia.log.warningActive = False
import essentia.standard as standard

rate, path = 44100, sys.argv[1] + "/sound.wav"
time = np.arange(20 * rate) / rate


def measured(sound):
    soundfile.write(path, np.stack([sound, sound], 1), rate)
    return standard.MusicExtractor()(path)[0]


noise = measured(0.1 * np.random.default_rng(1).standard_normal(len(time)))
tone = measured(0.3 * np.sin(2 * np.pi * 440 * time))
bpm, danceability = float(noise["rhythm.bpm"]), float(tone["rhythm.danceability"])
print(f"white noise: {bpm:.0f} BPM; a sine: danceability {danceability:.0f}")
sys.exit(0 if bpm > 0 and danceability > 10 else 1)
PYTHON
