"""A real server on a free port, and plain http.client."""

import io
import json
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from http.client import HTTPConnection
from typing import Any

import pytest

pytest.importorskip("fastapi")

from alexnet.serve.app import application
from alexnet.serve.limits import Limits
from alexnet.serve.server import server
from oracles.classifiers import draw, make_classifier

LIMITS = Limits(body_bytes=200_000, pixels=20_000, waiting=16, receive_s=1.0)


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        running = server(application(make_classifier(), LIMITS), "127.0.0.1", 0, LIMITS)
        thread = threading.Thread(target=running.run, args=([listening],))
        thread.start()
        while not running.started:
            time.sleep(0.01)
        yield listening.getsockname()[1]
        running.should_exit = True
        thread.join()


def ask(port: int, method: str, path: str, body: bytes = b"", **headers: str) -> tuple[int, Any]:
    connection = HTTPConnection("127.0.0.1", port, timeout=20)
    connection.request(method, path, body, {key.replace("_", "-"): value for key, value in headers.items()})
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, json.loads(text) if "json" in answer.headers["content-type"] else text


def png(seed: int, **size: int) -> bytes:
    file = io.BytesIO()
    draw(seed, **size).save(file, "PNG")
    return file.getvalue()


def multipart(*files: tuple[str, bytes]) -> bytes:
    parts = [
        f'--x\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'.encode() + data + b"\r\n"
        for name, data in files
    ]
    return b"".join(parts) + b"--x--\r\n"


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


def test_clients_at_once_each_get_their_own_answer(port: int) -> None:
    expected = [each.top[0].prob for each in make_classifier().predict([png(seed) for seed in range(12)])]
    with ThreadPoolExecutor(6) as clients:
        found = list(clients.map(lambda seed: ask(port, "POST", "/v1/predict", png(seed)), range(12)))
    assert [answer[0]["top"][0]["prob"] for _, answer in found] == pytest.approx(expected, 1e-5)


def test_an_upload_that_says_it_is_large_is_refused_unread(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), 5) as client:
        client.sendall(b"POST /v1/predict HTTP/1.1\r\nHost: x\r\nContent-Length: 400000000\r\n\r\n")
        assert client.recv(4096).startswith(b"HTTP/1.1 413")


def test_too_many_pixels_are_refused(port: int) -> None:
    assert ask(port, "POST", "/v1/predict", png(1, width=400, height=400))[0] == 413


@pytest.mark.parametrize(
    "head", [b"", b"POST /v1/pre", b"POST /v1/predict HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nab"]
)
def test_slow_sockets_are_closed_while_health_answers(port: int, head: bytes) -> None:
    with socket.create_connection(("127.0.0.1", port), 10) as client:
        client.sendall(head)
        assert ask(port, "GET", "/healthz") == (200, {"status": "ok"})
        while client.recv(4096):
            pass


def test_a_path_as_the_body_is_no_picture(port: int) -> None:
    status, found = ask(port, "POST", "/v1/predict", __file__.encode())
    assert status == 422 and found["detail"].startswith("picture 0: ") and "Traceback" not in found["detail"]


def test_a_full_queue_says_when_to_come_again_and_empties(port: int) -> None:
    with ExitStack() as stack:
        for _ in range(LIMITS.waiting):
            client = stack.enter_context(socket.create_connection(("127.0.0.1", port), 5))
            client.sendall(b"POST /v1/predict HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nab")
        while "waiting 16" not in ask(port, "GET", "/metrics")[1]:
            time.sleep(0.01)
        connection = HTTPConnection("127.0.0.1", port, timeout=5)
        connection.request("POST", "/v1/predict", png(1))
        answer = connection.getresponse()
        assert (answer.status, answer.headers["Retry-After"]) == (503, "1")
        connection.close()
    while "waiting 0" not in ask(port, "GET", "/metrics")[1]:
        time.sleep(0.01)
    assert ask(port, "POST", "/v1/predict", png(1))[0] == 200


def test_a_wrong_number_of_views_is_a_clients_mistake(port: int) -> None:
    assert ask(port, "POST", "/v1/predict?views=3", png(1))[0] == 422


def test_the_network_the_counts_and_the_api_are_described(port: int) -> None:
    assert ask(port, "GET", "/v1/model")[1]["lineage"] == "tiny"
    assert "alexnet_pictures_waiting 0" in ask(port, "GET", "/metrics")[1]
    assert "/v1/predict" in ask(port, "GET", "/openapi.json")[1]["paths"]
