#!/usr/bin/env bash
# libsndfile 1.2.2 (soundfile 0.14.0): writing a long Ogg Vorbis in one call ends the process.
#
# Guess: `soundfile.write` writes arrays of any length, as it does for MP3, FLAC and WAV.
# Behaviour: four minutes of stereo in one call are a segmentation fault; written a second at a time
# they are a whole file. (Probably what is analysed of one write lies on the stack.)
# Seen (28 November 2026, Linux, x86-64): "in one call: -11, a second at a time: 0".
#
# Exits with 0 as long as this is so, with 1 when it no longer is.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m pip install -q --target "$folder/packages" soundfile==0.14.0 numpy==2.2.6
PYTHONPATH="$folder/packages" python3 - "$folder" <<'PYTHON'
import subprocess, sys

WRITE = """
import sys
import numpy as np
import soundfile
rate, step = 44100, int(sys.argv[2])
sound = 0.1 * np.random.default_rng(0).standard_normal((240 * rate, 2)).astype("float32")
with soundfile.SoundFile(sys.argv[1], "w", rate, 2, format="OGG", subtype="VORBIS") as file:
    for start in range(0, len(sound), step):
        file.write(sound[start : start + step])
"""


def code(step):
    words = [sys.executable, "-c", WRITE, sys.argv[1] + "/song.ogg", str(step)]
    return subprocess.run(words).returncode


at_once, in_parts = code(240 * 44100), code(44100)
print(f"in one call: {at_once}, a second at a time: {in_parts}")
sys.exit(0 if at_once < 0 and in_parts == 0 else 1)
PYTHON
