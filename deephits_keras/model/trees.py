"""Boosted trees as layers, so that a model with trees is explained and exported like any other.

The trees are soft: a track near a threshold goes both ways, by a sigmoid of its distance. A score
then changes steadily with its inputs, so that gradients exist, and every export format rounds to
the same answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import keras
import numpy as np
from keras import layers, ops

from deephits_keras.encoders.features import PRESENT, input_name
from deephits_keras.errors import UserError
from deephits_keras.model.layers import WeightedScores
from deephits_keras.types import Array, Tensor

DEPTH = 4
"""Conditions from a tree's root to a leaf: each tree has 15 conditions and 16 leaves."""

MOST_TREES = 3_000
"""Most trees of all outputs together: each takes about 250 bytes per track of a batch."""

ARRAYS = ("columns", "thresholds", "widths", "values", "start")


@dataclass(frozen=True)
class Trees:
    """Complete binary trees that read a vector; a shallower tree has conditions that always hold.

    The conditions of a tree are in breadth-first order; the left child is reached where the column
    is at most the threshold.

    Attributes:
        modalities: The modalities whose embeddings the vector consists of, in order.
        size: Size of the vector.
        columns: `(outputs, trees, 2 ** DEPTH - 1)` int32, the column of each condition.
        thresholds: As `columns`, float32.
        widths: As `columns`, float32: distance from the threshold at which 73 % go one way.
        values: `(outputs, trees, 2 ** DEPTH)` float32, what each leaf adds to the output.
        start: `(outputs,)` float32, added to every output.
        weight: Weight of the trees in the average with the network, above 0 and below 1.
    """

    modalities: tuple[str, ...]
    size: int
    columns: Array
    thresholds: Array
    widths: Array
    values: Array
    start: Array
    weight: float = 0.5

    def __post_init__(self) -> None:
        conditions = self.thresholds.shape
        outputs, count = conditions[:2] if len(conditions) == 3 else (0, 0)
        numbers = (self.thresholds, self.widths, self.values, self.start)
        fits = (
            0 < outputs * count <= MOST_TREES
            and self.columns.shape == self.widths.shape == (outputs, count, 2**DEPTH - 1)
            and conditions == self.columns.shape
            and self.values.shape == (outputs, count, 2**DEPTH)
            and self.start.shape == (outputs,)
            and self.columns.dtype.kind == "i"
            and all(array.dtype.kind == "f" and np.isfinite(array).all() for array in numbers)
            and bool((self.columns >= 0).all() and (self.columns < self.size).all())
            and bool((self.widths > 0).all())
            and 0 < self.weight < 1
        )
        if not fits:
            raise UserError("The arrays aren't boosted trees of this package")

    @property
    def count(self) -> int:
        """Number of trees, of all outputs together."""
        return int(self.columns.shape[0] * self.columns.shape[1])

    def to_json(self) -> dict[str, Any]:
        """The fields as JSON types; `from_json` is the inverse."""
        # By hand: the arrays.
        lists = {name: getattr(self, name).tolist() for name in ARRAYS}
        told = {"modalities": list(self.modalities), "size": self.size, "weight": self.weight}
        return {**told, **lists}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """The trees of `to_json`'s result.

        Raises:
            UserError: if it is something else.
        """
        try:
            arrays = {
                name: np.asarray(values[name], np.int32 if name == "columns" else np.float32)
                for name in ARRAYS
            }
            names, size = tuple(map(str, values["modalities"])), int(values["size"])
            return cls(names, size, **arrays, weight=float(values["weight"]))
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise UserError(f"These aren't boosted trees of this package: {error}") from error


