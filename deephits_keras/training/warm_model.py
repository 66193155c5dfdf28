"""The model of a training that starts from an earlier run."""

from __future__ import annotations

from collections.abc import Iterator

import keras

from deephits_keras.errors import UserError
from deephits_keras.model.builder import BranchModel, build_model
from deephits_keras.runs.files import MODEL
from deephits_keras.runs.run import Run, expected_model, load_model
from deephits_keras.runs.start import Start
from deephits_keras.utils.files import sha256


def start_model(run: Run, start: Start) -> keras.Model:
    """A run's model with the weights of the run that it starts from, and its branches frozen.

    Branches of `start.kept` are copied with the statistics in their layers, the others built by
    the run's encoders, which are adapted to the new training tracks. An embedding of missing inputs
    that the earlier model lacks begins as the zeros that stood in its place.

    Args:
        run: The new run; encoders of `start.fitted` are adapted.
        start: Its start.

    Raises:
        UserError: if the earlier run is gone, was replaced, or has other weights.
    """
    earlier = Run(start.run, run.settings)
    if not (earlier.folder / MODEL).exists() or sha256(earlier.folder / MODEL) != start.checksum:
        raise UserError(f"{start.run}, where this training starts, is gone or has another model")
    old = load_model(earlier.folder / MODEL, earlier, compiled=False)
    model = build_model(
        list(run.encoders.values()),
        fusion=run.fusion,
        task=run.task,
        learned_missing=[m for m, r in run.config.modalities.items() if r.learned_missing],
        branches={m: BranchModel.from_config(old.get_layer(m).get_config()) for m in start.kept},
    )
    new = {f"{m}_missing/" for m in run.config.modalities}
    _carry_over(old, model, start, may_lack=tuple(new))
    for layer in _frozen(model, start):
        layer.trainable = False
    return model


def _carry_over(
    old: keras.Model, model: keras.Model, start: Start, *, may_lack: tuple[str, ...]
) -> None:
    known = {weight.path: weight for weight in old.weights}
    wanted = {weight.path: weight for weight in model.weights}
    lacking = [path for path in wanted if path not in known and not path.startswith(may_lack)]
    shapes = [p for p in wanted if p in known and known[p].shape != wanted[p].shape]
    if len(known) != len(old.weights) or lacking or shapes or set(known) - set(wanted):
        different = sorted({*lacking, *shapes, *(set(known) - set(wanted))})
        raise UserError(
            f"{start.run} has other weights than a model of its settings has now: "
            f"{', '.join(different)}"
        )
    for path, weight in wanted.items():
        if path in known:
            weight.assign(known[path])


def _frozen(model: keras.Model, start: Start) -> Iterator[keras.layers.Layer]:
    for modality in start.frozen:
        yield model.get_layer(modality)
        yield model.get_layer(f"{modality}_missing")


def unfreeze(model: keras.Model, run: Run) -> None:
    """Make a finished model's layers trainable again where its encoders made them so."""
    if not run.config.start or not run.config.start.frozen:
        return
    own = expected_model(run)
    for layer in _frozen(model, run.config.start):
        pairs = zip(
            layer._flatten_layers(), own.get_layer(layer.name)._flatten_layers(), strict=True
        )
        for each, fresh in pairs:
            each.trainable = fresh.trainable
