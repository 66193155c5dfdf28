#!/usr/bin/env bash
# libsndfile 1.2.2 (soundfile 0.14.0): of a FLAC that ends early, nothing is read at once.
#
# Guess: `soundfile.read` gives what there is, as it does for MP3, Ogg and WAV.
# Behaviour: it raises an error whose text is empty; read in small blocks without seeking after each
# (soundfile seeks after every read of a file that it takes for seekable), all but the last block is
# there.
# Seen (28 November 2026, Linux, x86-64): "at once: LibsndfileError, in blocks: 217088 of 441000".
#
# Exits with 0 as long as this is so, with 1 when it no longer is.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m pip install -q --target "$folder/packages" soundfile==0.14.0 numpy==2.2.6
PYTHONPATH="$folder/packages" python3 - <<'PYTHON'
import io, sys
import numpy as np
import soundfile

file = io.BytesIO()
sound = 0.1 * np.random.default_rng(0).standard_normal(441000)
soundfile.write(file, sound, 44100, format="FLAC")
half = file.getvalue()[: len(file.getvalue()) // 2]


class InOrder(soundfile.SoundFile):
    def seekable(self):
        return False


try:
    at_once = f"{len(soundfile.read(io.BytesIO(half))[0])} samples"
except soundfile.SoundFileError as error:
    at_once = type(error).__name__
count = 0
with InOrder(io.BytesIO(half)) as opened:
    try:
        while len(block := opened.read(4096)):
            count += len(block)
    except soundfile.SoundFileError:
        pass
print(f"at once: {at_once}, in blocks: {count} of 441000")
sys.exit(0 if "Error" in at_once and count > 200_000 else 1)
PYTHON
