"""The server as a whole: its processes, limits and token, and the page in a real browser."""

from __future__ import annotations

import importlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from starlette.testclient import TestClient

import deephits_keras as dh
from deephits_keras.serve.admission import Rates
from deephits_keras.serve.service import Service

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "google-chrome"))), None)
FIELDS = {"tempo": 120, "artist_popularity": 70}
TOKEN = "-".join(["a", "token", "of", "some", "length"])


@dataclass(frozen=True)
class Server:
    address: str
    process: subprocess.Popen[str]

    @property
    def worker(self) -> int:
        """Id of its worker process: a child of the process that forks them."""
        below = psutil.Process(self.process.pid).children(recursive=True)
        return next(p.pid for p in below if p.ppid() != self.process.pid)


@pytest.fixture(scope="module")
def server(bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """`deephits serve` in a process of its own, ended by SIGTERM."""
    words = [sys.executable, "-m", "deephits_keras", "serve", str(bundle), "--port", "0"]
    spool = tmp_path_factory.mktemp("spool")
    with subprocess.Popen(
        [*words, "--workers", "1"],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(spool)},
    ) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        yield Server(re.findall(r"http://\S+", line)[0], process)
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    # onnxruntime leaves an empty `.ses`.
    assert [path.name for path in spool.iterdir() if path.name != ".ses"] == []


@pytest.fixture
def address(server: Server) -> str:
    return server.address


def post(address: str, song: Path, **more: Any) -> httpx.Response:
    files = {"audio": song.read_bytes()}
    return httpx.post(f"{address}/v1/predict", files=files, timeout=60, **more)


def test_a_real_server_answers_a_song(address: str, bundle: Path, song: Path) -> None:
    (wanted,) = dh.predict(bundle, song, fields=FIELDS)
    answer = post(address, song, data={"fields": json.dumps(FIELDS)})
    assert answer.status_code == 200
    assert answer.json()["popularity"] == pytest.approx(wanted.popularity, abs=1e-3)


@pytest.mark.skipif(
    not CHROMIUM and not (os.environ.get("CI") and sys.platform == "linux"),
    reason="needs Chromium",
)
def test_the_page_scores_a_song_in_a_browser(address: str, bundle: Path, song: Path) -> None:
    if not os.environ.get("CI"):
        pytest.importorskip("playwright")
    from playwright.sync_api import sync_playwright

    (wanted,) = dh.predict(bundle, song, fields={"tempo": 130})
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM)
        page = browser.new_page(viewport={"width": 390, "height": 800})
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda said: errors.append(said.text) if said.type == "error" else None)
        page.goto(address)
        page.set_input_files("input[name=audio]", song)
        # By the keyboard alone.
        page.get_by_label("tempo slider").focus()
        page.keyboard.press("ArrowRight")
        assert page.locator("input[type=number]").and_(page.get_by_label("tempo BPM")).input_value()
        page.get_by_label("tempo BPM").fill("130")
        page.keyboard.press("Enter")
        page.wait_for_selector("#answer:not([hidden])")
        assert page.inner_text("#popularity") == f"{wanted.popularity:.1f}"
        assert page.locator("#tiers tbody tr").count() == len(wanted.scores)
        assert "Mel spectrogram of 30 s" in page.locator("canvas").get_attribute("aria-label")
        drawn = "c => new Set(c.getContext('2d').getImageData(0, 0, 99, 99).data).size"
        assert page.locator("canvas").evaluate(drawn) > 50
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        assert errors == []
        bad: Any = {"name": "<b>Été.mp3", "mimeType": "", "buffer": b"?"}
        page.set_input_files("input[name=audio]", bad)
        page.get_by_role("button", name="Predict").click()
        page.wait_for_selector("#error:not([hidden])")
        assert "mel can't be used: _b_Été.mp3 can't be decoded" in page.inner_text("#error")
        browser.close()


