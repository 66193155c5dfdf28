"""The wide and deep fusion of Zangerle et al.: one unit per group of descriptors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from deephits_keras.errors import UserError
from deephits_keras.model.fusion_base import Fusion, concatenate
from deephits_keras.types import Tensor


@dataclass(frozen=True)
class WideDeepFusion(Fusion):
    """One sigmoid unit per deep group, wide groups as they are, and fully connected layers.

    After Zangerle et al. (ISMIR 2019; models/wide_and_deep.py of dbis-uibk/hit-prediction-code):
    each deep group of inputs is reduced to one number, and joined with the wide groups. A group is
    a modality, or one of the groups that its encoder names (`ModalityEncoder.groups`). Inputs
    should be from 0 to 1, as those of `essentia_statistics` and `scaled_fields`.

    Attributes:
        dropout: Dropout rate after each layer.
        units: Sizes of the layers; empty for two with as many units as there are groups.
        wide: Modalities whose embeddings are joined as they are.
        batch_normalization: Whether the layers are batch-normalised, and then have no biases.
    """

    name: ClassVar[str] = "wide_deep"
    per_group: ClassVar[bool] = True
    dropout: float = 0.25
    units: tuple[int, ...] = ()
    wide: tuple[str, ...] = ()
    batch_normalization: bool = False

    def check(self, modalities: Sequence[str], *, classification: bool) -> None:
        """As of every fusion; and that one modality is deep."""
        super().check(modalities, classification=classification)
        if set(modalities) <= set(self.wide):
            raise UserError(
                "The fusion wide_deep needs a modality that isn't wide. "
                f"Received: wide={','.join(self.wide)}; modalities {', '.join(modalities)}"
            )

    def build(
        self,
        embeddings: Mapping[str, Tensor],
        presence: Mapping[str, Tensor],
        outputs: int,
        classification: bool,
    ) -> Tensor:
        """Reduce deep groups, concatenate, and apply the layers; keys are `modality.group`."""
        from keras import layers

        from deephits_keras.model.heads import output_layer

        del presence
        groups = [
            group
            if name.partition(".")[0] in self.wide
            else layers.Dense(1, activation="sigmoid", name=f"deep_{name.replace('.', '_')}")(group)
            for name, group in embeddings.items()
        ]
        x = concatenate(groups, axis=-1, name="fused")
        for number, units in enumerate(self.units or (len(groups),) * 2, start=1):
            x = self._layer(x, units, f"fusion_{number}")
            x = layers.Dropout(self.dropout, name=f"fusion_{number}_dropout")(x)
        return output_layer(self.head, outputs, classification, "output")(x)

    def _layer(self, x: Tensor, units: int, name: str) -> Tensor:
        from keras import layers

        if not self.batch_normalization:
            return layers.Dense(units, activation="relu", name=name)(x)
        x = layers.Dense(units, use_bias=False, name=name)(x)
        x = layers.BatchNormalization(name=f"{name}_norm")(x)
        return layers.ReLU(name=f"{name}_relu")(x)
