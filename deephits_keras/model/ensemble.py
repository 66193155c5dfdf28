"""Several trained models as one that averages their predictions (a deep ensemble).

Lakshminarayanan, Pritzel and Blundell 2017, "Simple and Scalable Predictive Uncertainty Estimation
using Deep Ensembles": the members differ only in their seeds. The ensemble has the structure
of a `build_model` model, one branch and one presence mask per modality, so that it can be explained
like one; a modality's embedding is the concatenation of its members' embeddings.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import keras
from keras import layers, ops

from deephits_keras.encoders.features import PRESENT, input_name
from deephits_keras.model.anatomy import Anatomy
from deephits_keras.model.builder import BranchModel
from deephits_keras.model.layers import MissingEmbedding, WeightedScores
from deephits_keras.types import Tensor


def ensemble(
    members: Sequence[keras.Model], modalities: Sequence[str], *, classification: bool
) -> keras.Model:
    """One functional model of several, over shared inputs, for inference.

    Args:
        members: Models of `build_model` with the same encoders, fusion and task; their layers are
            shared.
        modalities: Their modalities.
        classification: True to average class scores and return their logarithms, which are
            logits; False to average the outputs.

    Returns:
        A model with the members' inputs and output shape. Its weights are the members'.
    """
    inputs = _inputs_like(members[0].input)
    parts = [Anatomy(member, modalities) for member in members]
    present = {m: inputs[input_name(m, PRESENT)] for m in modalities}
    pieces: dict[str, list[Tensor]] = {}
    for modality in modalities:
        branch = _side_by_side(modality, [part.branch(modality) for part in parts])
        features = {name: inputs[input_name(modality, name)] for name in branch.input}
        # Each member has its own vectors for missing inputs.
        substitute = MissingEmbedding(name=f"{modality}_missing")
        embedding = substitute(branch(features), present[modality])
        pieces[modality] = _split(embedding, [part.embedding_size(modality) for part in parts])
    outputs = []
    for number, part in enumerate(parts):
        head = keras.Model(part.head.input, part.head.output, name=f"member_{number}")
        embeddings = [pieces[modality][number] for modality in modalities]
        outputs.append(head([*embeddings, *present.values()]))
    stacked = ops.stack(outputs, axis=1)
    average = WeightedScores(classification, [1.0] * len(members), dtype="float32", name="output")
    output = average(stacked, ops.ones_like(stacked[:, :, 0]))
    return keras.Model(inputs, output, name="deephits_ensemble")


class EnsembleBranch(BranchModel):
    """The members' branches of one modality; their embeddings are concatenated.

    Attributes:
        members: The branches.
    """

    @property
    def members(self) -> tuple[keras.Model, ...]:
        """The branches, in the members' order."""
        return tuple(layer for layer in self.layers if isinstance(layer, keras.Model))


def member_branches(branch: keras.Model) -> tuple[keras.Model, ...]:
    """A modality's branch of each member, or the branch itself without an ensemble."""
    return branch.members if isinstance(branch, EnsembleBranch) else (branch,)


def _side_by_side(modality: str, branches: Sequence[keras.Model]) -> EnsembleBranch:
    inputs = _inputs_like(branches[0].input)
    embeddings = [
        keras.Model(branch.input, branch.output, name=f"{modality}_{number}")(inputs)
        for number, branch in enumerate(branches)
    ]
    joined = layers.Concatenate(name=f"{modality}_members")(embeddings)
    return EnsembleBranch(inputs, joined, name=modality)


def _inputs_like(inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {
        name: keras.Input(tensor.shape[1:], dtype=tensor.dtype, name=name)
        for name, tensor in inputs.items()
    }


def _split(embedding: Tensor, sizes: Sequence[int]) -> list[Tensor]:
    ends = [sum(sizes[: number + 1]) for number in range(len(sizes))]
    return [embedding[:, end - size : end] for end, size in zip(ends, sizes, strict=True)]
