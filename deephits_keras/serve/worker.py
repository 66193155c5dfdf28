"""What a worker process does (`workers`)."""

from __future__ import annotations

import contextlib
import os
import signal
import tempfile
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from deephits_keras.audio.decoding import seconds_of
from deephits_keras.audio.errors import AudioError
from deephits_keras.audio.recording import clock
from deephits_keras.cpu import keep_freed_memory
from deephits_keras.encoders.inputs import AUDIO
from deephits_keras.errors import DeepHitsError
from deephits_keras.export.opening import open_model
from deephits_keras.prediction.preparation import PreparedTrack, Preparer
from deephits_keras.tracks import Track


@dataclass(frozen=True)
class Task:
    """Work for a process.

    Attributes:
        prepared: The track.
        modalities: The modalities to extract.
        longest_minutes: Longest recording.
    """

    prepared: PreparedTrack
    modalities: Collection[str]
    longest_minutes: float


def work(pipe: Connection, folder: Path, settings: Mapping[str, Mapping[str, Any]]) -> None:
    """Say that all is loaded, then answer tasks until None comes, or the server is gone.

    Args:
        pipe: Gets None at first, then for each `Task` a `PreparedTrack`, or a reason.
        folder: Folder of the run or bundle.
        settings: Encoder settings that override its own.
    """
    # Ctrl-C in a terminal goes to all processes: the server decides when this one ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.environ["CUDA_VISIBLE_DEVICES"] = ""
    keep_freed_memory()
    preparer = Preparer(open_model(folder, settings))
    warm_up(preparer)
    try:
        pipe.send(None)
        while (task := pipe.recv()) is not None:
            pipe.send(answer_to(task, preparer))
    except (EOFError, BrokenPipeError):
        return


def warm_up(preparer: Preparer) -> None:
    """Extract the encoders' example tracks: what they import on first use is then there."""
    for modality, encoder in preparer.encoders.items():
        if not encoder.parallel:
            continue
        # Whatever is wrong is told to a track that needs it.
        with contextlib.suppress(Exception), tempfile.TemporaryDirectory() as folder:
            tracks = list(encoder.example_tracks(Path(folder)))[:1]
            preparer.prepare([PreparedTrack(track) for track in tracks], (modality,))


def answer_to(task: Task, preparer: Preparer) -> PreparedTrack | str:
    """The track with its features, or why there are none."""
    try:
        require_short(task.prepared.track, task.longest_minutes)
        preparer.prepare([task.prepared], task.modalities)
    except DeepHitsError as error:
        return str(error)
    except MemoryError:
        return f"track {task.prepared.track.id} needs more memory than there is"
    return task.prepared


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
