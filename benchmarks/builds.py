"""Builds of this project: the present one, and older commits in environments of their own."""

from __future__ import annotations

import hashlib
import io
import os
import resource
import shutil
import subprocess
import sys
import tarfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
KEPT = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "deephits-benchmarks"
"""Folder of the environments, one per commit."""


@dataclass(frozen=True)
class Cost:
    """What a command cost, in seconds of its processes' CPU time and of the clock."""

    cpu: float
    wall: float


@dataclass(frozen=True)
class Build:
    """A build of this project.

    Attributes:
        name: What it is called in tables.
        python: Its interpreter.
    """

    name: str
    python: Path

    def deephits(self, *words: object) -> Cost:
        """Run its command, and measure it.

        Raises:
            RuntimeError: if it fails, with what it said.
        """
        command = [str(self.python), "-P", "-c", "from deephits_keras.cli import main; main()"]
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        began = time.perf_counter()
        process = subprocess.Popen(
            [*command, *map(str, words)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        said = process.communicate()[1]
        wall = time.perf_counter() - began
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        if process.returncode:
            raise RuntimeError(f"{self.name}: deephits {words}: {said.decode()[-2000:]}")
        cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        return Cost(cpu, wall)


def present() -> Build:
    """The present build, in the environment of this process."""
    return Build("present", Path(sys.executable))


def present_alone() -> Build:
    """The present build in an environment of its own, as that of `build_of`.

    What development needs isn't there: TensorFlow imports JAX wherever it is installed.

    Raises:
        RuntimeError: if uv isn't installed.
        CalledProcessError: if it can't be installed.
    """
    requirements = hashlib.sha256((ROOT / "setup.cfg").read_bytes()).hexdigest()[:12]
    needs = ("--editable", str(ROOT))
    return Build("present", environment(f"present-{requirements}", needs))


def build_of(commit: str) -> Build:
    """Build a commit in an environment of its own, once; uv installs what it depends on.

    Args:
        commit: A commit of this repository.

    Raises:
        RuntimeError: if uv isn't installed.
        CalledProcessError: if there is no such commit, or it can't be installed.
    """
    full = _git("rev-parse", "--verify", f"{commit}^{{commit}}").decode().strip()
    folder = KEPT / full[:12]
    python = folder / "venv" / "bin" / "python"
    if not (folder / "whole").exists():
        shutil.rmtree(folder, ignore_errors=True)
        source = folder / "source"
        source.mkdir(parents=True)
        with tarfile.open(fileobj=io.BytesIO(_git("archive", full))) as archive:
            archive.extractall(source, filter="data")
        uv = _uv()
        subprocess.run(
            [uv, "venv", "-q", "--python", sys.executable, python.parents[1]], check=True
        )
        subprocess.run([*_install(uv, python), "-e", source], check=True)
        (folder / "whole").touch()
    return Build(full[:7], python)


def environment(name: str, needs: Sequence[str]) -> Path:
    """The interpreter of an environment with some packages, made once with uv.

    Args:
        name: Name of its folder.
        needs: What is installed.

    Raises:
        RuntimeError: if uv isn't installed.
        CalledProcessError: if a package can't be installed.
    """
    digest = hashlib.sha256("\n".join((sys.version, *needs)).encode()).hexdigest()[:12]
    folder = KEPT / f"{name}-{digest}"
    python = folder / "bin" / "python"
    if not (folder / "whole").exists():
        uv = _uv()
        subprocess.run(
            [uv, "venv", "-q", "--clear", "--python", sys.executable, folder], check=True
        )
        subprocess.run([*_install(uv, python), *needs], check=True)
        (folder / "whole").touch()
    return python


def _install(uv: Path, python: Path) -> list[str | Path]:
    # Compiled, or the first round of a benchmark would do it.
    return [uv, "pip", "install", "-q", "--compile-bytecode", "--python", python]


def _git(*words: str) -> bytes:
    return subprocess.run(["git", *words], cwd=ROOT, check=True, capture_output=True).stdout


def _uv() -> Path:
    beside = Path(sys.executable).parent / "uv"
    found = str(beside) if beside.exists() else shutil.which("uv")
    if found is None:
        raise RuntimeError("This needs uv: pip install uv")
    return Path(found)
