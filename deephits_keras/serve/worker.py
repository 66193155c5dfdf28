"""What a worker process does (`workers`)."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import signal
import tempfile
from collections.abc import Collection
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

from deephits_keras.audio.decoding import seconds_of
from deephits_keras.audio.errors import AudioError
from deephits_keras.audio.recording import clock
from deephits_keras.cpu import keep_freed_memory
from deephits_keras.encoders.inputs import AUDIO
from deephits_keras.errors import DeepHitsError
from deephits_keras.prediction.extraction import ExtractedTrack, TrackExtractor
from deephits_keras.tracks import Track


@dataclass(frozen=True)
class Task:
    """Work for a process.

    Attributes:
        track: The track.
        modalities: The modalities to extract.
        longest_minutes: Longest recording.
    """

    track: Track
    modalities: Collection[str]
    longest_minutes: float


def work(pipe: Connection, extractor: TrackExtractor) -> None:
    """Say that all is loaded, then answer tasks until None comes, or the server is gone.

    Args:
        pipe: Gets None at first, then for each `Task` an `ExtractedTrack`, or a reason.
        extractor: Extracts the features.
    """
    # Ctrl-C in a terminal goes to all processes: the server decides when this one ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.environ["CUDA_VISIBLE_DEVICES"] = ""
    keep_freed_memory()
    warm_up(extractor)
    # Decoders write there what they think of damaged files, which isn't for the server's log.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    try:
        pipe.send(None)
        while (task := pipe.recv()) is not None:
            pipe.send(answer_to(task, extractor))
    except (EOFError, BrokenPipeError):
        return


def warm_up(extractor: TrackExtractor) -> None:
    """Extract the encoders' example tracks: what they import on first use is then there."""
    for modality, encoder in extractor.encoders.items():
        # Whatever is wrong is told to a track that needs it.
        with contextlib.suppress(Exception), tempfile.TemporaryDirectory() as folder:
            tracks = list(encoder.example_tracks(Path(folder)))[:1]
            dataclasses.replace(extractor, encoders={modality: encoder})(tracks)


def answer_to(task: Task, extractor: TrackExtractor) -> ExtractedTrack | str:
    """The track with its features, or why there are none."""
    wanted = {m: e for m, e in extractor.encoders.items() if m in task.modalities}
    try:
        require_short(task.track, task.longest_minutes)
        (extracted,) = dataclasses.replace(extractor, encoders=wanted)([task.track])
    except DeepHitsError as error:
        return str(error)
    except MemoryError:
        return f"track {task.track.id} needs more memory than there is"
    return extracted


def require_short(track: Track, minutes: float) -> None:
    """Refuse a recording that is too long, before all of it is decoded.

    Raises:
        DeepHitsError: with its duration.
    """
    path = track.files.get(AUDIO.name)
    if path is None:
        return
    try:
        seconds = seconds_of(path)
    except AudioError:
        # The encoder says what is wrong with it.
        return
    if seconds > 60 * minutes:
        raise DeepHitsError(f"audio is {clock(seconds)} long, more than {clock(60 * minutes)}")
