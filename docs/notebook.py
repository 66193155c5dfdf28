"""examples/notebook.ipynb from docs/python.md, which is its only source: `make notebook`.

The cells are run, and what they show is kept; progress and TensorFlow's notes aren't.
"""

from __future__ import annotations

import json
import re
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "python.md"
NOTEBOOK = ROOT / "examples" / "notebook.ipynb"
FENCED = re.compile(r"^```python\n(.*?)^```$\n?", flags=re.MULTILINE | re.DOTALL)


def cells(page: str) -> list[dict[str, Any]]:
    """A page's cells: a code cell for each block of Python, and what stands between them."""
    made: list[dict[str, Any]] = []
    for place, text in enumerate(FENCED.split(page)):
        source = text.strip("\n")
        if not source:
            continue
        cell = {"id": f"cell-{len(made)}", "metadata": {}, "source": source}
        if place % 2:
            made.append({"cell_type": "code", "execution_count": None, "outputs": [], **cell})
        else:
            cell["source"] = from_examples(source)
            made.append({"cell_type": "markdown", **cell})
    return made


def from_examples(text: str) -> str:
    """Markdown whose links lead from docs/, with links from examples/."""
    text = re.sub(r"\]\((?!https?:|\.\./)([^)]+)\)", r"](../docs/\1)", text)
    return re.sub(r"\]\(\.\./(?!docs/)([^)]+)\)", r"](../\1)", text)


def notebook(page: str) -> dict[str, Any]:
    """A page as a notebook that hasn't been run."""
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    return {
        "cells": cells(page),
        "metadata": {"kernelspec": kernel, "language_info": {"name": "python"}},
        "nbformat": 4,
        "nbformat_minor": 5,
    }


def executed(unrun: dict[str, Any]) -> dict[str, Any]:
    """Run a notebook in a folder of its own."""
    import nbformat
    from nbclient import NotebookClient

    book = nbformat.from_dict(unrun)
    with tempfile.TemporaryDirectory() as folder:
        NotebookClient(book, timeout=1800, resources={"metadata": {"path": folder}}).execute()
    for cell in book.cells:
        cell.metadata.clear()
        if cell.cell_type == "code":
            cell.outputs = tidied(cell.outputs)
    return dict(book)


def tidied(outputs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A cell's outputs: what it printed in one piece, without standard error and warnings."""
    printed = "".join(o["text"] for o in outputs if o.get("name") == "stdout")
    text = re.sub(r"^WARNING:tensorflow:.*\n", "", printed, flags=re.MULTILINE)
    stream = {"name": "stdout", "output_type": "stream", "text": text}
    return [stream] * bool(text) + [o for o in outputs if o["output_type"] != "stream"]


def main() -> None:
    """Write the notebook."""
    book = executed(notebook(PAGE.read_text(encoding="utf-8")))
    text = json.dumps(book, indent=1, ensure_ascii=False)
    NOTEBOOK.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
