"""A model divided at its embeddings: branches before, fusion and output after."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import keras
from keras import ops

from deephits_keras.tasks import POPULARITY_MAX, Task
from deephits_keras.types import Tensor


class Anatomy:
    """A model of `build_model`, divided in two halves.

    Args:
        model: The model.
        modalities: Its modalities.

    Attributes:
        modalities: See the argument.
        embed: Maps the model's inputs to `(batch, size)` per modality, by modality.
        head: Maps a list of the modalities' embeddings, then their `(batch, 1)` presence masks, to
            the raw outputs.
    """

    def __init__(self, model: keras.Model, modalities: Sequence[str]) -> None:
        self.modalities = tuple(modalities)
        self._model = model
        joints = [model.get_layer(f"{modality}_missing").input for modality in modalities]
        embeddings, masks = zip(*joints, strict=True)
        self.embed = keras.Model(model.input, dict(zip(modalities, embeddings, strict=True)))
        self.head = keras.Model([*embeddings, *masks], model.output)

    def branch(self, modality: str) -> keras.Model:
        """The branch of a modality: maps features by name to `(batch, size)`."""
        return self._model.get_layer(modality)

    def embedding_size(self, modality: str) -> int:
        """Size of a modality's embedding."""
        return int(self.branch(modality).output_shape[-1])

    def outputs(self, embeddings: Mapping[str, Tensor], present: Mapping[str, Tensor]) -> Tensor:
        """Apply the second half.

        Args:
            embeddings: `(batch, size)` per modality.
            present: `(batch, 1)` presence mask per modality.

        Returns:
            Raw outputs `(batch, outputs)`.
        """
        ordered = [parts[m] for parts in (embeddings, present) for m in self.modalities]
        return self.head(list(map(ops.convert_to_tensor, ordered)), training=False)


def fused_embedding(model: keras.Model) -> Tensor | None:
    """The symbolic input `(batch, size)` of the output layer: the fusion's embedding of a track.

    The mean over the members of a batch ensemble. None for models that combine scores instead:
    late fusion, and ensembles of runs.

    Args:
        model: A model of `build_model`, or of a run.
    """
    fused = model.get_layer("output").input
    if isinstance(fused, list | tuple | dict):
        return None
    return ops.mean(fused, axis=1) if len(fused.shape) == 3 else fused


def score_of(task: Task, outputs: Tensor, tier: int) -> Tensor:
    """`(batch,)` class score of a tier, 0-1, or popularity of a regression, 0-100.

    The differentiable form of `Task.decode`; a popularity isn't clipped.
    """
    if task.kind == "regression":
        return outputs[:, 0] * POPULARITY_MAX
    return ops.softmax(ops.cast(outputs, "float32"), axis=-1)[:, tier]