def test_what_is_damaged_or_malformed_gets_a_reason(
    address: str, bundle: Path, song: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(Path(__file__).parents[2])
    fuzz = importlib.import_module("benchmarks.fuzz_requests")
    inputs = fuzz.some_inputs(bundle)

    def ask(requests: list[bytes]) -> Any:
        return fuzz.ask_all(address, requests, 4)

    assert not fuzz.wrong("uploads", list(fuzz.uploads(song.read_bytes(), 40, 7)), ask)
    assert not fuzz.wrong("bodies", list(fuzz.bodies("bundle", inputs, 150, 7)), ask)


def test_a_server_that_is_stopped_answers_what_it_has_accepted(server: Server, song: Path) -> None:
    os.kill(server.worker, signal.SIGSTOP)
    answers: list[int] = []
    thread = threading.Thread(target=lambda: answers.append(post(server.address, song).status_code))
    thread.start()
    while "deephits_open_requests 1.0" not in httpx.get(f"{server.address}/metrics").text:
        time.sleep(0.05)
    server.process.send_signal(signal.SIGTERM)
    time.sleep(0.5)
    os.kill(server.worker, signal.SIGCONT)
    thread.join()
    assert answers == [200]
    assert server.process.wait(30) == 0


@pytest.fixture(scope="module")
def served(bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    token = tmp_path_factory.mktemp("token") / "token"
    token.write_text(f"{TOKEN}\n")
    app = dh.serve_app(bundle, workers=1, token_file=token, max_queue=2)
    headers = {"authorization": f"Bearer {TOKEN}"}
    with TestClient(app, headers=headers) as client:
        yield client


def service_of(client: TestClient) -> Service:
    app: Any = client.app
    service: Service = app.state.service
    return service


def song_of(path: Path) -> dict[str, Any]:
    return {"files": {"audio": path.read_bytes()}}


def test_a_worker_that_was_killed_is_replaced(served: TestClient, song: Path) -> None:
    (pid,) = service_of(served).workers.pids
    os.kill(pid, signal.SIGKILL)
    assert served.post("/v1/predict", **song_of(song)).status_code == 200
    assert service_of(served).workers.pids != [pid]


def paused(client: TestClient) -> int:
    (pid,) = service_of(client).workers.pids
    os.kill(pid, signal.SIGSTOP)
    return pid


def later(seconds: float, call: Callable[..., Any], *words: Any) -> threading.Timer:
    timer = threading.Timer(seconds, call, words)
    timer.start()
    return timer


def test_a_request_whose_worker_is_killed_is_tried_again(served: TestClient, song: Path) -> None:
    pid = paused(served)
    timer = later(0.3, os.kill, pid, signal.SIGKILL)
    assert served.post("/v1/predict", **song_of(song)).status_code == 200
    timer.join()


def test_a_request_that_takes_too_long_is_refused(served: TestClient, song: Path) -> None:
    pid = paused(served)
    service_of(served).workers._seconds = 0.3
    try:
        answer = served.post("/v1/predict", **song_of(song))
    finally:
        service_of(served).workers._seconds = 30
    assert answer.status_code == 422
    assert "could not be extracted within 0.3 s" in answer.json()["error"]
    assert pid not in service_of(served).workers.pids
    assert served.post("/v1/predict", **song_of(song)).status_code == 200


def test_requests_beyond_the_queue_are_told_to_come_back(served: TestClient, song: Path) -> None:
    pid = paused(served)
    answers: list[int] = []

    def ask() -> None:
        answers.append(served.post("/v1/predict", **song_of(song)).status_code)

    threads = [threading.Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    time.sleep(0.5)
    refused = served.post("/v1/predict", json={"fields": FIELDS})
    os.kill(pid, signal.SIGCONT)
    for thread in threads:
        thread.join()
    assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
    assert answers == [200, 200]


def test_the_token_is_asked_for(served: TestClient) -> None:
    for wrong in ("", "Bearer wrong", TOKEN):
        headers = {"authorization": wrong}
        answer = served.post("/v1/predict", json={"fields": FIELDS}, headers=headers)
        assert answer.status_code == 401
        assert served.get("/metrics", headers=headers).status_code == 401
        assert served.get("/v2/health/live", headers=headers).status_code == 200
    assert 'id="token"' in served.get("/", headers={"authorization": ""}).text


def test_rates_are_counted_by_client() -> None:
    now = 0.0
    rates = Rates(2, lambda: now)
    assert [rates.take("a") for _ in range(3)] == [0, 0, 0.5]
    assert rates.take("b") == 0
    now = 0.5
    assert rates.take("a") == 0


def test_a_run_explains(run: Path, song: Path) -> None:
    with TestClient(dh.serve_app(run, workers=1, max_minutes=0.1)) as client:
        data = {"fields": json.dumps(FIELDS)}
        answer = client.post("/v1/explain", data=data, **song_of(song))
        assert answer.status_code == 200, answer.text
        told = answer.json()
        whole = sum(of["contribution"] for of in told["modalities"].values())
        assert whole == pytest.approx(told["score"] - told["baseline_score"], abs=1e-3)
        assert set(told["modalities"]) == {"mel", "meta"}
        assert 'id="explain"' in client.get("/").text


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--workers", "0"], "workers must be at least 1"),
        (["--host", "203.0.113.1"], "Can't listen at 203.0.113.1:8000"),
        (["--token-file", "nowhere"], "There is no file nowhere"),
        (["--mel-windows", "0"], "windows"),
    ],
)
def test_mistakes_are_told(
    words: list[str], said: str, bundle: Path, deephits: Callable[..., Any]
) -> None:
    outcome = deephits("serve", bundle, *words)
    assert outcome.code == 2
    assert said in outcome.err
