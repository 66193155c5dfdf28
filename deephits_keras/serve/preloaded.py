"""What worker processes need, imported before they are forked from the process that starts them."""

from __future__ import annotations

import soundfile
import soxr

from deephits_keras.audio import decoding, spectrogram
from deephits_keras.serve import worker

MODULES = (decoding, soundfile, soxr, spectrogram, worker)
