"""Names of the fields that the paper uses."""

from __future__ import annotations

DESCRIPTORS = (
    "acousticness",
    "danceability",
    "duration_ms",
    "energy",
    "instrumentalness",
    "liveness",
    "loudness",
    "speechiness",
    "tempo",
    "valence",
    "mode",
    "key",
)
"""The paper's high-level audio descriptors (Table 3)."""

METADATA = ("artist_popularity", "release_year")
"""The paper's metadata (Section 2.1)."""
