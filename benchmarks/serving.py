"""The server, against the same work in this machine's processes without HTTP."""

from __future__ import annotations

import json
import multiprocessing
import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from deephits_plugins.mel_cnn import MelCNN

from benchmarks.compare import Comparison, seconds
from benchmarks.extraction import write_previews
from benchmarks.prediction import FIELDS, a_run
from benchmarks.requests import Answer, ask_all, form, request, server
from deephits_keras.export.bundle import Bundle
from deephits_keras.export.exporter import export_run
from deephits_keras.runs.run import Run
from deephits_keras.serve.kserve import BINARY_SIZE, DATATYPES, HEADER_LENGTH
from deephits_keras.tracks import Track

Arrays = dict[str, np.ndarray]
ROUNDS = 3
CLIENTS, UPLOADERS, WORKERS = 32, 16, 2
FEATURES = {"meta": 6400, "mel,meta": 384}
"""How many tracks a round scores, by the modalities of the model."""

UPLOADS = 96


def bundle_of(folder: Path, modalities: str) -> Path:
    """An exported run of some modalities."""
    a_run(folder, modalities)
    return export_run(Run(folder / "run"), folder / "bundle").folder


def arrays_of(bundle: Bundle, tracks: int) -> Arrays:
    """Features of made-up tracks."""
    draw = np.random.default_rng(0)
    found = {t.name: draw.normal(size=(tracks, *t.shape)) for t in bundle.manifest.inputs}
    ones = {name: np.ones_like(a) for name, a in found.items() if name.endswith("_present")}
    return {name: array.astype(np.float32) for name, array in {**found, **ones}.items()}


def infer_requests(arrays: Arrays, tracks: int, *, binary: bool) -> list[bytes]:
    """A request per track, of one row."""
    found = []
    for row in range(tracks):
        inputs, tail = [], b""
        for name, array in arrays.items():
            own = array[row % len(array)][None]
            told = {"name": name, "shape": own.shape, "datatype": DATATYPES[str(own.dtype)]}
            if binary:
                tail += own.tobytes()
                inputs.append({**told, "parameters": {BINARY_SIZE: own.nbytes}})
            else:
                inputs.append({**told, "data": own.ravel().tolist()})
        head = json.dumps({"inputs": inputs}).encode()
        length = {HEADER_LENGTH: str(len(head))} if binary else {}
        found.append(request("/v2/models/bundle/infer", head + tail, "application/json", **length))
    return found


def log_mel(path: Path) -> None:
    """Decode a recording and compute its spectrogram."""
    assert MelCNN().extract(Track("t", audio=path)) is not None


def compared(
    work: str, ours: list[float], peer_name: str, theirs: list[float], amount: int, target: float
) -> Comparison:
    """Rates of rounds that were measured in turn."""
    return Comparison(
        work,
        amount / statistics.median(ours),
        peer_name,
        amount / statistics.median(theirs),
        "tracks/s",
        tuple(b / a for a, b in zip(ours, theirs, strict=True)),
        target,
    )


def patience(work: str, answers: list[Answer]) -> Comparison:
    """The median time of an answer over the 99th percentile."""
    times = np.array([answer.seconds for answer in answers])
    slow, usual = np.percentile(times, 99), np.median(times)
    return Comparison(
        f"{work}: 99th percentile", 1 / slow, "median", 1 / usual, "1/s", (usual / slow,), 1 / 4
    )


def features_given(modalities: str, *, binary: bool) -> Iterator[Comparison]:
    """Requests of one track's features each, against batches of 64 in one process."""
    tracks = FEATURES[modalities]
    kind = "binary" if binary else "JSON"
    work = f"server, features of {modalities} given as {kind}, {CLIENTS} clients"
    with tempfile.TemporaryDirectory() as name:
        folder = bundle_of(Path(name), modalities)
        bundle = Bundle(folder)
        arrays, score = arrays_of(bundle, 64), bundle.scorer
        requests = infer_requests(arrays, tracks, binary=binary)
        ours, theirs, answers = [], [], []
        with server(folder) as (address, _):
            for number in range(ROUNDS + 1):
                began = time.perf_counter()
                found = ask_all(address, requests, CLIENTS)
                took = time.perf_counter() - began
                assert all(answer.status == 200 for answer in found), found[0]
                peer = seconds(lambda: [score(arrays) for _ in range(tracks // 64)])
                if number:
                    ours.append(took)
                    theirs.append(peer)
                    answers += found
    yield compared(work, ours, "batches of 64 in one process", theirs, tracks, 0.5)
    yield patience(work, answers)


def uploads() -> Iterator[Comparison]:
    """Requests of an MP3 each, against decoding and log-mel alone."""
    work = f"server, MP3 given, {UPLOADERS} clients"
    with tempfile.TemporaryDirectory() as name:
        folder = bundle_of(Path(name), "mel,meta")
        paths = (write_previews(Path(name)) * UPLOADS)[:UPLOADS]
        requests = []
        for path in paths:
            body, kind = form({"audio": path.read_bytes(), "fields": json.dumps(FIELDS)})
            requests.append(request("/v1/predict", body, kind))
        ours, theirs, answers = [], [], []
        context = multiprocessing.get_context("spawn")
        with (
            server(folder, "--workers", str(WORKERS)) as (address, _),
            context.Pool(WORKERS) as pool,
        ):
            for number in range(ROUNDS + 1):
                began = time.perf_counter()
                found = ask_all(address, requests, UPLOADERS)
                took = time.perf_counter() - began
                assert all(answer.status == 200 for answer in found), found[0]
                peer = seconds(lambda: pool.map(log_mel, paths, chunksize=1))
                if number:
                    ours.append(took)
                    theirs.append(peer)
                    answers += found
    peer_name = f"decoding and log-mel in {WORKERS} processes"
    yield compared(work, ours, peer_name, theirs, UPLOADS, 0.8)


def run() -> Iterator[Comparison]:
    """Measure."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    yield from features_given("mel,meta", binary=True)
    yield from features_given("meta", binary=False)
    yield from uploads()
