"""One synthetic sample with real MP3s, made once and shared by the integration tests."""

from __future__ import annotations

from pathlib import Path

import pytest
from fresh_environment import FreshEnvironment

from deephits_keras.sample import make_sample


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sample") / "raw"
    make_sample(folder, 200, seed=1, seconds=3)
    return folder


@pytest.fixture(scope="session")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> FreshEnvironment:
    environment = FreshEnvironment(tmp_path_factory.mktemp("fresh") / "environment")
    environment.install_this_project()
    return environment
