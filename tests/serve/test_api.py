"""The API: predictions as `predict` gives them, features, and refusals with a reason."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

import deephits_keras as dh
from deephits_keras.export.bundle import Bundle
from deephits_keras.prediction.workflow import plan_prediction
from deephits_keras.serve.kserve import HEADER_LENGTH
from deephits_keras.tracks import Track

FIELDS = {"tempo": 120.0, "artist_popularity": 70}
LYRICS = "night and day of the road"


@pytest.fixture(scope="module")
def client(bundle: Path) -> Iterator[TestClient]:
    app = dh.serve_app(bundle, workers=1, max_tracks=3, max_megabytes=1.5, max_letters=200)
    with TestClient(app, raise_server_exceptions=False) as client:
        yield client


def form(song: Path | None = None, **parts: Any) -> dict[str, Any]:
    files = {"audio": (song.name, song.read_bytes())} if song else {}
    data = {n: v if isinstance(v, str) else json.dumps(v) for n, v in parts.items()}
    return {"files": files or {"id": (None, "track")}, "data": data}


def same(answer: dict[str, Any], wanted: Any) -> None:
    assert answer["scores"] == pytest.approx(wanted.scores, abs=1e-5)
    assert answer["popularity"] == pytest.approx(wanted.popularity, abs=1e-3)
    assert tuple(answer["tier_set"]) == wanted.tier_set
    assert answer["coverage"] == 0.9
    assert tuple(answer["missing"]) == wanted.missing


def test_a_form_is_predicted_as_by_the_command(
    client: TestClient, bundle: Path, song: Path, tmp_path: Path
) -> None:
    (tmp_path / "lyrics.txt").write_text(LYRICS)
    (wanted,) = dh.predict(bundle, song, lyrics=tmp_path / "lyrics.txt", fields=FIELDS)
    answer = client.post("/v1/predict", **form(song, lyrics=LYRICS, fields=FIELDS))
    assert answer.status_code == 200, answer.text
    same(answer.json(), wanted)
    assert answer.json()["missing_parts"]["meta"] == list(wanted.missing_parts["meta"])
    assert answer.headers["cache-control"] == "no-store"


def test_json_is_predicted_without_files(client: TestClient, bundle: Path) -> None:
    (wanted,) = dh.predict(bundle, fields=FIELDS)
    answer = client.post("/v1/predict", json={"id": "mine", "fields": {**FIELDS, "key": None}})
    same(answer.json(), wanted)
    assert answer.json()["track_id"] == "mine"
    assert answer.json()["missing"] == ["mel", "style"]


def test_values_are_cleaned_as_those_of_a_table(client: TestClient, bundle: Path) -> None:
    written = {"tempo": "120 BPM", "duration_ms": "3:20", "key": "F♯", "energy": "n/a"}
    (wanted,) = dh.predict(bundle, fields=written)
    same(client.post("/v1/predict", json={"fields": written}).json(), wanted)


def test_pictures_of_what_the_model_sees_are_given_on_request(
    client: TestClient, bundle: Path, song: Path
) -> None:
    assert "pictures" not in client.post("/v1/predict", **form(song)).json()
    told = client.post("/v1/predict?pictures=true", **form(song)).json()["pictures"]
    mel = Bundle(bundle).encoders["mel"]
    features = mel.extract(Track("song", audio=song))
    assert features is not None
    wanted = mel.picture(features)
    assert wanted is not None
    values = base64.b64decode(told["mel"].pop("values"))
    assert values == wanted.values.tobytes()
    assert told == {"mel": {"caption": wanted.caption, "width": 323, "height": 128}}
    assert wanted.caption.startswith("Mel spectrogram of 30 s, from 0 Hz (below) to 11,025 Hz")


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/v1/predict?picture=true", "no parameter 'picture', only pictures"),
        ("/v1/predict?pictures=yes", "pictures must be true or false, once. Received: 'yes'"),
        ("/v1/predict?pictures=true&pictures=false", "once. Received: 'true', 'false'"),
        ("/v1/predict:batch?pictures=true", "no parameter 'pictures', none"),
        ("/v2/models/bundle/infer?tempo=120", "no parameter 'tempo', none"),
    ],
)
def test_no_parameter_of_an_address_is_ignored(path: str, said: str, client: TestClient) -> None:
    answer = client.post(path, json={"fields": FIELDS})
    assert answer.status_code == 422
    assert said in answer.json()["error"]


@pytest.mark.parametrize(
    ("sent", "told"),
    [
        ("My song (1).MP3", "My song (1).mp3"),
        ("../../etc/é<b>.mp3", "é_b_.mp3"),
        ("C:\\music\\CON.mp3", "CON.mp3"),
        ("..", "audio"),
        (f"{'𝄞é' * 100}.ogg", f"{'_é' * 25}.ogg"),
        ("a%2e#.mp3", "a_2e_.mp3"),
    ],
)
def test_a_recording_is_called_in_messages_as_its_sender_knows_it(
    sent: str, told: str, client: TestClient
) -> None:
    answer = client.post("/v1/predict", files={"audio": (sent, b"no song at all")})
    assert answer.status_code == 422
    assert answer.json()["error"].startswith(f"mel can't be used: {told} can't be decoded")


def test_several_tracks_each_have_an_answer_or_a_reason(
    client: TestClient, bundle: Path, song: Path
) -> None:
    (wanted,) = dh.predict(bundle, song, fields=FIELDS)
    tracks = [
        {"id": "whole", "audio": "first", "fields": FIELDS},
        {"fields": {"energy": 80}},
        {"id": "damaged", "audio": "second"},
    ]
    files = {"first": song.read_bytes(), "second": b"%PDF-1.7 no music"}
    data = {"tracks": json.dumps(tracks)}
    answer = client.post("/v1/predict:batch", data=data, files=files)
    whole, range_, damaged = answer.json()["predictions"]
    same(whole, wanted)
    assert range_ == {"error": "energy is not from 0 to 1: 80", "field": "energy"}
    assert "PDF" in damaged["error"]
    assert damaged["field"] == "mel"


@pytest.mark.parametrize(
    ("request_", "status", "said"),
    [
        ({"json": {"fields": {"tempoo": 120}}}, 422, "did you mean tempo?"),
        ({"json": {"fields": {"energy": 80}}}, 422, "energy is not from 0 to 1: 80"),
        ({"json": {"fields": {"tempo": [1]}}}, 422, "tempo must be a number or a text"),
        ({"json": {"fields": [1]}}, 422, "fields must be a JSON object"),
        ({"json": {"lyric": "la"}}, 422, "did you mean lyrics?"),
        ({"json": {"tempo": 120}}, 422, "fields go into `fields`"),
        ({"json": {"lyrics": 5}}, 422, "lyrics must be a text"),
        ({"json": {"lyrics": "la " * 100}}, 413, "lyrics has 300 characters"),
        ({"json": {"audio": "/etc/passwd"}}, 422, "audio must be a file"),
        ({"json": {"audio": "http://127.0.0.1/song.mp3"}}, 422, "audio must be a file"),
        ({"json": {}}, 422, "every input is missing"),
        ({"json": [1]}, 422, "must be a JSON object"),
        ({"content": b"{", "headers": {"content-type": "application/json"}}, 400, "not JSON"),
        ({"content": b"x" * 1_500_001}, 413, "larger than the 1.5 MB"),
        ({"content": b"a=b", "headers": {"content-type": "text/plain"}}, 415, "content type"),
        ({"content": b"x", "headers": {"content-type": "multipart/form-data"}}, 400, "oundary"),
        (form(fields="{"), 400, "fields is not JSON"),
        ({"files": [("audio", b"a"), ("audio", b"b")]}, 422, "several parts called 'audio'"),
        ({"files": {"audio": b"\x00" * 5000}}, 422, "mel can't be used"),
        ({"files": {"audio": ("../../x.mp3", b"no song at all")}}, 422, "mel can't be used: x.mp3"),
    ],
)
def test_what_cannot_be_used_is_refused_with_a_reason(
    request_: dict[str, Any], status: int, said: str, client: TestClient
) -> None:
    answer = client.post("/v1/predict", **request_)
    assert answer.status_code == status, answer.text
    assert said in answer.json()["error"]


def raw_form(*parts: tuple[str, bytes], end: bytes = b"--x--\r\n") -> dict[str, Any]:
    told = (
        b'--x\r\nContent-Disposition: form-data; name="%s"\r\n\r\n' % n.encode() for n, _ in parts
    )
    body = b"".join(
        head + content + b"\r\n" for head, (_, content) in zip(told, parts, strict=True)
    )
    headers = {"content-type": "multipart/form-data; boundary=x"}
    return {"content": body + end, "headers": headers}


def raw_json(text: str) -> dict[str, Any]:
    return {"content": text.encode(), "headers": {"content-type": "application/json"}}


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        (raw_json('{"fields": {"tempo": 120, "tempo": 60}}'), "the body has the key 'tempo' twice"),
        (raw_json('{"id": "a", "fields": {}, "id": "b"}'), "the body has the key 'id' twice"),
        (raw_form(("fields", b'{"tempo": 9, "tempo": 8}')), "fields has the key 'tempo' twice"),
        (raw_form(("fields", b'{"tempo": 120}'), end=b""), "its last boundary is missing"),
        (
            raw_form(
                ("fields", b'{"tempo": 120}'), end=b"--x\r\nContent-Disposition: form-data; n"
            ),
            "its last boundary is missing",
        ),
        (raw_form(("lyrics", "été".encode("latin-1"))), "lyrics is not UTF-8 text"),
        (raw_form(("lyrics", "夜".encode("shift-jis"))), "lyrics is not UTF-8 text"),
    ],
)
def test_nothing_of_a_body_is_dropped_or_read_otherwise(
    request_: dict[str, Any], said: str, client: TestClient
) -> None:
    answer = client.post("/v1/predict", **request_)
    assert answer.status_code == 400, answer.text
    assert said in answer.json()["error"]


def test_a_field_that_the_model_does_not_read_is_told(client: TestClient, bundle: Path) -> None:
    note = "popularity is ignored: no encoder of this run reads it"
    answer = client.post("/v1/predict", json={"fields": {"tempo": 120, "popularity": 9}})
    assert note in answer.json()["warnings"]
    assert note in plan_prediction([Bundle(bundle)], fields={"tempo": 120, "popularity": 9}).notes


def test_a_part_that_no_track_names_is_refused(client: TestClient, song: Path) -> None:
    tracks = {"tracks": json.dumps([{"fields": FIELDS}, {"audio": "frist"}])}
    files = {"first": song.read_bytes()}
    answer = client.post("/v1/predict:batch", data=tracks, files=files)
    assert answer.status_code == 422
    assert "No track of `tracks` names the part 'first'" in answer.json()["error"]
    answer = client.post("/v1/predict:batch", json={"tracks": [{"fields": FIELDS}], "id": "mine"})
    assert "names the part 'id'" in answer.json()["error"]


def test_two_tracks_may_name_one_file(client: TestClient, song: Path) -> None:
    tracks = {"tracks": json.dumps([{"audio": "a"}, {"audio": "a", "fields": FIELDS}])}
    answer = client.post("/v1/predict:batch", data=tracks, files={"a": song.read_bytes()})
    alone, fields = answer.json()["predictions"]
    assert (alone["missing"], fields["missing"]) == (["style", "meta"], ["style"])


def test_a_chunked_body_is_limited_too(client: TestClient) -> None:
    answer = client.post(
        "/v1/predict",
        content=(b"x" * 100_000 for _ in range(20)),
        headers={"content-type": "application/json"},
    )
    assert answer.status_code == 413


@pytest.mark.parametrize("tracks", [[], {}, [{}] * 4, "[", [{"audio": "none"}]])
def test_a_bad_list_is_refused(tracks: Any, client: TestClient) -> None:
    answer = client.post("/v1/predict:batch", json={"tracks": tracks})
    told = answer.json()
    assert "error" in (told if answer.status_code >= 400 else told["predictions"][0])


def tensors(info: dict[str, Any], rows: int) -> dict[str, np.ndarray[Any, Any]]:
    draw, found = np.random.default_rng(0), {}
    for each in info["inputs"]:
        shape = (rows, *each["shape"][1:])
        values = (
            draw.integers(0, 9, shape) if each["datatype"] == "INT32" else draw.normal(size=shape)
        )
        found[each["name"]] = values.astype("int32" if each["datatype"] == "INT32" else "float32")
        if each["name"].endswith("_present"):
            found[each["name"]][:] = 1
    found["meta_fields"][0, :3] = np.nan
    found["mel_present"][0] = 0
    return found


def sent(arrays: dict[str, np.ndarray[Any, Any]]) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "shape": array.shape,
            "datatype": "FP32",
            "data": [None if v != v else round(v, 2) for v in array.ravel().tolist()],
        }
        for name, array in arrays.items()
    ]


def test_features_are_scored_by_the_kserve_protocol(client: TestClient, bundle: Path) -> None:
    info = client.get("/v2/models/bundle").json()
    mel = {"name": "mel_mel", "datatype": "FP32", "shape": [-1, 128, 323]}
    assert mel in info["inputs"]
    arrays = tensors(info, 3)
    wanted = Bundle(bundle).scorer(arrays)
    answer = client.post("/v2/models/bundle/infer", json={"id": "7", "inputs": sent(arrays)})
    assert answer.status_code == 200, answer.text
    told = answer.json()
    assert (told["id"], told["model_name"]) == ("7", "bundle")
    found = {each["name"]: each for each in told["outputs"]}
    assert found["outputs"]["shape"] == [3, 3]
    assert found["outputs"]["data"] == pytest.approx(wanted.ravel().tolist(), abs=1e-4)
    assert np.reshape(found["scores"]["data"], (3, 3)).sum(axis=1) == pytest.approx(np.ones(3))
    only = {"inputs": sent({"meta_fields": arrays["meta_fields"]}), "outputs": [{"name": "tier"}]}
    less = client.post("/v2/models/bundle/infer", json=only).json()["outputs"]
    assert [(each["name"], each["shape"]) for each in less] == [("tier", [3])]


def test_binary_tensors_are_scored_too(client: TestClient, bundle: Path) -> None:
    arrays = tensors(client.get("/v2/models/bundle").json(), 2)
    wanted = Bundle(bundle).scorer(arrays)
    inputs = sent(arrays)
    for each, array in zip(inputs, arrays.values(), strict=True):
        del each["data"]
        each["parameters"] = {"binary_data_size": array.nbytes}
    asked = {
        "inputs": inputs,
        "outputs": [{"name": "outputs", "parameters": {"binary_data": True}}],
    }
    head = json.dumps(asked).encode()
    body = head + b"".join(array.tobytes() for array in arrays.values())
    headers = {HEADER_LENGTH: str(len(head))}
    answer = client.post("/v2/models/bundle/infer", content=body, headers=headers)
    length = int(answer.headers[HEADER_LENGTH])
    assert json.loads(answer.content[:length])["outputs"][0]["shape"] == [2, 3]
    found = np.frombuffer(answer.content[length:], "<f4").reshape(2, 3)
    np.testing.assert_allclose(found, wanted, atol=1e-4)
    short = client.post("/v2/models/bundle/infer", content=body[:-4], headers=headers)
    assert short.status_code == 400


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda t: t.update(name="meta_field"), "not an input"),
        (lambda t: t.update(datatype="FP64"), "is of FP32"),
        (lambda t: t.update(shape=[1, 13]), "has the shape"),
        (lambda t: t.update(shape=[]), "has the shape"),
        (lambda t: t.update(data=["1"] * 14), "numbers of FP32"),
        (lambda t: t.update(data=[True] * 14), "numbers of FP32"),
        (lambda t: t.update(data=[[1], [1, 2]]), "numbers of FP32"),
        (lambda t: t.update(name="meta_present", shape=[1, 1], data=[0]), "every modality is miss"),
        (lambda t: t.update(data=[[0.5] * 2] * 7), "numbers of FP32"),
        (lambda t: t.update(name="meta_present", shape=[1, 1], data=[1]), "it lacks meta_fields"),
        (lambda t: t.update(data=[1e39] * 14), "aren't finite"),
        (lambda t: t.update(data="1"), "data must be"),
        (lambda t: t.pop("shape"), "inputs[0].shape is missing"),
        (lambda t: t.update(parameters={"binary_data_size": 56}), "more than the body has"),
    ],
)
def test_features_that_are_none_are_refused(change: Any, said: str, client: TestClient) -> None:
    tensor = {"name": "meta_fields", "shape": [1, 14], "datatype": "FP32", "data": [0.5] * 14}
    change(tensor)
    answer = client.post("/v2/models/bundle/infer", json={"inputs": [tensor]})
    assert answer.status_code == 400
    assert said in answer.json()["error"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"parameters": {"binary_data_output": "false"}}, "must be true or false"),
        ({"outputs": [{"name": "tier", "parameters": {"binary_data": 0}}]}, "must be true or"),
        (
            {"outputs": [{"name": "tier", "parameters": {"classification": 2}}]},
            "has no parameter 'classification'",
        ),
    ],
)
def test_what_is_asked_of_the_outputs_is_not_ignored(
    change: dict[str, Any], said: str, client: TestClient
) -> None:
    tensor = {"name": "meta_fields", "shape": [1, 14], "datatype": "FP32", "data": [0.5] * 14}
    answer = client.post("/v2/models/bundle/infer", json={"inputs": [tensor], **change})
    assert answer.status_code == 400
    assert said in answer.json()["error"]


def test_features_with_a_key_twice_or_an_odd_length_are_refused(client: TestClient) -> None:
    tensor = '{"name": "meta_present", "shape": [1, 1], "datatype": "FP32", "data": [0]}'
    twice = client.post(
        "/v2/models/bundle/infer", content=f'{{"inputs": [{tensor}], "inputs": []}}'
    )
    assert "the request has the key 'inputs' twice" in twice.json()["error"]
    headers = {HEADER_LENGTH.encode(): "²".encode("latin-1")}
    odd = client.post("/v2/models/bundle/infer", content=b"{}", headers=headers)
    assert (twice.status_code, odd.status_code) == (400, 400)


def test_health_metadata_and_metrics(client: TestClient) -> None:
    assert client.get("/v2").json()["extensions"] == ["binary_tensor_data"]
    assert client.get("/v2/health/live").json() == {"live": True}
    assert client.get("/v2/health/ready").json()["ready"] is True
    assert client.get("/v2/models/bundle/ready").json()["ready"] is True
    assert client.get("/v2/models/other").status_code == 404
    client.post("/v1/predict", json={"fields": FIELDS})
    told = client.get("/metrics").text
    assert 'deephits_requests_total{path="/v1/predict",status="200"}' in told
    assert "deephits_batch_tracks_count" in told


def test_the_schema_is_the_models(client: TestClient) -> None:
    info = client.get("/v1/model").json()
    tempo = next(each for each in info["fields"] if each["name"] == "tempo")
    assert (tempo["unit"], tempo["low"], tempo["high"]) == ("BPM", 10, 1000)
    assert (info["texts"], info["files"], info["explains"]) == (["lyrics"], ["audio"], False)
    body = client.get("/openapi.json").json()["paths"]["/v1/predict"]["post"]["requestBody"]
    track = body["content"]["multipart/form-data"]["schema"]["properties"]
    assert track["audio"]["format"] == "binary"
    assert track["fields"]["properties"]["energy"]["anyOf"][0]["maximum"] == 1


def test_a_bundle_is_not_explained(client: TestClient) -> None:
    answer = client.post("/v1/explain", json={"fields": FIELDS})
    assert answer.status_code == 409
    assert "serve the run" in answer.json()["error"]
    assert "/v1/explain" not in client.get("/openapi.json").json()["paths"]
    assert "/v1/explain" not in client.get("/docs").text


def test_pages_load_nothing_from_elsewhere(client: TestClient) -> None:
    for path in ("/", "/docs"):
        page = client.get(path)
        assert page.status_code == 200
        assert "Content-Security-Policy" in page.text
        assert "http://" not in page.text.replace("http://HOST:PORT", "")
        assert "https://" not in page.text
    assert client.get("/static/page.js").status_code == 200
    assert client.get("/static/app.py").status_code == 404
    assert client.get("/static/%2e%2e%2fapp.py").status_code == 404
