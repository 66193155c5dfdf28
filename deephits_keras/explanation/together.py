"""Explainable inputs of an ensemble: one track in the branches of several models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from keras import ops

from deephits_keras.encoders.explainable import Explainable, Part
from deephits_keras.encoders.features import Features
from deephits_keras.types import Tensor

if TYPE_CHECKING:
    from markupsafe import Markup
    from matplotlib.figure import Figure


class ExplainableTogether(Explainable):
    """A modality of an ensemble; a part's contribution is the sum over the members.

    Args:
        members: The track's explainable input for each member's branch, from one encoder.
    """

    def __init__(self, members: Sequence[Explainable]) -> None:
        self.members = members
        self.unattributed = members[0].unattributed
        super().__init__(
            {f"{n}.{name}": a for n, m in enumerate(members) for name, a in m.point.items()},
            {f"{n}.{name}": a for n, m in enumerate(members) for name, a in m.baseline.items()},
            members[0].reference,
        )

    def embed(self, values: Mapping[str, Tensor]) -> Tensor:
        """The concatenated embeddings of the members, as in the ensemble's branch."""
        own = (
            {name: values[f"{n}.{name}"] for name in member.point}
            for n, member in enumerate(self.members)
        )
        pairs = zip(self.members, own, strict=True)
        return ops.concatenate([member.embed(point) for member, point in pairs], axis=-1)

    def parts(self, attribution: Features) -> Sequence[Part]:
        """The first member's parts, with the contributions of all members."""
        return self.members[0].parts(self._sum(attribution))

    def draw(self, attribution: Features) -> Figure | Markup | None:
        """The first member's picture, with the contributions of all members."""
        return self.members[0].draw(self._sum(attribution))

    def _sum(self, attribution: Features) -> Features:
        return {
            name: np.sum([attribution[f"{n}.{name}"] for n in range(len(self.members))], axis=0)
            for name in self.members[0].point
        }
