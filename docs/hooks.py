"""Additional pages for `mkdocs`: files at the top of the repository, and the API reference.

The reference has one page per package of `deephits_keras`, made from docstrings; packages and
modules are found automatically.
"""

from __future__ import annotations

import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "deephits_keras"
TOP = {
    "README.md": "index.md",
    "ARCHITECTURE.md": "architecture.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "SECURITY.md": "security.md",
}
"""Files at the top of the repository, by the page that each becomes."""

COPIED = ("examples/notebook.ipynb",)
"""Other files that pages link to, by their path in the repository and on the site."""

HIDDEN = {"cli"}
"""Packages that nobody imports: their `--help` is their reference."""


def reference() -> dict[str, str]:
    """Markdown of the reference, by page."""
    rooms = sorted(path.parent for path in PACKAGE.glob("*/__init__.py"))
    modules = sorted(path for path in PACKAGE.glob("*.py") if not path.name.startswith("_"))
    pages = {
        "reference/deephits_keras.md": _page(
            "deephits_keras", ["deephits_keras", *map(_module, modules)]
        )
    }
    for room in rooms:
        if room.name not in HIDDEN:
            inside = sorted(
                room.glob("*.py"), key=lambda path: (path.stem != "__init__", path.stem)
            )
            pages[f"reference/{room.name}.md"] = _page(_module(room), [_module(p) for p in inside])
    return pages


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """List the pages: guides as they are found, then the repository's own, then the reference."""
    guides = sorted(path.name for path in (ROOT / "docs").glob("*.md"))
    first = [page for page in ("guide.md", "python.md") if page in guides]
    config.nav = [
        "index.md",
        {"Guides": first + [page for page in guides if page not in first]},
        {"Reference": list(reference())},
        {"Project": [page for page in TOP.values() if page != "index.md"]},
    ]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that aren't files of docs/."""
    for source, page in TOP.items():
        text = (ROOT / source).read_text(encoding="utf-8")
        files.append(File.generated(config, page, content=_links_from_docs(text)))
    for page, text in reference().items():
        files.append(File.generated(config, page, content=text))
    for path in COPIED:
        files.append(File.generated(config, path, abs_src_path=str(ROOT / path)))
    return files


def on_page_markdown(markdown: str, **_: object) -> str:
    """Pages of docs/ link to the repository's own by `../`."""
    for source, page in TOP.items():
        markdown = markdown.replace(f"](../{source}", f"]({page}")
    for path in COPIED:
        markdown = markdown.replace(f"](../{path}", f"]({path}")
    return markdown


def _module(path: Path) -> str:
    name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
    return name.removesuffix(".__init__")


def _package_first(path: Path) -> tuple[bool, str]:
    return path.stem != "__init__", path.stem


def _page(title: str, modules: list[str]) -> str:
    return f"# {title}\n\n" + "\n".join(f"::: {module}\n" for module in modules)


def _links_from_docs(text: str) -> str:
    text = re.sub(r"\]\(docs/", "](", text)
    for source, page in TOP.items():
        text = text.replace(f"]({source}", f"]({page}")
    return text
