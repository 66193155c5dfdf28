"""A bundle's example tracks: inputs and expected outputs."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from deephits_keras.encoders.registry import AnyEncoder
from deephits_keras.errors import UserError
from deephits_keras.export.bundle import Bundle
from deephits_keras.export.files import EXAMPLES
from deephits_keras.features.outcomes import outcomes
from deephits_keras.runs.scorer import model_inputs
from deephits_keras.tasks import Task

TOLERANCE = 1e-5
"""Tolerance of class scores (0-1) and popularity / 100, compared with the Keras model."""

OUTPUT_TOLERANCE = 1e-4
"""Relative tolerance of raw outputs, relative to the largest or 1."""

EXAMPLE_TRACKS = 2

Inputs = dict[str, np.ndarray[Any, Any]]


def example_inputs(encoders: Mapping[str, AnyEncoder]) -> Inputs:
    """Inputs of two example tracks, of which the second lacks the first of several modalities.

    They are the example tracks of each encoder; if it can't use them (for example without its
    checkpoint), the modality is missing.
    """
    inputs: Inputs = {}
    for number, (_, encoder) in enumerate(encoders.items()):
        with tempfile.TemporaryDirectory() as folder:
            tracks = list(encoder.example_tracks(Path(folder)))[:EXAMPLE_TRACKS]
            try:
                found = [o if isinstance(o, dict) else None for o in outcomes(encoder, tracks)]
            except UserError:
                found = []
        found += [None] * (EXAMPLE_TRACKS - len(found))
        if number == 0 and len(encoders) > 1:
            found[-1] = None
        inputs |= model_inputs(encoder, found)
    return inputs


def wrong_answers(bundle: Bundle) -> str:
    """Difference of a bundle's outputs from the stored ones, as text; empty if they agree.

    Raises:
        UserError: if the examples or the graph can't be used.
    """
    wanted, inputs = read_examples(bundle)
    given = bundle.scorer(inputs)
    # Nothing is larger than a tolerance if it isn't a number.
    if not (np.isfinite(given).all() and np.isfinite(wanted).all()):
        return "its example tracks' outputs aren't finite numbers"
    difference = score_difference(bundle.task, given, wanted)
    if difference > TOLERANCE:
        return f"its example tracks' scores differ by {difference:.2g}, more than {TOLERANCE:g}"
    # For scores close to 0 or 1, compare logits as well.
    share = float(np.abs(given - wanted).max() / max(1.0, np.abs(wanted).max()))
    if share > OUTPUT_TOLERANCE:
        return f"its example tracks' outputs differ by {share:.2g} of the largest"
    return ""


def score_difference(task: Task, ours: Any, theirs: Any) -> float:
    """The largest difference of two models' outputs, in scores or popularity / 100."""
    pairs = [task.decode(outputs) for outputs in (ours, theirs)]
    differences = [np.abs(pairs[0].popularity - pairs[1].popularity).max() / 100]
    if pairs[0].scores is not None and pairs[1].scores is not None:
        differences.append(np.abs(pairs[0].scores - pairs[1].scores).max())
    return float(max(differences))


def read_examples(bundle: Bundle) -> tuple[np.ndarray[Any, Any], Inputs]:
    """The outputs and inputs of the example tracks.

    Raises:
        UserError: if they don't match the manifest.
    """
    path = bundle.folder / EXAMPLES
    expected = {t.name: ((EXAMPLE_TRACKS, *t.shape), t.dtype) for t in bundle.manifest.inputs}
    expected["outputs"] = ((EXAMPLE_TRACKS, bundle.task.outputs), "float32")
    try:
        with np.load(path, allow_pickle=False) as archive:
            if set(archive.files) != set(expected):
                raise ValueError(f"it holds {archive.files}")
            largest = sum(int(np.prod(shape)) * 4 for shape, _ in expected.values()) + 2**20
            if sum(member.file_size for member in archive.zip.infolist()) > largest:
                raise ValueError("it is too large")
            found = {name: archive[name] for name in archive.files}
        for name, (shape, dtype) in expected.items():
            if found[name].shape != shape or found[name].dtype != dtype:
                raise ValueError(f"{name} is {found[name].dtype} {found[name].shape}")
    except Exception as error:
        raise UserError(f"{path} is damaged: {error}") from error
    return found.pop("outputs"), found
