"""Attribute a score to regions of a cover, and to artists."""

from __future__ import annotations

import numpy as np
from keras import ops
from matplotlib.figure import Figure

from deephits_keras import ExplainableFeatures, Part

REGIONS = 4
"""Number of regions along each side."""

ROWS = ("top", "upper middle", "lower middle", "bottom")
COLUMNS = ("left", "centre left", "centre right", "right")


class ExplainableCover(ExplainableFeatures):
    """The pixels as the point; the baseline is a plain cover in the mean training colour.

    Args:
        pixels: `(size, size, 3)` the track's cover.
        branch: The branch, whose layer `colours` knows the mean colour.
    """

    def __init__(self, pixels, branch):
        self.pixels = pixels.astype("float32")
        mean = np.ravel(ops.convert_to_numpy(branch.get_layer("colours").mean))
        plain = np.broadcast_to(mean.astype("float32"), self.pixels.shape)
        super().__init__(
            {"pixels": self.pixels},
            branch,
            {"pixels": plain},
            "a plain cover of the training covers' mean colour",
        )

    def parts(self, attribution):
        """One part for each of sixteen regions."""
        sums = _regions(attribution["pixels"])
        return [
            Part(f"{ROWS[row]}, {COLUMNS[column]}", float(sums[row, column]))
            for row in range(REGIONS)
            for column in range(REGIONS)
        ]

    def draw(self, attribution):
        """The cover, and the contributions of its pixels: blue raises, red lowers the score."""
        contributions = attribution["pixels"].sum(axis=2)
        limit = max(float(np.abs(contributions).max()), 1e-12)
        figure = Figure(figsize=(6.4, 3.2))
        cover, heat = figure.subplots(1, 2)
        cover.imshow(np.clip(self.pixels, 0, 1))
        image = heat.imshow(contributions, cmap="RdBu", vmin=-limit, vmax=limit)
        figure.colorbar(image, ax=heat, label="contribution of a pixel")
        for axes in (cover, heat):
            axes.set_xticks([])
            axes.set_yticks([])
            axes.grid(False)
        return figure


class ExplainableArtists(ExplainableFeatures):
    """The artists' vectors as the point; the baseline is zero.

    Args:
        artists: The track's artists that the graph knows.
        features: The features extracted from them.
        branch: The branch.
    """

    def __init__(self, artists, features, branch):
        self.artists = artists
        # The mask is held fixed: the number of artists isn't attributed.
        baseline = {"vectors": np.zeros_like(features["vectors"]), "known": features["known"]}
        super().__init__(features, branch, baseline, "artists without a place in the graph")

    def parts(self, attribution):
        """One part per artist."""
        sums = attribution["vectors"].sum(axis=1).tolist()
        return [Part(name, value) for name, value in zip(self.artists, sums, strict=False)]


def _regions(contributions):
    """`(size, size, 3)` to the sums of `REGIONS` x `REGIONS` about equal regions."""
    size = contributions.shape[0]
    starts = np.linspace(0, size, REGIONS + 1).astype(int)[:-1]
    rows = np.add.reduceat(contributions.sum(axis=2), starts, axis=0)
    return np.add.reduceat(rows, starts, axis=1)
