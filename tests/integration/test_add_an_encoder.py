"""Every block of docs/add-an-encoder.md, run in order as a reader would.

`bash` blocks are run; `python` blocks with a title are written to that file, others are run after
them; a `toml` block must be in a file of the reader's; each line of a `text` block must be in what
the last `bash` block printed, with anything in the place of an ellipsis. Plain commands of a block
run in one process, and so do the `python` blocks, as each would import TensorFlow. The page has the
encoder checked twice, by the command and by pytest: on other backends it is the first time only.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from fresh_environment import ROOT, FreshEnvironment

PAGE = ROOT / "docs" / "add-an-encoder.md"
ONCE = "-k 'not other_backends'"
BLOCK = re.compile(r"^```(\w+)(?: title=(\S+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def plain_commands(block: str) -> list[tuple[str, ...]]:
    """The words after `deephits` of each line, if nothing else is in several lines."""
    lines = block.splitlines()
    plain = all(re.fullmatch(r"deephits [\w./=, -]+", line) for line in lines)
    return [tuple(line.split()[1:]) for line in lines] if plain and len(lines) > 1 else []


@pytest.mark.slow
def test_every_block_of_the_page_works(fresh: FreshEnvironment, tmp_path: Path) -> None:
    printed, alone = "", []
    blocks = BLOCK.findall(PAGE.read_text(encoding="utf-8"))
    assert len(blocks) == PAGE.read_text(encoding="utf-8").count("\n```") / 2 > 10
    for language, title, content in blocks:
        if title:
            assert (tmp_path / title).exists()
            (tmp_path / title).write_text(content)
        elif language == "toml":
            assert any(content in path.read_text() for path in tmp_path.rglob("*.toml"))
        elif language == "text":
            for line in content.splitlines():
                pattern = ".*".join(re.escape(part.strip()) for part in line.split("…"))
                assert re.search(pattern, printed), f"{line!r} isn't in\n{printed}"
        elif language == "python":
            alone.append(content)
        elif several := plain_commands(content):
            printed = "".join(fresh.commands(tmp_path, *several))
        else:
            script = content.replace("python -m pytest", f"python -m pytest {ONCE}")
            done = fresh.run("bash", "-euo", "pipefail", "-c", script, cwd=tmp_path)
            printed = done.stdout + done.stderr
            assert done.returncode == 0, f"{content}\n{printed}"
    done = fresh.run("python", "-c", "\n".join(f"exec({c!r}, {{}})" for c in alone), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
