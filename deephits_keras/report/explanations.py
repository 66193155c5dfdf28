"""The pages that `deephits explain` wrote to a run's folder."""

from __future__ import annotations

from pathlib import Path

from deephits_keras.runs.files import EXPLANATIONS


def explanation_pages(run: Path) -> dict[str, str]:
    """Title of each explanation page by its path in the run's folder."""
    folder = run / EXPLANATIONS
    pages = sorted(folder.glob("*.html"), key=lambda page: (page.stem != "importance", page.stem))
    return {
        f"{folder.name}/{page.name}": "Permutation importance of the inputs"
        if page.stem == "importance"
        else page.stem.removeprefix("track-")
        for page in pages
    }
