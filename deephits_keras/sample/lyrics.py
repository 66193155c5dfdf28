"""Synthetic lyrics in five languages whose vocabulary depends on a cause.

Each language has words of a bright and of a dark theme; the cause decides how many of the theme
words are bright. Lengths follow the paper's Table A3: median 254 words, 95 % within 583.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

PLACEHOLDER = "Lyrics not available"
"""Value of the lyrics column for a track without lyrics."""

HEADING = "[Synthetic lyrics]"
"""First line of every text."""

MEDIAN_WORDS = 254
LOG_WORDS_SD = math.log(583 / MEDIAN_WORDS) / 1.645
"""Lognormal with Table A3's median and 95th percentile; its 99th is 822 (paper: 841)."""

SHORTEST_WORDS = 12
LINES_PER_SECTION = 4
BRIGHT_LOGIT_PER_CAUSE = 1.5
"""Change of the log-odds of a bright word per unit of the cause: 82 % bright at +1."""


@dataclass(frozen=True)
class Language:
    """Vocabulary and lines of one language.

    Attributes:
        share: Fraction of the tracks in this language.
        bright: Theme words of popular tracks.
        dark: Theme words of unpopular tracks.
        lines: Templates with two places for theme words, independent of gender and number.
    """

    share: float
    bright: tuple[str, ...]
    dark: tuple[str, ...]
    lines: tuple[str, ...]


LANGUAGES = {
    "en": Language(
        0.5,
        ("sunshine", "summer", "dancing", "laughter", "honey", "carnival", "fireworks", "gold"),
        ("winter", "shadows", "silence", "ashes", "sorrow", "thunder", "poison", "rust"),
        (
            "all I know is {} and {}",
            "between {} and {} we go on",
            "oh give me {} and take my {}",
            "I was made of {} and {}",
            "tonight it's only {} only {}",
            "you call it {} I call it {}",
        ),
    ),
    "es": Language(
        0.2,
        ("alegría", "verano", "fiesta", "risas", "miel", "carnaval", "sol", "oro"),
        ("invierno", "sombras", "silencio", "ceniza", "pena", "truenos", "veneno", "olvido"),
        (
            "entre {} y {} te busco",
            "no hay {} sin {} mi amor",
            "dame {} dame {} otra vez",
            "esta noche {} y mañana {}",
            "yo te canto {} y {}",
            "tú me diste {} yo te di {}",
        ),
    ),
    "de": Language(
        0.1,
        ("Sommer", "Freude", "Tanz", "Lachen", "Honig", "Karneval", "Sonne", "Gold"),
        ("Winter", "Schatten", "Stille", "Asche", "Kummer", "Donner", "Gift", "Rost"),
        (
            "zwischen {} und {} sind wir",
            "gib mir {} gib mir {} heut Nacht",
            "ohne {} und ohne {} kein Lied",
            "ich bin {} und du bist {}",
            "immer wieder {} und {}",
            "was bleibt ist {} und {}",
        ),
    ),
    "fr": Language(
        0.1,
        ("soleil", "été", "fête", "rires", "miel", "carnaval", "lumière", "joie"),
        ("hiver", "ombres", "silence", "cendres", "chagrin", "tonnerre", "poison", "oubli"),
        (
            "entre {} et {} je t'attends",
            "ni {} ni {} sans toi",
            "encore {} toujours {} ce soir",
            "tu dis {} je dis {}",
            "je chante {} et {}",
            "tout est {} rien n'est {}",
        ),
    ),
    "pt": Language(
        0.1,
        ("alegria", "verão", "festa", "risos", "mel", "carnaval", "sol", "ouro"),
        ("inverno", "sombras", "silêncio", "cinzas", "mágoa", "trovão", "veneno", "saudade"),
        (
            "entre {} e {} eu vou",
            "não há {} sem {} meu bem",
            "me dá {} me dá {} outra vez",
            "hoje é {} amanhã é {}",
            "eu canto {} e {}",
            "você é {} eu sou {}",
        ),
    ),
}


def write_lyrics(cause: float, rng: np.random.Generator) -> str:
    """Write one text: verses and a repeated chorus, with line breaks.

    Args:
        cause: Determines the fraction of bright theme words, about N(0, 1).
        rng: Generator of language, length and words.
    """
    languages = list(LANGUAGES.values())
    language = languages[rng.choice(len(languages), p=[x.share for x in languages])]
    bright_share = 1.0 / (1.0 + math.exp(-BRIGHT_LOGIT_PER_CAUSE * cause))
    wanted = max(SHORTEST_WORDS, rng.lognormal(math.log(MEDIAN_WORDS), LOG_WORDS_SD))

    def section() -> list[str]:
        return [_line(language, bright_share, rng) for _ in range(LINES_PER_SECTION)]

    chorus = section()
    text = [HEADING]
    words = len(HEADING.split())
    verse_next = True
    while words < wanted:
        text.append("")
        for line in section() if verse_next else chorus:
            if words < wanted:
                text.append(line)
                words += len(line.split())
        verse_next = not verse_next
    return "\n".join(text)


def _line(language: Language, bright_share: float, rng: np.random.Generator) -> str:
    words = [
        rng.choice(language.bright if bright else language.dark)
        for bright in rng.random(2) < bright_share
    ]
    return str(rng.choice(language.lines)).format(*words)
