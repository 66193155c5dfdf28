#!/usr/bin/env bash
# libsndfile 1.2.2 (soundfile 0.14.0): a file whose name ends in .au or .snd is sound, whatever it holds.
#
# Guess: what doesn't begin as an AU file, for example the page of an error that a download saved under
# the recording's name, is refused, as it is under a name that ends in .wav.
# Behaviour: it is opened as raw u-law samples at 8,000 Hz, one per byte, without a warning.
# Seen (28 November 2026, Linux, x86-64): "page.wav: refused; page.au: RAW ULAW, 8000 Hz, 4000 samples"
#
# Exits with 0 as long as this is so, with 1 when it no longer is.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m pip install -q --target "$folder/packages" soundfile==0.14.0 numpy==2.2.6
PYTHONPATH="$folder/packages" python3 - "$folder" <<'PYTHON'
import sys
from pathlib import Path
import soundfile

page = ("<!doctype html><title>404 Not Found</title>" + "<p>It isn't here.</p>" * 400)[:4000]
told, as_raw = [], False
for name in ("page.wav", "page.au"):
    path = Path(sys.argv[1]) / name
    path.write_text(page)
    try:
        with soundfile.SoundFile(str(path)) as opened:
            kind = f"{opened.format} {opened.subtype}"
            told.append(f"{name}: {kind}, {opened.samplerate} Hz, {opened.frames} samples")
            as_raw = as_raw or opened.format == "RAW"
    except soundfile.SoundFileError:
        told.append(f"{name}: refused")
print("; ".join(told))
sys.exit(0 if as_raw and told[0].endswith("refused") else 1)
PYTHON
