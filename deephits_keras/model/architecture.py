"""The parts of a model with their shapes and trainable parameters.

A description that `deephits build` prints, a run stores (`architecture.json`) and
`deephits_keras.report.architecture_drawing` draws. This module doesn't need Keras.
"""

from __future__ import annotations

from dataclasses import dataclass

Shape = tuple[int, ...]


@dataclass(frozen=True)
class LayerRow:
    """One layer of a part.

    Attributes:
        name: The layer's name in the model.
        kind: Its class, for example `Dense`.
        output_shape: Shape of its output without the batch axis.
        parameters: Trainable parameters.
    """

    name: str
    kind: str
    output_shape: Shape
    parameters: int


@dataclass(frozen=True)
class Branch:
    """The encoder of one modality, from its features to its embedding.

    Attributes:
        modality: The modality.
        encoder: The encoder's name.
        inputs: Shape of each feature, without the batch axis.
        embedding_size: Size of the embedding.
        parameters: Trainable parameters of the whole branch.
        layers: Its layers, in order.
    """

    modality: str
    encoder: str
    inputs: dict[str, Shape]
    embedding_size: int
    parameters: int
    layers: tuple[LayerRow, ...]


@dataclass(frozen=True)
class Part:
    """A part of the model that all modalities share: the fusion, or the output layer.

    Attributes:
        name: Name of the part.
        output_size: Size of its output per track.
        parameters: Trainable parameters.
        layers: Its layers, in order.
    """

    name: str
    output_size: int
    parameters: int
    layers: tuple[LayerRow, ...]


@dataclass(frozen=True)
class Architecture:
    """A model part by part, as the paper's Table A1 lists its own.

    Attributes:
        task: Name of the task.
        fusion: Name of the fusion.
        branches: One per modality, in the model's order.
        missing_embeddings: Trainable parameters of the learned embeddings of missing inputs; 0 if
            they are replaced by zeros, as in the paper.
        fusion_part: From the embeddings to the last hidden layer.
        output: The output layer.
        members: Number of models of an ensemble; 1 for no ensemble.
        trees: Number of boosted trees whose prediction is averaged with the network's (of the
            first member); 0 for none.
    """

    task: str
    fusion: str
    branches: tuple[Branch, ...]
    missing_embeddings: int
    fusion_part: Part
    output: Part
    members: int = 1
    trees: int = 0

    @property
    def total(self) -> int:
        """Trainable parameters of the whole model, of all members of an ensemble together."""
        rest = self.missing_embeddings + self.fusion_part.parameters + self.output.parameters
        return self.members * (sum(branch.parameters for branch in self.branches) + rest)
