"""The pages that `deephits explain` left in a run's folder."""

from __future__ import annotations

from pathlib import Path

from deephits_keras.runs.files import EXPLANATIONS


def explanation_pages(run: Path) -> dict[str, str]:
    """Title of each page of explanations by its path from the run's folder, the run's own first."""
    folder = run / EXPLANATIONS
    pages = sorted(folder.glob("*.html"), key=lambda page: (page.stem != "importance", page.stem))
    return {
        f"{folder.name}/{page.name}": "What the model uses"
        if page.stem == "importance"
        else page.stem.removeprefix("track-")
        for page in pages
    }
