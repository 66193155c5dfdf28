"""HitMusicLyricNet's fusion: a residual autoencoder of a text's vector, and a narrowing network."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from deephits_keras.errors import UserError
from deephits_keras.model.compressed import autoencoded, narrowing
from deephits_keras.model.fusion_base import Fusion, concatenate
from deephits_keras.types import Tensor

FRACTIONS = (1 / 2, 1 / 4, 1 / 8)
"""Sizes of the autoencoder's hidden layers, as fractions of its input's."""

DROPOUT = 0.05
"""Dropout rate of its residual blocks."""

WIDTHS = (1, 1 / 2, 1 / 4)
"""Sizes of the layers after the codes, as fractions of the codes' size."""


@dataclass(frozen=True)
class ResidualFusion(Fusion):
    """A residual autoencoder's code of texts, an autoencoder's of sounds, and the other inputs.

    After HitMusicLyricNet (2025, arXiv 2512.05508; saregama/embeddings.py of
    neil-79/Saregama-Music_popularity): the vector of the lyrics, of unit length and with noise,
    through layers of 1/2, 1/4 and 1/8 of its size with residual blocks to a code of 1/12, and back.
    Its loss is 1 - cosine + squared error + a contrastive term (InfoNCE): the codes of two noisy
    passes of one text must be nearer than those of two texts. Sounds are compressed as in
    HitMusicNet (`compressed`). The original trains both autoencoders first, on all tracks; here
    their losses are auxiliary ones in training.

    Attributes:
        dropout: Dropout rate after the first and the second layer.
        units: Sizes of the layers after the codes; empty for n, n / 2, n / 4.
        texts: Modalities that the residual autoencoder compresses.
        sounds: Modalities that HitMusicNet's autoencoder compresses, one code for each.
        share: Compression factor of the texts' codes.
        sound_share: Compression factor of the sounds' codes.
        reconstruction: Weight of both autoencoders' losses.
        contrast: Weight of the contrastive term.
        temperature: Its temperature.
        noise: Standard deviation of the noise on texts' vectors in training.
    """

    name: ClassVar[str] = "residual"
    dropout: float = 0.25
    units: tuple[int, ...] = ()
    texts: tuple[str, ...] = ("lyrics",)
    sounds: tuple[str, ...] = ("low_level",)
    share: float = 12.0
    sound_share: float = 5.0
    reconstruction: float = 1.0
    contrast: float = 0.2
    temperature: float = 0.05
    noise: float = 0.03

    def check(self, modalities: Sequence[str], *, classification: bool) -> None:
        """As of every fusion; and the sizes."""
        super().check(modalities, classification=classification)
        if min(self.share, self.sound_share) < 1 or self.temperature <= 0 or self.noise < 0:
            raise UserError(
                "The fusion residual needs shares of 1 or more, a temperature above 0 and noise "
                f"of 0 or more. Received: {self.share}, {self.sound_share}, {self.temperature} "
                f"and {self.noise}"
            )

    def build(
        self,
        embeddings: Mapping[str, Tensor],
        presence: Mapping[str, Tensor],
        outputs: int,
        classification: bool,
    ) -> Tensor:
        """Compress texts and sounds; concatenate, and apply the layers."""
        from deephits_keras.model.heads import output_layer

        codes = []
        for modality, embedding in embeddings.items():
            if modality in self.texts:
                codes.append(self._text_code(embedding, presence[modality], modality))
            elif modality in self.sounds:
                prefix = f"{modality}_"
                codes.append(autoencoded(embedding, self.sound_share, self.reconstruction, prefix))
            else:
                codes.append(embedding)
        x = concatenate(codes, axis=-1, name="fused")
        size = int(x.shape[-1])
        widths = self.units or tuple(max(1, int(size * fraction)) for fraction in WIDTHS)
        x = narrowing(x, widths, self.dropout)
        return output_layer(self.head, outputs, classification, "output")(x)

    def _text_code(self, vector: Tensor, present: Tensor, modality: str) -> Tensor:
        from keras import layers

        from deephits_keras.encoders.layers import UnitLength
        from deephits_keras.model.contrast import ContrastiveReconstruction

        size = int(vector.shape[-1])
        hidden = [max(1, int(size * fraction)) for fraction in FRACTIONS]
        code_size = max(1, int(size / self.share))
        unit = UnitLength(dtype="float32", name=f"{modality}_unit")(vector)
        encode = _blocks(hidden, code_size, f"{modality}_encode", normalized=True)
        noise = [layers.GaussianNoise(self.noise, name=f"{modality}_noise_{n}") for n in (1, 2)]
        code = encode(noise[0](unit))
        if self.reconstruction <= 0:
            return code
        decode = _blocks(hidden[::-1], size, f"{modality}_decode")
        losses = ContrastiveReconstruction(
            self.reconstruction,
            self.contrast,
            self.temperature,
            dtype="float32",
            name=f"{modality}_losses",
        )
        return losses(code, encode(noise[1](unit)), unit, decode(code), present)


def _blocks(
    sizes: Sequence[int], last: int, name: str, *, normalized: bool = False
) -> Callable[[Tensor], Tensor]:
    """Dense layers with a residual block after each, and a last dense layer; can be shared."""
    from keras import layers

    from deephits_keras.model.layers import tanh_gelu

    steps = []
    for number, size in enumerate(sizes, start=1):
        stem = f"{name}_{number}"
        block = (
            layers.LayerNormalization(name=f"{stem}_norm"),
            layers.Dense(4 * size, activation=tanh_gelu, name=f"{stem}_wide"),
            layers.Dense(size, name=f"{stem}_narrow"),
            layers.Dropout(DROPOUT, name=f"{stem}_dropout"),
        )
        steps.append((layers.Dense(size, name=stem), block, layers.Add(name=f"{stem}_sum")))
    norm = layers.LayerNormalization(name=f"{name}_norm") if normalized else None
    end = layers.Dense(last, name=f"{name}_last")

    def apply(x: Tensor) -> Tensor:
        for into, block, add in steps:
            x = into(x)
            inner = x
            for layer in block:
                inner = layer(inner)
            x = add([x, inner])
        return end(norm(x) if norm else x)

    return apply
