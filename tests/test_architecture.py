"""The rooms of the package and who may import whom: from later rooms to earlier ones only."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = {"deephits_keras": "deephits_keras", "deephits_plugins": "plugins"}

ROOMS = (
    ("version", "errors", "types", "choices", "tracks", "tasks", "cpu"),
    ("utils",),
    ("encoders",),
    ("audio",),
    ("fields",),
    ("corpus",),
    ("features",),
    ("pipeline",),
    ("model",),
    ("evaluation",),
    ("runs",),
    ("recipes",),
    ("report",),
    ("training",),
    ("export",),
    ("prediction",),
    ("explanation",),
    ("drift_detection",),
    ("serve",),
    ("verification",),
    ("reproduction",),
    ("comparison",),
    ("tuning",),
    ("testing",),
    ("sample",),
    ("cli", "__main__"),
)
"""From what everything speaks of to what speaks of everything; modules of one line stand alone."""

ORDER = {name: place for place, names in enumerate(ROOMS) for name in names}
FACADE = "deephits_keras"
"""The package itself gives the public names of any room, and so no room may import it."""


def module_of(path: Path) -> str:
    package = next(p for p, folder in PACKAGES.items() if path.is_relative_to(ROOT / folder))
    parts = [package, *path.relative_to(ROOT / PACKAGES[package]).with_suffix("").parts]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {
    module_of(path): path
    for folder in PACKAGES.values()
    for path in sorted((ROOT / folder).rglob("*.py"))
}


def named(node: ast.AST, module: str, *, is_package: bool) -> Iterator[str]:
    """What an import statement names, by absolute names."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        parts = module.split(".")
        above = parts[: len(parts) - node.level + is_package] if node.level else []
        base = ".".join([*above, *([node.module] if node.module else [])])
        yield base
        yield from (f"{base}.{alias.name}" for alias in node.names)


def imports(module: str, source: str, *, is_package: bool = False) -> set[str]:
    """Modules of this project that a module imports: at its top, in functions, for type checks."""
    found = {
        name
        for node in ast.walk(ast.parse(source))
        for name in named(node, module, is_package=is_package)
        if name in MODULES
    }
    packages = {name for name in found if any(other.startswith(f"{name}.") for other in found)}
    return found - packages - {module}


EDGES = {
    module: imports(module, path.read_text(), is_package=path.name == "__init__.py")
    for module, path in MODULES.items()
}


def room_of(module: str) -> str | None:
    package, _, rest = module.partition(".")
    return rest.partition(".")[0] if package == FACADE and rest else None


def offences(module: str, imported: set[str]) -> list[str]:
    """Imports that go the wrong way, in words."""
    here = room_of(module)
    found = []
    for target in sorted(imported):
        there = room_of(target)
        if module == FACADE:
            continue
        if target == FACADE:
            found.append(f"{module} imports the facade {FACADE}")
        elif here is None and there in ("reproduction", "testing", "sample"):
            found.append(f"the plug-in {module} imports {target}")
        elif here is not None and there is None:
            found.append(f"{module} imports the plug-in {target}")
        elif here is not None and there is not None and ORDER[there] > ORDER[here]:
            found.append(f"{module} imports {target} of a later room")
    return found


def circles(edges: dict[str, set[str]]) -> list[list[str]]:
    """Strongly connected modules (Tarjan 1972)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(module: str) -> None:
        index[module] = low[module] = len(index)
        stack.append(module)
        for target in edges.get(module, ()):
            if target not in index:
                visit(target)
                low[module] = min(low[module], low[target])
            elif target in stack:
                low[module] = min(low[module], index[target])
        if low[module] == index[module]:
            circle: list[str] = []
            while not circle or circle[-1] != module:
                circle.append(stack.pop())
            if len(circle) > 1:
                found.append(sorted(circle))

    for module in edges:
        if module not in index:
            visit(module)
    return found


def test_every_module_is_in_a_room() -> None:
    rooms = {room for module in MODULES if (room := room_of(module))}
    assert rooms == set(ORDER)


def test_no_room_imports_a_later_one() -> None:
    found = [offence for module in EDGES for offence in offences(module, EDGES[module])]
    assert not found, "\n".join(found)


def test_no_modules_import_each_other_in_a_circle() -> None:
    found = circles({m: e for m, e in EDGES.items() if m != FACADE})
    assert not found, "\n".join(" - ".join(circle) for circle in found)


@pytest.mark.parametrize(
    "statement",
    [
        "from deephits_keras.cli import main",
        "from deephits_keras.runs.run import Run",
        "import deephits_keras.training.trainer",
        "def late():\n    from deephits_keras.training import trainer",
        "if TYPE_CHECKING:\n    from deephits_keras.model.fusion import Fusion",
        "from ..report import style",
        "from deephits_keras import build_model",
        "from deephits_plugins.mel_cnn import MelCNN",
    ],
)
def test_an_import_the_wrong_way_is_found(statement: str) -> None:
    module = "deephits_keras.corpus.table"
    assert offences(module, imports(module, statement))


def test_a_circle_is_found() -> None:
    edges = {"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}}
    assert circles(edges) == [["a", "b", "c"]]
