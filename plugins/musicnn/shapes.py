"""Sizes of the network, and the names and shapes of its weights in the checkpoint."""

from __future__ import annotations

FRAMES, BANDS = 187, 96
"""Size of a patch, the spectrogram of 3 s that the network takes."""

TIMBRE = {"timbre_high": 38, "timbre_low": 67}
"""Bands of the two kernels over 7 frames: 0.4 and 0.7 of all."""

RHYTHM = {"rhythm_long": 128, "rhythm_middle": 64, "rhythm_short": 32}
"""Frames of the three kernels over a single band."""

MIDDLE = ("middle1", "middle2", "middle3")
TIMBRE_FILTERS, RHYTHM_FILTERS, MIDDLE_FILTERS, HIDDEN = 204, 51, 64, 200
TAGS = 50
FRONT = 2 * TIMBRE_FILTERS + 3 * RHYTHM_FILTERS
POOLED = FRONT + 3 * MIDDLE_FILTERS
EPSILON = 1e-3

CONVOLUTIONS = (*TIMBRE, *RHYTHM, *MIDDLE)

VARIABLES = {
    **{
        name: f"conv2d_{number}" if number else "conv2d" for number, name in enumerate(CONVOLUTIONS)
    },
    "hidden": "dense",
    "logits": "dense_1",
    **{
        f"{name}_norm": f"batch_normalization_{number}" if number else "batch_normalization"
        for number, name in enumerate(("input", *CONVOLUTIONS, "pooled", "hidden"))
    },
}
"""Names in the checkpoint, by layer."""

NORM = ("gamma", "beta", "moving_mean", "moving_variance")


def weight_shapes() -> dict[str, tuple[int, ...]]:
    """Shape of every weight, by its name in the checkpoint."""
    kernels = {
        **{name: (7, bands, 1, TIMBRE_FILTERS) for name, bands in TIMBRE.items()},
        **{name: (frames, 1, 1, RHYTHM_FILTERS) for name, frames in RHYTHM.items()},
        "middle1": (7, FRONT, 1, MIDDLE_FILTERS),
        **dict.fromkeys(MIDDLE[1:], (7, MIDDLE_FILTERS, 1, MIDDLE_FILTERS)),
        "hidden": (2 * POOLED, HIDDEN),
        "logits": (HIDDEN, TAGS),
    }
    shapes: dict[str, tuple[int, ...]] = {}
    for layer, kernel in kernels.items():
        stored = VARIABLES[layer]
        shapes |= {f"{stored}/kernel": kernel, f"{stored}/bias": kernel[-1:]}
    sizes = {name: kernels[name][-1] for name in (*CONVOLUTIONS, "hidden")}
    for name, size in {"input": 1, "pooled": 2 * POOLED, **sizes}.items():
        shapes |= {f"{VARIABLES[f'{name}_norm']}/{part}": (size,) for part in NORM}
    return shapes
