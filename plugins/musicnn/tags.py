"""The tags of both models, in the order of their outputs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

NAMES: dict[str, tuple[str, ...]] = {
    "msd": (
        *("rock", "pop", "alternative", "indie", "electronic", "female vocalists", "dance"),
        *("00s", "alternative rock", "jazz", "beautiful", "metal", "chillout"),
        *("male vocalists", "classic rock", "soul", "indie rock", "mellow", "electronica", "80s"),
        *("folk", "90s", "chill", "instrumental", "punk", "oldies", "blues", "hard rock"),
        *("ambient", "acoustic", "experimental", "female vocalist", "guitar", "hip-hop", "70s"),
        *("party", "country", "easy listening", "sexy", "catchy", "funk", "electro"),
        *("heavy metal", "progressive rock", "60s", "rnb", "indie pop", "sad", "house", "happy"),
    ),
    "mtt": (
        *("guitar", "classical", "slow", "techno", "strings", "drums", "electronic", "rock"),
        *("fast", "piano", "ambient", "beat", "violin", "vocal", "synth", "female", "indian"),
        *("opera", "male", "singing", "vocals", "no vocals", "harpsichord", "loud", "quiet"),
        *("flute", "woman", "male vocal", "no vocal", "pop", "soft", "sitar", "solo", "man"),
        *("classic", "choir", "voice", "new age", "dance", "male voice", "female vocal", "beats"),
        *("harp", "cello", "no voice", "weird", "country", "metal", "female voice", "choral"),
    ),
}
"""Last.fm's tags of the Million Song Dataset, and MagnaTagATune's, in lower case."""

STRONGEST = 3


def sounds_like(tags: Any, names: Sequence[str]) -> str:
    """The strongest tags with their scores, strongest first.

    Args:
        tags: `(50,)` scores, 0-1.
        names: Their names.

    Example:
        >>> sounds_like([0.1, 0.52, 0.3], ("rock", "electronic", "dance"))
        'electronic 0.52, dance 0.30, rock 0.10'
    """
    strongest = sorted(zip(tags, names, strict=True), key=lambda pair: -float(pair[0]))[:STRONGEST]
    return ", ".join(f"{name} {float(score):.2f}" for score, name in strongest)
