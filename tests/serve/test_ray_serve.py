"""`examples/ray_serve.py` on a cluster of this machine: no request is lost with a replica."""

from __future__ import annotations

import importlib.util
import json
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
import ray
from ray import serve

from deephits_keras.serve.listening import bound

EXAMPLE = Path(__file__).parents[2] / "examples" / "ray_serve.py"
pytestmark = pytest.mark.nightly
REQUESTS, CLIENTS = 48, 8


@pytest.fixture(scope="module")
def address(bundle: Path) -> Iterator[str]:
    """Of a cluster that serves the bundle with two replicas."""
    with bound("127.0.0.1", 0) as free:
        port = free.getsockname()[1]
    spec = importlib.util.spec_from_file_location("ray_serve", EXAMPLE)
    assert spec is not None
    assert spec.loader is not None
    example: Any = importlib.util.module_from_spec(spec)
    sys.modules["ray_serve"] = example
    spec.loader.exec_module(example)
    environment = {"env_vars": {"PYTHONPATH": str(EXAMPLE.parent)}}
    ray.init(num_cpus=4, include_dashboard=False, runtime_env=environment, log_to_driver=False)
    try:
        example.start(str(bundle), replicas=2, port=port, workers=1, max_megabytes=1)
        yield f"http://127.0.0.1:{port}"
    finally:
        serve.shutdown()
        ray.shutdown()
        del sys.modules["ray_serve"]


def kill_a_replica() -> None:
    replicas = [a for a in ray.util.list_named_actors(True) if "#Replica#" in a["name"]]
    assert len(replicas) == 2
    ray.kill(ray.get_actor(**replicas[0]), no_restart=False)


def test_every_request_is_answered_once_though_a_replica_dies(address: str, song: Path) -> None:
    heard = song.read_bytes()
    killed = threading.Event()
    with httpx.Client(base_url=address, timeout=60) as client:

        def ask(number: int) -> tuple[int, Any]:
            if number == REQUESTS // 3:
                kill_a_replica()
                killed.set()
            # A recording keeps a replica busy, so that some are in progress when it dies.
            answer = client.post(
                "/v1/predict",
                files={"audio": ("song.mp3", heard)},
                data={"fields": json.dumps({"tempo": 60 + number})},
            )
            return answer.status_code, answer.json()

        with ThreadPoolExecutor(CLIENTS) as clients:
            answers = list(clients.map(ask, range(REQUESTS)))
        assert killed.is_set()
        assert {status for status, _ in answers} == {200}
        tempos = {60 + n: answer["scores"] for n, (_, answer) in enumerate(answers)}
        for number in (0, REQUESTS - 1):
            status, again = ask(number)
            assert status == 200
            assert tempos[60 + number] == pytest.approx(again["scores"], abs=1e-6)


def test_other_paths_and_limits_are_those_of_the_server(address: str, song: Path) -> None:
    with httpx.Client(base_url=address, timeout=60) as client:
        heard = client.post("/v1/predict", files={"audio": ("song.mp3", song.read_bytes())})
        assert heard.status_code == 200, heard.text
        assert "mel" not in heard.json()["missing"]
        assert client.get("/v2/health/ready").status_code == 200
        refused = client.post("/v1/predict", json={"fields": {"tempo": -5}})
        assert refused.status_code == 422
        assert refused.json()["field"] == "tempo"
        assert client.post("/v1/predict", content=bytes(2**21)).status_code == 413
