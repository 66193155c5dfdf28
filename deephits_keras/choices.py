"""Names that arguments can have; imports nothing heavy, as `--help` lists them."""

from __future__ import annotations

SPLITS = ("random", "stratified", "artist", "song", "date", "kfold", "rolling", "group")
"""Ways of holding tracks out: `corpus.splits`."""

SPLITS_BY_TIME = ("date", "rolling")
"""Splits whose held-out songs are newer than those of training."""

DUPLICATES = ("first", "max", "mean")
"""Whose popularity counts where several rows have one id: `corpus.duplicates`."""

ARTIST_RULES = ("first", "max", "mean")
"""Whose popularity a track with several artists has: `corpus.spotgentrack`."""

ENGINES = ("local", "dask", "ray")
"""What runs an extraction: `features.engines`."""

LIKELIEST, MACRO_F1, DISTANCE = "likeliest", "macro-f1", "distance"

DECODINGS = (LIKELIEST, MACRO_F1, DISTANCE)
"""How one tier is chosen from the class scores of a track: `tasks.Decoding`."""

QUALITIES = ("fast", "good", "best")
"""How much a training may cost: `recipes.quality`."""

CACHES = ("none", "memory", "device")
"""Where features are kept during training: `pipeline.cache`."""

CAUSES = ("all", "audio", "lyrics", "meta")
"""What the popularity of the sample depends on: `deephits_keras.sample`."""

QUANTIZATIONS = ("int8",)
"""Smaller types of weights in an export: `deephits_keras.export`."""

SPLIT_ARGUMENTS = (
    *("validation", "test", "fold", "folds"),
    *("origin", "horizon", "since", "rehearsal", "by", "held_out"),
)
"""Arguments of a split besides its kind: `corpus.splits.make_split`."""