@keras.saving.register_keras_serializable("deephits")
class SoftTrees(layers.Layer):  # type: ignore[misc]
    """The sum of soft trees, on a vector `(batch, size)`; returns `(batch, outputs)` float32.

    Args:
        trees: `Trees`, or the result of their `to_json`.
    """

    def __init__(self, trees: Trees | Mapping[str, Any], **kwargs: Any) -> None:
        super().__init__(**{**kwargs, "dtype": "float32"})
        self.trees = trees if isinstance(trees, Trees) else Trees.from_json(trees)

    def call(self, vector: Tensor) -> Tensor:
        """Send each track down every tree, and add up the leaves' values."""
        trees = self.trees
        outputs, count, conditions = trees.columns.shape
        # Each track gets the start from a tree, whose shares add up to 1: OpenVINO 2026.4 adds a
        # constant to a sum over the last axis wrongly, and reads beyond it.
        leaves = trees.values.copy()
        leaves[:, 0] += trees.start[:, None]
        # As tensors: PyTorch computes nothing of an array and a tensor.
        thresholds, widths, values = (
            ops.convert_to_tensor(array)
            for array in (
                trees.thresholds.reshape(-1),
                trees.widths.reshape(-1),
                leaves.reshape(1, outputs * count, -1),
            )
        )
        taken = ops.take(ops.cast(vector, "float32"), trees.columns.reshape(-1), axis=1)
        left = ops.sigmoid((thresholds - taken) / widths)
        left = ops.reshape(left, (-1, outputs * count, conditions))
        reached = ops.ones_like(left[:, :, :1])
        for level in range(DEPTH):
            first = 2**level - 1
            share = left[:, :, first : 2 * first + 1]
            both = ops.stack([reached * share, reached * (1.0 - share)], axis=-1)
            reached = ops.reshape(both, (-1, outputs * count, 2 ** (level + 1)))
        return ops.sum(ops.reshape(reached * values, (-1, outputs, count * 2**DEPTH)), axis=-1)

    def compute_output_shape(self, shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """`(batch, outputs)`."""
        return (shape[0], len(self.trees.start))

    def get_config(self) -> dict[str, Any]:
        """The layer's arguments."""
        return {**super().get_config(), "trees": self.trees.to_json()}


def tree_vector(model: keras.Model, modalities: tuple[str, ...]) -> Tensor:
    """The symbolic vector that trees read: the embeddings of modalities, with their substitutes.

    Args:
        model: A model of `build_model`.
        modalities: Some of its modalities.
    """
    parts = [model.get_layer(f"{modality}_missing").output for modality in modalities]
    parts = [ops.cast(part, "float32") for part in parts]
    return ops.concatenate(parts, axis=-1) if len(parts) > 1 else parts[0]


def with_trees(model: keras.Model, trees: Trees, *, classification: bool) -> keras.Model:
    """The weighted average of a model and trees; the model alone where their modalities lack.

    Args:
        model: A model of `build_model`; its layers are shared.
        trees: The trees.
        classification: True to average class scores and return their logarithms, which are
            logits; False to average the outputs.

    Raises:
        UserError: if the trees don't fit the model.
    """
    names = {layer.name for layer in model.layers}
    if not all(f"{modality}_missing" in names for modality in trees.modalities):
        raise UserError(f"The trees read {', '.join(trees.modalities)}, which the model lacks")
    vector = tree_vector(model, trees.modalities)
    if vector.shape[-1] != trees.size or model.output_shape[-1] != len(trees.start):
        raise UserError("The trees are those of another model")
    both = ops.stack([model.output, SoftTrees(trees, name="trees")(vector)], axis=1)
    # Of a track that lacks all that the trees read, the network alone decides.
    masks = [ops.cast(model.input[input_name(m, PRESENT)], "float32") for m in trees.modalities]
    there = ops.max(ops.concatenate(masks, axis=1), axis=1, keepdims=True)
    present = ops.concatenate([ops.ones_like(there), there], axis=1)
    weights = [1 - trees.weight, trees.weight]
    average = WeightedScores(classification, weights, dtype="float32", name="with_trees")
    return keras.Model(model.input, average(both, present), name=model.name)
