"""Build one Keras functional model from modalities, a fusion and a task."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from deephits_keras.encoders.features import PRESENT, input_dtype, input_name
from deephits_keras.encoders.registry import AnyEncoder, resolve_modalities
from deephits_keras.errors import UserError

# Whoever loads a saved model finds these layers registered.
from deephits_keras.model import contrast, heads, members, side_output  # noqa: F401
from deephits_keras.model.architecture import Architecture, Branch, LayerRow, Part
from deephits_keras.model.fusion import Fusion, get_fusion
from deephits_keras.model.layers import Columns, MissingEmbedding
from deephits_keras.tasks import Task, get_task
from deephits_keras.types import Tensor


def build_model(
    modalities: str | Sequence[str | AnyEncoder],
    *,
    fusion: str | Mapping[str, Any] | Fusion = "early",
    task: str | Task = "tiers-10",
    learned_missing: Collection[str] = (),
    branches: Mapping[str, keras.Model] | None = None,
    settings: Mapping[str, Mapping[str, Any]] | None = None,
) -> keras.Model:
    """Assemble the multimodal model (paper, Section 2.2.1 and Table A1).

    Args:
        modalities: `"mel,lyrics,meta"`, or a sequence of names, `modality=encoder` pairs and
            encoder instances (if adapted, with their statistics).
        fusion: `"early"`, `"late"`, or a `Fusion` with its settings.
        task: `"regression"`, `"tiers-3"`, `"tiers-5"`, `"tiers-10"`, or a `Task`.
        learned_missing: Modalities whose missing inputs get a learned embedding. By default, as
            in the paper, missing embeddings are zeros.
        branches: Branches to use instead of those that encoders build, by modality.
        settings: Values for encoders' settings, by modality or encoder name.

    Returns:
        A model from `{modality}_{feature}` inputs `(batch, *spec.shape)` and `{modality}_present`
        masks `(batch, 1)` to raw outputs `(batch, task.outputs)`, float32: logits, or popularity
        / 100 for the regression. `Task.decode` reads them.

    Raises:
        UserError: for an unknown modality, encoder, fusion, task or setting.

    Example:
        >>> model = build_model("mel,lyrics,meta", task="tiers-3")
        >>> model.output_shape
        (None, 3)
    """
    encoders = resolve_modalities(modalities, settings)
    head = get_fusion(fusion)
    wanted = get_task(task)
    classification = wanted.kind == "classification"
    head.check(list(encoders), classification=classification)
    unknown = sorted(set(learned_missing) - set(encoders))
    if unknown:
        raise UserError(f"learned_missing names modalities that the model lacks: {unknown}")

    inputs: dict[str, Any] = {}
    embeddings: dict[str, Any] = {}
    presence: dict[str, Any] = {}
    trained = False
    for modality, encoder in encoders.items():
        branch = (branches or {}).get(modality) or _build_branch(modality, encoder)
        trained |= trainable_parameters(branch) > 0
        features = {}
        for spec in encoder.feature_specs:
            name = input_name(modality, spec.name)
            inputs[name] = keras.Input(spec.shape, dtype=input_dtype(spec), name=name)
            features[spec.name] = inputs[name]
        mask = input_name(modality, PRESENT)
        inputs[mask] = presence[modality] = keras.Input((1,), dtype="float32", name=mask)
        substitute = MissingEmbedding(modality in learned_missing, name=f"{modality}_missing")
        embeddings[modality] = substitute(branch(features), presence[modality])

    if head.per_group:
        embeddings = _groups(encoders, embeddings)
    head = head.for_branches(trained=trained)
    outputs = head.build(embeddings, presence, wanted.outputs, classification)
    return keras.Model(inputs, outputs, name="deephits")


def _groups(
    encoders: Mapping[str, AnyEncoder], embeddings: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """The embeddings by modality, or cut into the groups that an encoder names."""
    found: dict[str, Tensor] = {}
    for modality, encoder in encoders.items():
        sizes = encoder.groups()
        if not sizes:
            found[modality] = embeddings[modality]
        start = 0
        for name, size in sizes.items():
            group = Columns(start, start + size, name=f"{modality}_{name}")
            found[f"{modality}.{name}"] = group(embeddings[modality])
            start += size
    return found


def with_temperature(model: keras.Model, temperature: float) -> keras.Model:
    """The model with its logits divided by a temperature (`evaluation.calibration`).

    Args:
        model: A model of `build_model`; its layers are shared.
        temperature: Above 0; 1 returns the model unchanged.
    """
    if temperature == 1:
        return model
    scale = layers.Rescaling(1 / temperature, dtype="float32", name="temperature")
    return keras.Model(model.input, scale(model.output), name=model.name)


@keras.saving.register_keras_serializable("deephits")
class BranchModel(keras.Model):  # type: ignore[misc]
    """An encoder's branch of the model, named after its modality.

    The paths of its weights start with that name, in built and in loaded models: on PyTorch, Keras
    finds weights by path, and two encoders may use the same layer names.
    """

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Any:
        """The branch that `get_config` describes."""
        with keras.name_scope(config["name"]):
            return super().from_config(config, custom_objects)


def _build_branch(modality: str, encoder: AnyEncoder) -> keras.Model:
    inputs = {
        spec.name: keras.Input(spec.shape, dtype=input_dtype(spec), name=spec.name)
        for spec in encoder.feature_specs
    }
    with keras.name_scope(modality):
        embedding = encoder.build(inputs)
    if len(embedding.shape) != 2 or embedding.shape[-1] is None:
        raise UserError(
            f"The encoder {encoder.name!r} must build an embedding of shape (batch, size). "
            f"Received: shape={tuple(embedding.shape)}"
        )
    return BranchModel(inputs, embedding, name=modality)


def trainable_parameters(owner: keras.Model | keras.layers.Layer) -> int:
    """Number of trainable parameters of a model or a layer."""
    return sum(int(np.prod(v.shape)) for v in owner.trainable_variables)


def describe(
    model: keras.Model, encoders: Mapping[str, AnyEncoder], *, fusion: Fusion, task: Task
) -> Architecture:
    """The model's parts with their shapes and trainable parameters, branch by branch.

    Args:
        model: A model of `build_model`.
        encoders: Its encoders, by modality.
        fusion: Its fusion.
        task: Its task.
    """
    branches = []
    for modality, encoder in encoders.items():
        branch = model.get_layer(modality)
        branches.append(
            Branch(
                modality=modality,
                encoder=encoder.name,
                inputs={spec.name: spec.shape for spec in encoder.feature_specs},
                embedding_size=branch.output_shape[-1],
                parameters=trainable_parameters(branch),
                layers=tuple(_layer_row(layer) for layer in branch.layers if not _is_input(layer)),
            )
        )
    substitutes = [model.get_layer(f"{modality}_missing") for modality in encoders]
    apart = {*encoders, *(s.name for s in substitutes), "output"}
    head = [layer for layer in model.layers if layer.name not in apart and not _is_input(layer)]
    output = model.get_layer("output")
    sizes = [shape[-1] for layer in head if (shape := ops.shape(layer.output))]
    return Architecture(
        task=task.name,
        fusion=fusion.name,
        branches=tuple(branches),
        missing_embeddings=sum(trainable_parameters(s) for s in substitutes),
        fusion_part=Part(
            name=f"{fusion.name} fusion",
            output_size=sizes[-1],
            parameters=sum(trainable_parameters(layer) for layer in head),
            layers=tuple(_layer_row(layer) for layer in head),
        ),
        output=Part(
            name="output",
            output_size=task.outputs,
            parameters=trainable_parameters(output),
            layers=(_layer_row(output),),
        ),
    )


def _is_input(layer: keras.layers.Layer) -> bool:
    return isinstance(layer, keras.layers.InputLayer)


def _layer_row(layer: keras.layers.Layer) -> LayerRow:
    shape = tuple(layer.output.shape)[1:]
    return LayerRow(layer.name, type(layer).__name__, shape, trainable_parameters(layer))
