"""A real server on a free port, and plain http.client."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from typing import Any

import pytest

pytest.importorskip("fastapi")

from alexnet.serve.app import application
from alexnet.serve.limits import Limits
from oracles.classifiers import make_classifier
from oracles.running import running
from oracles.uploads import encoded, multipart, png

LIMITS = Limits(body_bytes=200_000, pixels=20_000, receive_s=5.0)


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with running(application(make_classifier(), LIMITS), LIMITS) as port:
        yield port


def ask(port: int, method: str, path: str, body: bytes = b"", **headers: str) -> tuple[int, Any]:
    connection = HTTPConnection("127.0.0.1", port, timeout=20)
    connection.request(method, path, body, {key.replace("_", "-"): value for key, value in headers.items()})
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, json.loads(text) if "json" in answer.headers["content-type"] else text


@pytest.mark.parametrize("views", [1, 10])
def test_answers_are_those_of_predict(port: int, views: int) -> None:
    expected = make_classifier().predict([png(1)], top=3, views=views)[0].to_json()
    status, [found] = ask(port, "POST", f"/v1/predict?top=3&views={views}", png(1))
    assert status == 200 and found["image"] == expected["image"]
    assert [each["label"] for each in found["top"]] == [each["label"] for each in expected["top"]]
    assert [each["prob"] for each in found["top"]] == pytest.approx([each["prob"] for each in expected["top"]], 1e-5)


def test_several_files_keep_their_order_and_lose_their_folders(port: int) -> None:
    body = multipart(("a.png", png(2)), ("../../etc/b.png", png(3)))
    status, found = ask(port, "POST", "/v1/predict", body, Content_Type="multipart/form-data; boundary=x")
    assert status == 200 and [each["image"] for each in found] == ["a.png", "b.png"]


def test_no_picture_is_put_on_a_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    large = encoded("BMP", 1, width=800, height=600)
    with running(application(make_classifier())) as port:
        monkeypatch.setattr("tempfile.tempdir", "/nowhere")
        body = multipart(("a.bmp", large), ("b.bmp", large))
        status, found = ask(port, "POST", "/v1/predict", body, Content_Type="multipart/form-data; boundary=x")
    assert status == 200 and len(found) == 2


@pytest.mark.parametrize(
    ("body", "boundary"),
    [(b"", "x"), (b"--y--\r\n", "x"), (multipart(*[("a.png", b"a")] * 17), "x"), (multipart(("a.png", b"a")), "")],
)
def test_a_broken_form_is_a_clients_mistake(port: int, body: bytes, boundary: str) -> None:
    status, found = ask(port, "POST", "/v1/predict", body, Content_Type=f"multipart/form-data; boundary={boundary}")
    assert status == 400 and "Traceback" not in found["detail"]


@pytest.mark.parametrize("name", ["/etc/passwd", "C:\\secret\\key.png", "http://evil.example/a.png", "../../.ssh/id"])
def test_names_are_repeated_without_their_places(port: int, name: str) -> None:
    body = multipart((name, b"http://evil.example/a.png"))
    status, found = ask(port, "POST", "/v1/predict", body, Content_Type="multipart/form-data; boundary=x")
    assert status == 422
    assert not any(each in found["detail"].split(": ")[0] for each in ("/", "\\", "evil", "secret", "ssh"))


def test_clients_at_once_each_get_their_own_answer(port: int) -> None:
    expected = [each.top[0].prob for each in make_classifier().predict([png(seed) for seed in range(12)])]
    with ThreadPoolExecutor(6) as clients:
        found = list(clients.map(lambda seed: ask(port, "POST", "/v1/predict", png(seed)), range(12)))
    assert [answer[0]["top"][0]["prob"] for _, answer in found] == pytest.approx(expected, 1e-5)


def test_too_many_pixels_are_refused(port: int) -> None:
    assert ask(port, "POST", "/v1/predict", png(1, width=400, height=400))[0] == 413


def test_a_path_as_the_body_is_no_picture(port: int) -> None:
    status, found = ask(port, "POST", "/v1/predict", __file__.encode())
    assert status == 422 and found["detail"].startswith("picture 0: ") and "Traceback" not in found["detail"]


def test_a_wrong_number_of_views_is_a_clients_mistake(port: int) -> None:
    assert ask(port, "POST", "/v1/predict?views=3", png(1))[0] == 422


def test_the_network_and_the_api_are_described(port: int) -> None:
    assert ask(port, "GET", "/v1/model")[1]["lineage"] == "tiny"
    assert "/v1/predict" in ask(port, "GET", "/openapi.json")[1]["paths"]
