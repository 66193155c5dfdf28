"""A bundle's example tracks: what it is asked, and what it must answer."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from deephits_keras.encoders.registry import AnyEncoder
from deephits_keras.errors import UserError
from deephits_keras.export.bundle import EXAMPLES, Bundle
from deephits_keras.features.outcomes import outcomes
from deephits_keras.runs.scorer import model_inputs
from deephits_keras.tasks import Task

TOLERANCE = 1e-5
"""How far a score, 0-1, or a popularity over 100 may be from the Keras model's."""

OUTPUT_TOLERANCE = 1e-4
"""The same for raw outputs, as a share of the largest, or of 1."""

EXAMPLE_TRACKS = 2

Inputs = dict[str, np.ndarray[Any, Any]]


def example_inputs(encoders: Mapping[str, AnyEncoder]) -> Inputs:
    """Inputs of two example tracks, of which the second lacks the first of several modalities.

    Each encoder's own example tracks; where it can't use them here (a checkpoint that isn't at
    hand), the modality is missing.
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
    """How a bundle's answers for its example tracks differ from those it came with, or nothing.

    Raises:
        UserError: if the examples or the graph can't be used.
    """
    wanted, inputs = read_examples(bundle)
    given = bundle.scorer(inputs)
    difference = score_difference(bundle.task, given, wanted)
    if difference > TOLERANCE:
        return f"its example tracks' scores differ by {difference:.2g}, more than {TOLERANCE:g}"
    # Where a score is as good as 0 or 1, its logit tells more.
    share = float(np.abs(given - wanted).max() / max(1.0, np.abs(wanted).max()))
    if share > OUTPUT_TOLERANCE:
        return f"its example tracks' outputs differ by {share:.2g} of the largest"
    return ""


def score_difference(task: Task, ours: Any, theirs: Any) -> float:
    """The largest difference of two models' outputs, as scores or as popularity over 100."""
    pairs = [task.decode(outputs) for outputs in (ours, theirs)]
    differences = [np.abs(pairs[0].popularity - pairs[1].popularity).max() / 100]
    if pairs[0].scores is not None and pairs[1].scores is not None:
        differences.append(np.abs(pairs[0].scores - pairs[1].scores).max())
    return float(max(differences))


def read_examples(bundle: Bundle) -> tuple[np.ndarray[Any, Any], Inputs]:
    """The example tracks' outputs and inputs.

    Raises:
        UserError: if they aren't what the manifest says.
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
