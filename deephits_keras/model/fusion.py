"""Fusions of modalities: early (Table A1's head), late, gated, and those of other systems.

A fusion gets one embedding and one presence mask per modality and returns the model's raw outputs.
Add one by subclassing `Fusion` and naming it in `FUSIONS`.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from deephits_keras.errors import UserError
from deephits_keras.model.compressed import CompressedFusion
from deephits_keras.model.fusion_base import POPULARITY_START, Fusion, concatenate
from deephits_keras.model.head_names import SOFTMAX
from deephits_keras.model.residual import ResidualFusion
from deephits_keras.model.wide_deep import WideDeepFusion
from deephits_keras.types import Tensor
from deephits_keras.utils.records import from_settings


@dataclass(frozen=True)
class EarlyFusion(Fusion):
    """Concatenate the embeddings and classify them together (paper, Section 2.2.1, Table A1).

    The settings are those of every `Fusion`.
    """

    name: ClassVar[str] = "early"
    units: tuple[int, ...] = (256, 64)

    def build(
        self,
        embeddings: Mapping[str, Tensor],
        presence: Mapping[str, Tensor],
        outputs: int,
        classification: bool,
    ) -> Tensor:
        """Concatenate; apply dropout, fully connected layers with ReLU, and the output layer."""
        from keras import layers

        from deephits_keras.model.heads import output_layer

        del presence
        x = concatenate(list(embeddings.values()), axis=-1, name="fused")
        x = layers.Dropout(self.dropout, name="fusion_dropout")(x)
        x = self._hidden(x, "fusion")
        return output_layer(self.head, outputs, classification, "output")(x)


@dataclass(frozen=True)
class NormalizedFusion(Fusion):
    """Concatenate embeddings of unit length (Oramas et al. 2017, sergiooramas/tartarus).

    Modalities with large embeddings then don't dominate the others. The settings are those of every
    `Fusion`; dropout comes after each layer.
    """

    name: ClassVar[str] = "normalized"
    dropout: float = 0.7
    units: tuple[int, ...] = (512,)

    def build(
        self,
        embeddings: Mapping[str, Tensor],
        presence: Mapping[str, Tensor],
        outputs: int,
        classification: bool,
    ) -> Tensor:
        """Scale to unit length; concatenate; apply layers with ReLU, dropout and the output."""
        from keras import layers

        from deephits_keras.encoders.layers import UnitLength
        from deephits_keras.model.heads import output_layer

        del presence
        scaled = [
            UnitLength(dtype="float32", name=f"fusion_{modality}_unit")(embedding)
            for modality, embedding in embeddings.items()
        ]
        x = concatenate(scaled, axis=-1, name="fused")
        for number, units in enumerate(self.units, start=1):
            x = layers.Dense(units, activation="relu", name=f"fusion_{number}")(x)
            x = layers.Dropout(self.dropout, name=f"fusion_{number}_dropout")(x)
        return output_layer(self.head, outputs, classification, "output")(x)


@dataclass(frozen=True)
class LateFusion(Fusion):
    """Predict from each modality alone and average the predictions (paper, Section 3.3.1).

    Each modality has its own fully connected layers and output layer.

    Attributes:
        weights: `(modality, weight)` pairs, or None to learn the weights.
    """

    name: ClassVar[str] = "late"
    one_embedding: ClassVar[bool] = False
    weights: tuple[tuple[str, float], ...] | None = None

    def check(self, modalities: Sequence[str], *, classification: bool) -> None:
        """As of every fusion; and the weights."""
        super().check(modalities, classification=classification)
        if self.weights is None:
            return
        given = dict(self.weights)
        if set(given) != set(modalities) or min(given.values()) <= 0:
            raise UserError(
                f"Late fusion needs one positive weight for each of {', '.join(modalities)}. "
                f"Received: {', '.join(f'{m}={w:g}' for m, w in given.items())}"
            )

    def build(
        self,
        embeddings: Mapping[str, Tensor],
        presence: Mapping[str, Tensor],
        outputs: int,
        classification: bool,
    ) -> Tensor:
        """One head per modality, and the weighted average of their outputs."""
        from keras import layers

        from deephits_keras.model.heads import output_layer
        from deephits_keras.model.layers import WeightedScores

        predictions = []
        for modality, embedding in embeddings.items():
            x = layers.Dropout(self.dropout, name=f"fusion_{modality}_dropout")(embedding)
            x = self._hidden(x, f"fusion_{modality}")
            x = output_layer(self.head, outputs, classification, f"fusion_{modality}_output")(x)
            predictions.append(layers.Reshape((1, outputs), name=f"fusion_{modality}_row")(x))
        stacked = concatenate(predictions, axis=1, name="fusion_rows")
        present = concatenate(list(presence.values()), axis=-1, name="fusion_present")
        given = dict(self.weights or ())
        weights = [given[modality] for modality in embeddings] if given else None
        average = WeightedScores(classification, weights, dtype="float32", name="output")
        return average(stacked, present)


@dataclass(frozen=True)
class GatedFusion(Fusion):
    """Weight the modalities for each track separately (after Arevalo et al. 2017).

    Gated multimodal units: every modality is projected to one size, and each unit of the result is
    a weighted average over the modalities that are present. The weights are a softmax of a dense
    layer on all embeddings and presence masks.

    Attributes:
        size: Size that every modality is projected to.
    """

    name: ClassVar[str] = "gated"
    size: int = 128

    def build(
        self,
        embeddings: Mapping[str, Tensor],
        presence: Mapping[str, Tensor],
        outputs: int,
        classification: bool,
    ) -> Tensor:
        """Project to one size; average; apply dropout, dense layers and the output layer."""
        from keras import layers

        from deephits_keras.encoders.layers import dense
        from deephits_keras.model.heads import output_layer
        from deephits_keras.model.layers import GatedAverage

        rows = [
            layers.Reshape((1, self.size), name=f"fusion_{modality}_row")(
                dense(self.size, activation="tanh", name=f"fusion_{modality}")(embedding)
            )
            for modality, embedding in embeddings.items()
        ]
        stacked = concatenate(rows, axis=1, name="fusion_rows")
        present = concatenate(list(presence.values()), axis=-1, name="fusion_present")
        known = concatenate([*embeddings.values(), present], axis=-1, name="fusion_known")
        gates = dense(len(rows) * self.size, name="fusion_gates")(known)
        gates = layers.Reshape((len(rows), self.size), name="fusion_gate_rows")(gates)
        x = GatedAverage(name="fused")(stacked, gates, present)
        x = layers.Dropout(self.dropout, name="fusion_dropout")(x)
        x = self._hidden(x, "fusion_hidden")
        return output_layer(self.head, outputs, classification, "output")(x)


@dataclass(frozen=True)
class MembersFusion(Fusion):
    """Concatenate the embeddings and classify them by a batch ensemble (`model.members`).

    A fully connected network as in TabM (Gorishniy et al. 2024): `members` networks with layers of
    sizes `units` share their weight matrices, and their predictions are averaged. Intended for the
    encoder `tabular`; other modalities contribute their embeddings.

    Attributes:
        members: Number of networks.
        popularity_weight: With tiers, in training each network also predicts the popularity, whose
            squared error is added to the loss with this weight, in deviations of 20 points. Only
            where a branch is trained, which it helps, and with a softmax: an ordinal head has one
            score per track anyway (docs/accuracy.md).
    """

    name: ClassVar[str] = "members"
    per_member: ClassVar[bool] = True
    one_embedding: ClassVar[bool] = False
    dropout: float = 0.2
    units: tuple[int, ...] = (128, 128)
    members: int = 16
    popularity_weight: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.popularity_weight < math.inf:
            raise UserError(
                f"popularity_weight must be 0 or more. Received: {self.popularity_weight}"
            )

    def popularity_beside(self, *, classification: bool) -> float:
        """`popularity_weight`, for tiers from a softmax."""
        return self.popularity_weight if classification and self.head == SOFTMAX else 0.0

    def for_branches(self, *, trained: bool) -> MembersFusion:
        """Without the popularity beside tiers, if no branch is trained."""
        return self if trained else dataclasses.replace(self, popularity_weight=0.0)

    def check(self, modalities: Sequence[str], *, classification: bool) -> None:
        """As of every fusion; and the members."""
        super().check(modalities, classification=classification)
        if not 1 <= self.members <= 256 or not self.units:
            raise UserError(
                "The fusion members needs 1 to 256 members and a layer or more. "
                f"Received: members={self.members}, units={self.units}"
            )

    def build(
        self,
        embeddings: Mapping[str, Tensor],
        presence: Mapping[str, Tensor],
        outputs: int,
        classification: bool,
    ) -> Tensor:
        """Concatenate; apply every member's layers with dropout, and average the outputs."""
        from keras import layers

        from deephits_keras.model.heads import output_layer
        from deephits_keras.model.members import (
            BatchEnsembleDense,
            MemberOutput,
            OrdinalMemberOutput,
        )

        del presence
        x = concatenate(list(embeddings.values()), axis=-1, name="fused")
        for number, units in enumerate(self.units, start=1):
            name = f"members_{number}"
            x = BatchEnsembleDense(units, self.members, signs=number == 1, name=name)(x)
            x = layers.Dropout(self.dropout, name=f"{name}_dropout")(x)
        if self.head != SOFTMAX:
            head = output_layer(self.head, outputs, classification, "head")
            return OrdinalMemberOutput(head, dtype="float32", name="output")(x)
        start = MemberOutput(
            outputs,
            classification,
            *POPULARITY_START,
            beside=int(self.popularity_beside(classification=classification) > 0),
            dtype="float32",
            name="output",
        )
        return start(x)


FUSIONS: dict[str, type[Fusion]] = {
    f.name: f
    for f in (
        EarlyFusion,
        LateFusion,
        GatedFusion,
        CompressedFusion,
        MembersFusion,
        WideDeepFusion,
        NormalizedFusion,
        ResidualFusion,
    )
}


def get_fusion(fusion: str | Mapping[str, Any] | Fusion) -> Fusion:
    """Create a fusion by name, or from the result of its `to_json`.

    Raises:
        UserError: if there is no such fusion.
        SettingError: if it has no such setting, or its value isn't allowed.
    """
    if isinstance(fusion, Fusion):
        return fusion
    settings: dict[str, Any] = {"name": fusion} if isinstance(fusion, str) else dict(fusion)
    name = settings.pop("name", None)
    if not isinstance(name, str) or name not in FUSIONS:
        raise UserError(f"There is no fusion named {name!r}. Fusions: {', '.join(FUSIONS)}")
    return from_settings(settings, FUSIONS[name], f"The fusion {name!r}")


__all__ = ["FUSIONS", "EarlyFusion", "Fusion", "GatedFusion", "LateFusion", "get_fusion"]
