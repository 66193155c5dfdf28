"""`SoundEncoder`: the part that all encoders of recordings share."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from deephits_keras.encoders.contract import EncoderConfig, ModalityEncoder
from deephits_keras.encoders.features import ExtractionError, Features
from deephits_keras.encoders.inputs import AUDIO
from deephits_keras.tracks import Track

if TYPE_CHECKING:
    from pathlib import Path

    from deephits_keras.audio.decoding import Waveform

ConfigT = TypeVar("ConfigT", bound=EncoderConfig)


class SoundEncoder(ModalityEncoder[ConfigT]):
    """Base class of encoders of recordings: they refuse and remark on the same recordings.

    Example:
        >>> class Loudness(SoundEncoder[EncoderConfig]):
        ...     def extract(self, track):
        ...         if track.audio is None:
        ...             return None
        ...         [middle] = self.load_windows(track, 22050, 30 * 22050)
        ...         return {"loudness": (middle**2).mean(keepdims=True)}
    """

    inputs = (AUDIO,)

    @property
    def decoder(self) -> str:
        """Name of the decoder, one of `deephits_keras.audio.settings.DECODERS`."""
        return "soundfile"

    def sample_rate_of(self, track: Track) -> int:
        """Sample rate of a track's recording, in Hz.

        Raises:
            ExtractionError: if there is none, or it can't be decoded.
        """
        from deephits_keras.audio.decoding import sample_rate_of
        from deephits_keras.audio.errors import AudioError

        try:
            return sample_rate_of(_recording_of(track))
        except AudioError as error:
            raise ExtractionError(track.id, str(error)) from error

    def load_windows(
        self, track: Track, sample_rate: int, samples: int, count: int = 1, crop: str = "center"
    ) -> list[Waveform]:
        """Decode windows of a track's recording; see `deephits_keras.audio.load_windows`.

        Raises:
            ExtractionError: if there is none, or it can't be used; the message says why.
        """
        from deephits_keras.audio.decoding import load_windows
        from deephits_keras.audio.errors import AudioError

        recording = _recording_of(track)
        try:
            return load_windows(
                recording, sample_rate, samples, count=count, crop=crop, decoder=self.decoder
            )
        except AudioError as error:
            raise ExtractionError(track.id, str(error)) from error

    def remarks(self, track: Track, features: Features) -> tuple[str, ...]:
        """Remarks on the recording, for example that it ends early."""
        del features
        from deephits_keras.audio.decoding import remarks_on
        from deephits_keras.audio.errors import AudioError

        try:
            return remarks_on(track.audio, decoder=self.decoder) if track.audio else ()
        except AudioError:
            return ()


def _recording_of(track: Track) -> Path:
    if track.audio is None:
        raise ExtractionError(track.id, "it has no recording")
    return track.audio
