"""`Recording`: an open recording of which any segment can be decoded by itself."""

from __future__ import annotations

import abc
from collections.abc import Iterator
from typing import Any, Self

import numpy as np

from deephits_keras.audio.errors import AudioError

Samples = np.ndarray[Any, np.dtype[np.float32]]
"""`(samples, channels)`, full scale at 1."""

BLOCK = 2**15
"""Samples per channel decoded at once: few enough to stay in the CPU cache."""

MOST_SAMPLES = 2**29
"""Most samples of all channels together that are decoded at once (2 GiB)."""


class UndecodableError(AudioError):
    """This decoder can't read the recording; another may."""


class Recording(abc.ABC):
    """An open recording.

    Attributes:
        rate: Sample rate in Hz.
        channels: Number of channels.
        samples: Number of samples per channel that can be decoded.
        remarks: Remarks on it, phrased to follow its name: `ends early: ...`.
        hides_damage: Whether a damage inside is only found by decoding it.
    """

    rate: int
    channels: int
    samples: int
    remarks: tuple[str, ...] = ()
    hides_damage: bool = False

    @abc.abstractmethod
    def blocks(self, start: int, stop: int) -> Iterator[Samples]:
        """Decode a segment, equal to the same segment of the whole recording.

        Args:
            start: First sample, from 0.
            stop: Last sample, exclusive, up to `samples`.

        Yields:
            `(samples, channels)` float32 blocks in order; each is valid until the next.

        Raises:
            UndecodableError: if it is shorter than that, or damaged.
        """

    def close(self) -> None:  # noqa: B027 - not every recording has something to close
        """Close the file."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()


class Decoded(Recording):
    """A recording that is already decoded.

    Args:
        decoded: The samples, `(samples, channels)` float32.
        rate: Sample rate in Hz.
        remarks: As in `Recording`.
    """

    def __init__(self, decoded: Samples, rate: int, remarks: tuple[str, ...] = ()) -> None:
        self.samples, self.channels = decoded.shape
        self.rate, self.remarks, self._decoded = rate, remarks, decoded

    def blocks(self, start: int, stop: int) -> Iterator[Samples]:
        """See the base class."""
        for place in range(start, stop, BLOCK):
            yield self._decoded[place : min(stop, place + BLOCK)]


def clock(seconds: float) -> str:
    """A duration as text: `3:05`, `1:02:03` from an hour on, with tenths below ten seconds."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def ends_early(samples: int, promised: int, rate: int) -> str:
    """The remark on a recording that is shorter than its header says."""
    there, said = clock(samples / rate), clock(promised / rate)
    return f"ends early: {there} of the {said} that its header tells are there"
