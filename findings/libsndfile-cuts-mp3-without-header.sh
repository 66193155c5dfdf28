#!/usr/bin/env bash
# libsndfile 1.2.2 (soundfile 0.14.0): an MP3 of varying bit rate without a Xing or Info frame, as
# `ffmpeg -f mp3 -` and `lame - -` write it into a pipe, is cut without an error.
#
# Guess: `frames` and `read()` give all of it, or an error says that the length isn't known.
# Behaviour: libmpg123 estimates the length from the first frames' bit rate, and libsndfile stops
# there: a recording whose beginning costs more than the rest loses its end.
# Seen (28 November 2026, Linux, x86-64): "with the Xing frame: 441000 samples, without: 75809".
#
# Exits with 0 as long as this is so, with 1 when it no longer is.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m pip install -q --target "$folder/packages" soundfile==0.14.0 numpy==2.2.6
PYTHONPATH="$folder/packages" python3 - <<'PYTHON'
import io, sys
import numpy as np
import soundfile

rate, seconds = 44100, 10
draw = np.random.default_rng(0)
time = np.arange(rate * seconds) / rate
sound = 0.3 * np.sin(2 * np.pi * 440 * time)
sound[: 2 * rate] += 0.3 * draw.standard_normal(2 * rate)  # costly at first, then cheap
file = io.BytesIO()
soundfile.write(file, sound, rate, format="MP3", bitrate_mode="VARIABLE", compression_level=0.5)
whole = file.getvalue()
assert b"Xing" in whole[:100], "the encoder wrote no Xing frame"
second = whole.index(whole[:2], 2)  # where the next frame's header begins
bare = whole[second:]


def count(content):
    return len(soundfile.read(io.BytesIO(content))[0])


print(f"soundfile {soundfile.__version__}, {soundfile.__libsndfile_version__}")
print(f"with the Xing frame: {count(whole)} samples, without: {count(bare)}")
sys.exit(0 if count(bare) < 0.9 * count(whole) else 1)
PYTHON
