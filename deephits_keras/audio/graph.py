"""Decoding inside a TensorFlow graph, by tensorflow-io's kernels: the decoder `tensorflow-io`.

Every function takes and returns tensors, so that a `tf.data` pipeline or a served function can
begin with the encoded bytes of a recording. Needs the extra `tfio`: tensorflow-io 0.37.1 is the
last release, and its kernels load beside TensorFlow 2.16 and 2.17 only.

tensorflow-io's decoders don't say the sample rate, which is read from the headers here: ISO
11172-3, 2.4.1.3 (MP3); RFC 9639, 8.2 (FLAC); Vorbis I, 4.2.2; RIFF WAVE.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from deephits_keras.audio.errors import AudioError
from deephits_keras.errors import UserError
from deephits_keras.types import Tensor

try:
    import tensorflow_io as tfio
except ImportError as error:
    raise UserError(
        "The decoder tensorflow-io needs the package tensorflow-io: "
        "pip install 'deephits-keras[tfio]' (TensorFlow 2.17, Python 3.11 or 3.12)"
    ) from error


def decode_channels(content: bytes, name: str) -> tuple[np.ndarray[Any, Any], int]:
    """Decode a recording eagerly.

    Args:
        content: MP3, Ogg Vorbis, FLAC or WAV.
        name: Name of the recording in messages.

    Returns:
        `(samples, channels)` float32, and the sample rate in Hz.

    Raises:
        AudioError: if it can't be decoded.
        UserError: if tensorflow-io's kernels don't load beside this TensorFlow.
    """
    try:
        channels, rate = decode_audio(tf.constant(content))
    except NotImplementedError as error:
        raise UserError(
            "tensorflow-io's kernels don't load beside TensorFlow "
            f"{tf.__version__}: it takes 2.16 or 2.17 (pip install 'deephits-keras[tfio]')"
        ) from error
    except tf.errors.OpError as error:
        raise AudioError(f"{name} can't be decoded: {error.message}") from error
    return channels.numpy(), int(rate)


def decode_waveform(content: Tensor, sample_rate: int) -> Tensor:
    """Decode a recording, mix it to mono and resample it, inside the graph.

    The resampler is the ideal low-pass filter, by FFT, and not soxr: below nine tenths of half the
    lower rate the waveform is `load_audio`'s within 0.01 of full scale. (tensorflow-io's own
    resampler isn't used: its output is out of phase with its input.)

    Args:
        content: Scalar string tensor: the bytes of an MP3, Ogg Vorbis, FLAC or WAV file.
        sample_rate: Sample rate of the waveform, in Hz.

    Returns:
        `(samples,)` float32.

    Raises:
        tf.errors.InvalidArgumentError: when run on bytes that can't be decoded.
    """
    channels, rate = decode_audio(content)
    mono = tf.reduce_mean(channels, axis=1)
    samples = tf.shape(mono)[0]
    # Whole seconds have whole numbers of samples at both rates; one second more of silence keeps
    # the end from wrapping around to the start.
    seconds = samples // rate + 2
    spectrum = tf.signal.rfft(mono, [seconds * rate])
    resampled = tf.signal.irfft(spectrum, [seconds * sample_rate])
    gain = tf.cast(sample_rate, tf.float32) / tf.cast(rate, tf.float32)
    wanted = tf.cast(samples, tf.int64) * sample_rate / tf.cast(rate, tf.int64)
    return resampled[: tf.cast(tf.math.ceil(wanted), tf.int32)] * gain


def decode_audio(content: Tensor) -> tuple[Tensor, Tensor]:
    """Decode a recording; its format is detected from its first bytes.

    Args:
        content: Scalar string tensor.

    Returns:
        `(samples, channels)` float32, full scale at 1, and the sample rate in Hz, scalar int32.

    Raises:
        tf.errors.InvalidArgumentError: when run on bytes that can't be decoded.
    """
    magic = tf.strings.substr(content, 0, 4)
    channels, rate = tf.case(
        [
            (tf.equal(magic, b"OggS"), lambda: _decode_vorbis(content)),
            (tf.equal(magic, b"fLaC"), lambda: _decode_flac(content)),
            (tf.equal(magic, b"RIFF"), lambda: _decode_wav(content)),
        ],
        default=lambda: _decode_mp3(content),
    )
    return tf.ensure_shape(channels, [None, None]), rate


def _decode_vorbis(content: Tensor) -> tuple[Tensor, Tensor]:
    start = _find(content, b"\x01vorbis", "Ogg without Vorbis")
    return tfio.audio.decode_vorbis(content), _little_endian(content, start + 12, 4)


def _decode_flac(content: Tensor) -> tuple[Tensor, Tensor]:
    fields = _bytes(content, 18, 4)
    rate = fields[0] * 4096 + fields[1] * 16 + fields[2] // 16
    bits = (fields[2] % 2) * 16 + fields[3] // 16 + 1
    channels = tf.cond(
        tf.less_equal(bits, 16),
        lambda: _scaled(tfio.audio.decode_flac(content, dtype=tf.int16)),
        lambda: _scaled(tfio.audio.decode_flac(content, dtype=tf.int32)),
    )
    return channels, rate


def _decode_wav(content: Tensor) -> tuple[Tensor, Tensor]:
    start = _find(content, b"fmt ", "WAV without a format chunk") + 8
    bits = _little_endian(content, start + 14, 2)
    is_float = tf.equal(_little_endian(content, start, 2), 3)
    channels = tf.case(
        [
            (is_float, lambda: tfio.audio.decode_wav(content, dtype=tf.float32)),
            (bits > 16, lambda: _scaled(tfio.audio.decode_wav(content, dtype=tf.int32))),
        ],
        default=lambda: _scaled(tfio.audio.decode_wav(content, dtype=tf.int16)),
    )
    return channels, _little_endian(content, start + 4, 4)


MP3_RATES = ((11025, 12000, 8000), (0, 0, 0), (22050, 24000, 16000), (44100, 48000, 32000))
"""Sample rates in Hz by MPEG version bits (2.5, reserved, 2, 1) and rate index."""


def _decode_mp3(content: Tensor) -> tuple[Tensor, Tensor]:
    size = _bytes(content, 6, 4)
    tag = ((size[0] * 128 + size[1]) * 128 + size[2]) * 128 + size[3] + 10
    has_tag = tf.equal(tf.strings.substr(content, 0, 3), b"ID3")
    audio = tf.strings.substr(content, tf.where(has_tag, tag, 0), -1)
    # Padding may follow the tag: the first frame begins with eleven set bits.
    values = tf.cast(tf.io.decode_raw(audio, tf.uint8), tf.int32)
    sync = tf.where((values[:-2] == 255) & (values[1:-1] >= 224) & (values[2:] // 4 % 4 != 3))
    tf.debugging.assert_greater(tf.size(sync), 0, "no MP3, Ogg Vorbis, FLAC or WAV")
    first = tf.cast(sync[0, 0], tf.int32)
    rate = tf.constant(MP3_RATES)[values[first + 1] // 8 % 4, values[first + 2] // 4 % 4]
    return tfio.audio.decode_mp3(content), rate


def _scaled(samples: Tensor) -> Tensor:
    return tf.cast(samples, tf.float32) / (float(samples.dtype.max) + 1.0)


def _find(content: Tensor, wanted: bytes, otherwise: str) -> Tensor:
    """Offset of the first occurrence in the first kilobyte."""
    head = tf.strings.substr(content, 0, 1024)
    parts = tf.strings.split(head, sep=wanted, maxsplit=1)
    tf.debugging.assert_equal(tf.size(parts), 2, otherwise)
    return tf.strings.length(parts[0])


def _bytes(content: Tensor, start: int | Tensor, count: int) -> Tensor:
    text = tf.strings.substr(content, start, count)
    values = tf.cast(tf.io.decode_raw(text, tf.uint8), tf.int32)
    return tf.pad(values, [[0, tf.maximum(0, count - tf.size(values))]])


def _little_endian(content: Tensor, start: int | Tensor, count: int) -> Tensor:
    places = tf.constant([256**i for i in range(count)], tf.int32)
    return tf.reduce_sum(_bytes(content, start, count) * places)
