"""What worker processes need, imported before they are forked from the process that starts them."""

from __future__ import annotations

import soundfile
import soxr
from librosa.filters import mel

from deephits_keras.audio import decoding, spectrogram
from deephits_keras.serve import worker

MODULES = (decoding, mel, soundfile, soxr, spectrogram, worker)
